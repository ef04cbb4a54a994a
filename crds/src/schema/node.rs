//! A structural schema, parsed: every keyword is either understood or refused.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::cel::Rule;

/// A schema that can't be judged by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schema of {}: {problem}", if path.is_empty() { "the object" } else { path })]
pub struct SchemaError {
    path: String,
    problem: String,
}

impl SchemaError {
    pub(super) fn new(path: &str, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// The schema of one value.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) properties: BTreeMap<String, Node>,
    pub(super) additional: Option<Box<Node>>,
    pub(super) items: Option<Box<Node>>,
    pub(super) required: Vec<String>,
    pub(super) allowed: Vec<Value>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) max_properties: Option<u64>,
    pub(super) pattern: Option<Regex>,
    pub(super) default: Option<Value>,
    pub(super) list: ListType,
    pub(super) rules: Vec<Rule>,
}

/// The JSON type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Array,
    Boolean,
    Integer,
    Object,
    String,
}

/// How a list is merged, and what in it must be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListType {
    Atomic,
    /// Objects, unique by this field.
    Map(String),
    Set,
}

impl Kind {
    /// The name that JSON Schema has for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Object => "object",
            Self::String => "string",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [
            Self::Array,
            Self::Boolean,
            Self::Integer,
            Self::Object,
            Self::String,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }
}

/// What is read below; any other keyword would be a check left out.
const KEYWORDS: [&str; 19] = [
    "additionalProperties",
    "default",
    "description",
    "enum",
    // `int64` and `date-time`: the former bounds nothing that JSON numbers of Kubernetes don't, the latter is met in
    // status only, which is not judged here.
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
];
const RULES: &str = "x-kubernetes-validations";

impl Node {
    pub(super) fn parse(schema: &Value, path: &str) -> Result<Self, SchemaError> {
        let fail = |problem: String| SchemaError::new(path, problem);
        let keywords = schema
            .as_object()
            .ok_or_else(|| fail("no object".to_owned()))?;
        if let Some(unknown) = keywords
            .keys()
            .find(|key| !KEYWORDS.contains(&key.as_str()) && *key != RULES)
        {
            return Err(fail(format!("the keyword {unknown} is not handled")));
        }
        let kind = keywords
            .get("type")
            .and_then(Value::as_str)
            .and_then(Kind::parse)
            .ok_or_else(|| fail("a type is missing or not handled".to_owned()))?;
        let child = |keyword: &str, suffix: &str| {
            keywords
                .get(keyword)
                .map(|child| Self::parse(child, &format!("{path}{suffix}")).map(Box::new))
                .transpose()
        };
        let pattern = keywords
            .get("pattern")
            .and_then(Value::as_str)
            .map(Regex::new)
            .transpose();
        Ok(Self {
            kind,
            properties: properties(keywords, path)?,
            additional: child("additionalProperties", "[*]")?,
            items: child("items", "[*]")?,
            required: strings(keywords.get("required")),
            allowed: keywords
                .get("enum")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
            minimum: keywords.get("minimum").and_then(Value::as_f64),
            maximum: keywords.get("maximum").and_then(Value::as_f64),
            min_length: keywords.get("minLength").and_then(Value::as_u64),
            max_length: keywords.get("maxLength").and_then(Value::as_u64),
            min_items: keywords.get("minItems").and_then(Value::as_u64),
            max_items: keywords.get("maxItems").and_then(Value::as_u64),
            max_properties: keywords.get("maxProperties").and_then(Value::as_u64),
            pattern: pattern.map_err(|error| fail(error.to_string()))?,
            default: keywords.get("default").cloned(),
            list: list_type(keywords).map_err(fail)?,
            rules: Rule::parse_all(schema, path)?,
        })
    }

    /// The schema of the field `name`: a declared one, or that of a map's values.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }
}

fn properties(
    keywords: &Map<String, Value>,
    path: &str,
) -> Result<BTreeMap<String, Node>, SchemaError> {
    let Some(properties) = keywords.get("properties").and_then(Value::as_object) else {
        return Ok(BTreeMap::new());
    };
    properties
        .iter()
        .map(|(name, schema)| {
            Ok((
                name.clone(),
                Node::parse(schema, &super::structure::child_path(path, name))?,
            ))
        })
        .collect()
}

fn list_type(keywords: &Map<String, Value>) -> Result<ListType, String> {
    match keywords
        .get("x-kubernetes-list-type")
        .and_then(Value::as_str)
    {
        None | Some("atomic") => Ok(ListType::Atomic),
        Some("set") => Ok(ListType::Set),
        Some("map") => match strings(keywords.get("x-kubernetes-list-map-keys")).as_slice() {
            [key] => Ok(ListType::Map(key.clone())),
            _ => Err("a list map with one key is expected".to_owned()),
        },
        Some(other) => Err(format!("the list type {other} is not handled")),
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_check_that_is_not_handled_is_refused() {
        for schema in [
            json!({ "type": "string", "multipleOf": 2 }),
            json!({ "type": "object", "properties": { "a": { "type": "string", "nullable": true } } }),
            json!({ "type": "array", "items": { "anyOf": [] } }),
            json!({ "type": "number" }),
            json!({}),
            json!({ "type": "string", "pattern": "(" }),
            json!({ "type": "array", "items": { "type": "string" }, "x-kubernetes-list-type": "bag" }),
            json!({ "type": "string", "x-kubernetes-validations": [{ "rule": "self ==" }] }),
        ] {
            assert!(Node::parse(&schema, "").is_err(), "{schema}");
        }
    }
}
