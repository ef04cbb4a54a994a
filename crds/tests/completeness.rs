//! The cases of `tests/corpus` are complete: whatever the definitions in `generated/` check, some case would notice if
//! it were checked no longer, or differently.
//!
//! Each check is changed alone, as one that writes the definitions could get it wrong: a rule is left out, a bound is
//! one too high or one too low, a value is taken out of a list. The cases are then judged by the changed definition,
//! and at least one has to fare otherwise. So for each bound there is a case on either side of it.
//!
//! Status is left out: creation and update take none, so these verdicts don't depend on it.

#![expect(clippy::unwrap_used, reason = "what is unwrapped is part of the cases")]

mod corpus;

use std::path::Path;

use corpus::Case;
use mintage_crds::{Validator, schema::ErrorKind};
use serde_json::{Map, Value, json};

/// One change of a schema.
#[derive(Debug)]
struct Mutant {
    /// Where the schema is, as a JSON pointer below that of the whole object.
    at: String,
    keyword: &'static str,
    /// What stands there instead; `None`: nothing.
    instead: Option<Value>,
    /// What cases that could notice it are likely to hold, all of it.
    words: Vec<String>,
}

impl Mutant {
    fn describe(&self) -> String {
        let instead = self.instead.as_ref();
        let instead = instead.map_or("taken out".to_owned(), |value| format!("now {value}"));
        format!("{}: {} {instead}", self.at, self.keyword)
    }

    fn apply(&self, definition: &Value) -> Validator {
        let mut definition = definition.clone();
        let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let node = schema.pointer_mut(&self.at).unwrap().as_object_mut();
        let node = node.unwrap();
        match &self.instead {
            Some(value) => node.insert(self.keyword.to_owned(), value.clone()),
            None => node.remove(self.keyword),
        };
        Validator::new(&serde_json::from_value(definition).unwrap()).unwrap()
    }
}

/// The generated definitions, by kind.
fn definitions() -> Vec<(String, Value)> {
    let folder = Path::new("generated");
    let mut definitions: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let definition: Value = serde_yaml::from_str(&text).unwrap();
            let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
            (kind.to_owned(), definition)
        })
        .collect();
    definitions.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(definitions.len(), 4);
    definitions
}

fn schema(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The schemas of a definition: JSON pointer, field path with `*` for any item or key, and the schema.
fn nodes<'a>(
    schema: &'a Value,
    at: &str,
    path: &str,
    found: &mut Vec<(String, String, &'a Value)>,
) {
    found.push((at.to_owned(), path.to_owned(), schema));
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        if below != "status" {
            nodes(child, &format!("{at}/properties/{name}"), &below, found);
        }
    }
    if let Some(items) = schema.get("items") {
        nodes(items, &format!("{at}/items"), &format!("{path}[*]"), found);
    }
    if let Some(values) = schema.get("additionalProperties") {
        let at = format!("{at}/additionalProperties");
        nodes(values, &at, &format!("{path}.*"), found);
    }
}

/// Every change of one schema, without those below it.
fn mutants(at: &str, schema: &Value) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    // The field that the schema is of, below those that it is in; a case that concerns it writes them.
    let fields = at.split("properties/").skip(1);
    let above: Vec<&str> = fields
        .map(|below| below.split('/').next().unwrap_or_default())
        .collect();
    let field = above.last().copied().unwrap_or_default();
    let mut change = |keyword, instead, word: &str| {
        let words = above.iter().copied().chain([word]);
        mutants.push(Mutant {
            at: at.to_owned(),
            keyword,
            instead,
            words: words.map(str::to_owned).collect(),
        });
    };
    for keyword in [
        "maximum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minimum",
        "minItems",
        "minLength",
    ] {
        if let Some(bound) = schema.get(keyword).and_then(Value::as_f64) {
            #[expect(clippy::cast_possible_truncation, reason = "our bounds are small")]
            let bound = bound as i64;
            change(keyword, Some(json!(bound - 1)), field);
            change(keyword, Some(json!(bound + 1)), field);
        }
    }
    for keyword in ["default", "enum", "pattern"] {
        if schema.get(keyword).is_some() {
            change(keyword, None, field);
        }
    }
    for keyword in ["enum", "required", "x-kubernetes-validations"] {
        let entries = schema.get(keyword).and_then(Value::as_array);
        for index in 0..entries.map_or(0, Vec::len) {
            let mut fewer = entries.unwrap().clone();
            let gone = fewer.remove(index);
            change(keyword, Some(fewer.into()), gone.as_str().unwrap_or(field));
        }
    }
    let rules = schema.get("x-kubernetes-validations");
    let rules = rules.and_then(Value::as_array).cloned().unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        if rule.get("fieldPath").is_some() {
            let mut rules = rules.clone();
            rules[index].as_object_mut().unwrap().remove("fieldPath");
            change("x-kubernetes-validations", Some(rules.into()), field);
        }
    }
    if let Some("map" | "set") = schema["x-kubernetes-list-type"].as_str() {
        change("x-kubernetes-list-type", Some("atomic".into()), field);
    }
    let fields = schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for name in fields.keys().filter(|name| *name != "status") {
        let mut fewer: Map<String, Value> = fields.clone();
        fewer.remove(name);
        change("properties", Some(fewer.into()), name);
    }
    mutants
}

/// A case and its verdict.
struct Judged<'a> {
    case: &'a Case,
    text: String,
    verdict: Verdict,
}

/// What is stored, and each fault by path, kind and words: without numbers, for a fault that names another bound is
/// still the same fault.
type Verdict = (Value, Vec<(String, ErrorKind, String)>);

