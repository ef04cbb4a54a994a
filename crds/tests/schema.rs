//! The validator against the cases of `tests/corpus`, and what holds for every schema.

#![expect(clippy::unwrap_used, reason = "what is unwrapped is part of the cases")]

mod corpus;

use std::collections::BTreeSet;

use mintage_crds::{FieldError, Validator, schema::Outcome};
use serde_json::{Value, json};

fn validator(object: &Value) -> &'static Validator {
    Validator::of(object["kind"].as_str().unwrap()).unwrap()
}

fn written(error: &FieldError) -> String {
    let path = if error.path.is_empty() {
        "(object)"
    } else {
        &error.path
    };
    format!("{path}: {}", error.kind.as_str())
}

fn faults(outcome: &Outcome) -> BTreeSet<String> {
    outcome.errors.iter().map(written).collect()
}

#[test]
fn every_case_gets_its_verdict() {
    let cases = corpus::cases();
    let mut wrong = Vec::new();
    for case in &cases {
        if let Some(old) = &case.old {
            let accepted = validator(old).validate(old, None);
            assert_eq!(
                accepted.errors,
                [],
                "{}: the object before the update must be accepted",
                case.id
            );
        }
        let outcome = validator(&case.object).validate(&case.object, case.old.as_ref());
        if faults(&outcome) != case.expect {
            wrong.push(format!(
                "{}\n  expected {:?}\n  got      {:#?}",
                case.id, case.expect, outcome.errors
            ));
        }
        if let Some(stored) = &case.stored {
            let patched = corpus::merged(outcome.object.clone(), stored);
            if patched != outcome.object {
                wrong.push(format!(
                    "{}\n  stored   {}\n  expected {stored}",
                    case.id, outcome.object
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert!(cases.len() > 200, "{} cases: were files lost?", cases.len());
}

/// A stored object is its own fixed point: judged again, nothing is added and nothing is wrong.
#[test]
fn accepted_objects_stay_accepted() {
    for case in corpus::cases().iter().filter(|case| case.expect.is_empty()) {
        let validator = validator(&case.object);
        let stored = validator.validate(&case.object, case.old.as_ref()).object;
        let again = validator.validate(&stored, Some(&stored));
        assert_eq!(
            (again.object, again.errors),
            (stored, vec![]),
            "{}",
            case.id
        );
    }
}

/// An object that was stored under laxer rules may be updated as long as what is wrong with it stays as it was.
#[test]
fn unchanged_faults_do_not_stop_an_update() {
    let old = json!({
        "apiVersion": "mintage.dev/v1alpha1", "kind": "ApiAudience",
        "metadata": { "name": "orders", "namespace": "orders" },
        "spec": {
            "tenantRef": { "name": "acme", "namespace": "identity" }, "identifier": "a b", "displayName": "",
            "scopes": [{ "name": "x y" }, { "name": "b" }], "grants": [{ "scopes": ["q", "q"] }],
        },
    });
    for (update, expect) in [
        (json!({ "spec": { "tokenLifetimeSeconds": 60 } }), &[][..]),
        (
            json!({ "spec": { "displayName": "\n" } }),
            &["spec.displayName: Invalid value"],
        ),
        (
            json!({ "spec": { "scopes": [{ "name": "c" }, { "name": "x y" }] } }),
            &[],
        ),
        (
            json!({ "spec": { "scopes": [{ "name": "x y", "description": "more" }] } }),
            &[],
        ),
        (
            json!({ "spec": { "scopes": [{ "name": "z z" }] } }),
            &["spec.scopes[0].name: Invalid value"],
        ),
        (
            json!({ "spec": { "grants": [{ "scopes": ["q"] }] } }),
            &["spec.grants[0]: Invalid value"],
        ),
    ] {
        let object = corpus::merged(old.clone(), &update);
        let outcome = validator(&object).validate(&object, Some(&old));
        let expect: BTreeSet<String> = expect.iter().map(|fault| (*fault).to_owned()).collect();
        assert_eq!(faults(&outcome), expect, "{update}");
    }
}

/// Every fault tells the user what to do, or its text does.
#[test]
fn every_fault_has_words() {
    for case in corpus::cases() {
        for error in validator(&case.object)
            .validate(&case.object, case.old.as_ref())
            .errors
        {
            assert!(
                !(error.detail.is_empty() && error.mend.is_empty()),
                "{}: {error}",
                case.id
            );
        }
    }
}

#[test]
fn every_string_list_and_map_is_bounded() {
    for definition in mintage_crds::definitions() {
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
        let mut unbounded = Vec::new();
        find_unbounded(&schema["openAPIV3Schema"], "", &mut unbounded);
        assert!(
            unbounded.is_empty(),
            "{}: {unbounded:?}",
            definition.spec.names.kind
        );
    }
}

fn find_unbounded(schema: &Value, path: &str, unbounded: &mut Vec<String>) {
    let has = |keyword: &str| schema.get(keyword).is_some();
    let bounded = match schema["type"].as_str() {
        Some("string") => has("enum") || has("maxLength") || schema["format"] == "date-time",
        Some("array") => has("maxItems") && has("items") && has("x-kubernetes-list-type"),
        Some("object") => {
            has("properties") != (has("additionalProperties") && has("maxProperties"))
        }
        Some("integer") => has("minimum"),
        Some("boolean") => true,
        _ => false,
    };
    // Status is written by Mintage alone, and its url and value need no pattern.
    let patterned =
        path.starts_with("status") || schema["type"] != "string" || has("enum") || has("pattern");
    if !bounded || !patterned {
        unbounded.push(path.to_owned());
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        find_unbounded(
            child,
            &format!("{path}{}{name}", if path.is_empty() { "" } else { "." }),
            unbounded,
        );
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(keyword) {
            find_unbounded(child, &format!("{path}[]"), unbounded);
        }
    }
}
