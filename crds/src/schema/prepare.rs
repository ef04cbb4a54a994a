//! What the API server does to an object before it judges it: unknown fields out, nulls out, defaults in.

use serde_json::{Map, Value};

use super::{
    error::{ErrorKind, FieldError},
    node::Node,
    structure::{child_path, index_path},
};

/// Every object has these, and no schema of a kind lists them.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Takes the fields out of `object` that the schema has not, and says which.
pub(super) fn unknown_fields(object: &mut Value, root: &Node) -> Vec<FieldError> {
    let mut errors = Vec::new();
    prune(object, Some(root), "", &mut errors);
    errors
}

/// Without a node, as for items of what should not be a list, every field is unknown.
fn prune(value: &mut Value, node: Option<&Node>, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(fields) => {
            let below = |name: &str| node.and_then(|node| node.field(name));
            fields.retain(|name, _| {
                let meta = path.is_empty() && META.contains(&name.as_str());
                let known = meta || below(name).is_some();
                if !known {
                    errors.push(unknown_field(name, node, path));
                }
                known
            });
            for (name, value) in fields {
                if let Some(node) = below(name) {
                    prune(value, Some(node), &child_path(path, name), errors);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let node = node.and_then(|node| node.items.as_deref());
                prune(item, node, &index_path(path, index), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn unknown_field(name: &str, node: Option<&Node>, path: &str) -> FieldError {
    let known: Vec<&str> = node
        .into_iter()
        .flat_map(|node| node.properties.keys())
        .map(String::as_str)
        .collect();
    let mend = match nearest(name, &known) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None if known.is_empty() => "take it out".to_owned(),
        None => format!("take it out; known here: {}", known.join(", ")),
    };
    FieldError::new(
        child_path(path, name),
        ErrorKind::UnknownField,
        None,
        String::new(),
    )
    .mend(mend)
}

/// The name in `known` that `name` is likely meant to be.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|candidate| {
            (
                distance(&name.to_lowercase(), &candidate.to_lowercase()),
                *candidate,
            )
        })
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len() / 3)
        .map(|(_, candidate)| candidate)
}

/// The edit distance of Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Takes out each null whose field is known and has no default: a null is an absent field. A null of a field with a
/// default stays for [`set_defaults`].
pub(super) fn drop_nulls(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                !(value.is_null() && node.field(name).is_some_and(|node| node.default.is_none()))
            });
            for_each_field(fields, node, drop_nulls);
        }
        Value::Array(items) => for_each_item(items, node, drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Sets each missing field that has a default, from the outside in, so that defaults of defaults apply.
pub(super) fn set_defaults(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            for (name, node) in &node.properties {
                if let Some(default) = &node.default
                    && fields.get(name).is_none_or(Value::is_null)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for_each_field(fields, node, set_defaults);
        }
        Value::Array(items) => for_each_item(items, node, set_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn for_each_field(fields: &mut Map<String, Value>, node: &Node, step: fn(&mut Value, &Node)) {
    for (name, value) in fields {
        if let Some(node) = node.field(name) {
            step(value, node);
        }
    }
}

fn for_each_item(items: &mut [Value], node: &Node, step: fn(&mut Value, &Node)) {
    if let Some(node) = &node.items {
        for item in items {
            step(item, node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("a", "a", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let known = ["identifier", "signingAlgorithm", "scopes"];
        assert_eq!(nearest("identifer", &known), Some("identifier"));
        assert_eq!(
            nearest("signingalgorithm", &known),
            Some("signingAlgorithm")
        );
        assert_eq!(nearest("scope", &known), Some("scopes"));
        assert_eq!(nearest("audience", &known), None);
        assert_eq!(nearest(&"x".repeat(1000), &known), None);
    }
}