fn verdict(validator: &Validator, case: &Case) -> Verdict {
    let outcome = validator.validate(&case.object, case.old.as_ref());
    let faults = outcome.errors.into_iter().map(|error| {
        let words = error.detail.replace(|c: char| c.is_ascii_digit(), "");
        (error.path, error.kind, words)
    });
    (outcome.object, faults.collect())
}

impl<'a> Judged<'a> {
    fn new(validator: &Validator, case: &'a Case) -> Self {
        let (old, expect) = (case.old.clone().unwrap_or_default(), &case.expect);
        Self {
            case,
            text: format!("{}{old}{expect:?}", case.object),
            verdict: verdict(validator, case),
        }
    }

    fn notices(&self, changed: &Validator) -> bool {
        verdict(changed, self.case) != self.verdict
    }
}

/// Judges the cases of a kind by each change of its definition; `least` is fewer changes than there are.
fn assert_every_check_is_noticed(kind: &str, least: usize) {
    let definitions = definitions();
    let found = definitions.iter().find(|(known, _)| known == kind);
    let (_, definition) = found.unwrap();
    let validator = Validator::of(kind).unwrap();
    let cases = corpus::cases();
    let mut cases: Vec<_> = cases
        .iter()
        .filter(|case| case.object["kind"] == *kind)
        .map(|case| Judged::new(validator, case))
        .collect();
    cases.sort_by_key(|judged| judged.text.len());
    let mut found = Vec::new();
    nodes(schema(definition), "", "", &mut found);
    let mutants = found.iter().flat_map(|(at, _, node)| mutants(at, node));
    let mutants: Vec<Mutant> = mutants.collect();
    let is_noticed = |mutant: &Mutant| {
        let changed = mutant.apply(definition);
        // Small cases that are about the field notice most changes, and are quickly judged.
        let is_likely = |judged: &&Judged<'_>| {
            let mut words = mutant.words.iter();
            words.all(|word| judged.text.contains(word))
        };
        let (likely, others): (Vec<_>, Vec<_>) = cases.iter().partition(is_likely);
        let mut in_order = likely.into_iter().chain(others);
        in_order.any(|judged| judged.notices(&changed))
    };
    let unnoticed = mutants.iter().filter(|mutant| !is_noticed(mutant));
    let unnoticed: Vec<String> = unnoticed.map(Mutant::describe).collect();
    let count = mutants.len();
    assert!(
        unnoticed.is_empty(),
        "{} of {count} changes of {kind} are noticed by no case of tests/corpus; add one for each:\n{}",
        unnoticed.len(),
        unnoticed.join("\n")
    );
    assert!(count > least, "{count} changes: were checks lost?");
}

#[test]
fn every_check_of_audiences_is_noticed_by_a_case() {
    assert_every_check_is_noticed("ApiAudience", 125);
}

#[test]
fn every_check_of_applications_is_noticed_by_a_case() {
    assert_every_check_is_noticed("Application", 110);
}

#[test]
fn every_check_of_domains_is_noticed_by_a_case() {
    assert_every_check_is_noticed("CustomDomain", 55);
}

#[test]
fn every_check_of_tenants_is_noticed_by_a_case() {
    assert_every_check_is_noticed("Tenant", 250);
}

/// The values at a path with `*`, each with its own path.
fn values<'a>(value: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let mut found = vec![(String::new(), value)];
    for step in path
        .replace("[*]", ".[*]")
        .split('.')
        .filter(|step| !step.is_empty())
    {
        found = found
            .into_iter()
            .flat_map(|(at, value)| -> Vec<(String, &Value)> {
                let below = |name: &str| {
                    if at.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{at}.{name}")
                    }
                };
                match step {
                    "[*]" => {
                        let items = value.as_array().into_iter().flatten().enumerate();
                        items
                            .map(|(i, item)| (format!("{at}[{i}]"), item))
                            .collect()
                    }
                    "*" => {
                        let fields = value.as_object().into_iter().flatten();
                        fields.map(|(name, field)| (below(name), field)).collect()
                    }
                    name => value
                        .get(name)
                        .map(|field| (below(name), field))
                        .into_iter()
                        .collect(),
                }
            })
            .collect();
    }
    found
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("the type {other} is not known here"),
    }
}

#[test]
fn every_field_is_met_with_a_wrong_type_and_every_object_with_an_unknown_field() {
    let cases = corpus::cases();
    let mut unmet = Vec::new();
    for (kind, definition) in definitions() {
        let cases: Vec<&Case> = cases
            .iter()
            .filter(|case| case.object["kind"] == *kind)
            .collect();
        let mut found = Vec::new();
        nodes(schema(&definition), "", "", &mut found);
        for (_, path, node) in found.iter().filter(|(_, path, _)| !path.is_empty()) {
            let expected = node["type"].as_str().unwrap();
            let mistyped = cases.iter().any(|case| {
                values(&case.object, path).iter().any(|(at, value)| {
                    let refused = case.expect.contains(&format!("{at}: Invalid value"));
                    !has_type(value, expected) && refused
                })
            });
            if !mistyped {
                unmet.push(format!("{kind}: {path} with another type than {expected}"));
            }
            let unknown = node.get("properties").is_none()
                || cases.iter().any(|case| {
                    values(&case.object, path).iter().any(|(at, value)| {
                        let names = value.as_object().into_iter().flat_map(Map::keys);
                        names.into_iter().any(|name| {
                            case.expect.contains(&format!("{at}.{name}: Unknown field"))
                        })
                    })
                });
            if !unknown {
                unmet.push(format!("{kind}: an unknown field in {path}"));
            }
        }
    }
    assert!(
        unmet.is_empty(),
        "no case of tests/corpus has:\n{}",
        unmet.join("\n")
    );
}
