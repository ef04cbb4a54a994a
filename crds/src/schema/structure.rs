//! Types, bounds, patterns and required fields.

use serde_json::{Map, Value, json};

use super::{
    error::{ErrorKind, FieldError},
    list,
    node::{Kind, Node},
};
use crate::field;

/// The path of the field `name` of the object at `path`.
pub(super) fn child_path(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of the item `index` of the list at `path`.
pub(super) fn index_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// What is wrong with the structure of `object`; with `old`, only of what changed, as the API server ratchets.
pub(super) fn validate(object: &Value, old: Option<&Value>, root: &Node) -> Vec<FieldError> {
    let mut errors = Vec::new();
    value(object, old, root, "", &mut errors);
    errors
}

fn value(
    value: &Value,
    old: Option<&Value>,
    node: &Node,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    // The object as a whole is never taken for unchanged: its metadata is in no schema to be compared by.
    if old == Some(value) && !path.is_empty() {
        return;
    }
    errors.extend(type_error(value, node, path));
    match value {
        Value::String(text) => errors.extend(string_error(text, node, path)),
        Value::Number(_) => errors.extend(range_errors(value, node, path)),
        Value::Array(items) => array(items, old, node, path, errors),
        Value::Object(fields) => object(fields, old, node, path, errors),
        Value::Null | Value::Bool(_) => {}
    }
    if !node.allowed.is_empty() && !node.allowed.contains(value) {
        let allowed: Vec<String> = node.allowed.iter().map(Value::to_string).collect();
        let detail = format!("supported values: {}", allowed.join(", "));
        errors.push(FieldError::new(
            path,
            ErrorKind::NotSupported,
            Some(value.clone()),
            detail,
        ));
    }
}

/// The name that JSON Schema has for the type of `value`.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_i64().is_some() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_error(value: &Value, node: &Node, path: &str) -> Option<FieldError> {
    let (actual, expected) = (type_name(value), node.kind.as_str());
    // A whole number is an integer however it is written.
    let whole = node.kind == Kind::Integer
        && value
            .as_f64()
            .is_some_and(|float| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0);
    if actual == expected || whole {
        return None;
    }
    let detail = format!("{path} in body must be of type {expected}: \"{actual}\"");
    let mend = match (node.kind, value) {
        (Kind::String, Value::Bool(_)) => {
            "write it in quotes: a bare yes, no, on, off, true or false is a boolean"
        }
        (Kind::String, Value::Number(_)) => "write it in quotes: bare digits are a number",
        (Kind::Boolean, Value::String(_)) => "write true or false, without quotes",
        (Kind::Integer, Value::String(_)) => "write a number, without quotes",
        (Kind::Array, _) => "write a list: each item on its own line, after '- '",
        (Kind::Object, _) => "write fields, each on its own line, as 'name: value'",
        _ => "",
    };
    Some(FieldError::new(path, ErrorKind::TypeInvalid, Some(json!(actual)), detail).mend(mend))
}

fn string_error(text: &str, node: &Node, path: &str) -> Option<FieldError> {
    let length = text.chars().count() as u64;
    if let Some(max) = node.max_length.filter(|max| length > *max) {
        // The API server says bytes, though it counts characters.
        let detail = format!("may not be more than {max} bytes");
        return Some(
            FieldError::new(path, ErrorKind::TooLong, None, detail)
                .mend(format!("it has {length}")),
        );
    }
    if let Some(min) = node.min_length.filter(|min| length < *min) {
        let detail = format!("{path} in body should be at least {min} chars long");
        let error = FieldError::invalid(path, json!(text), detail);
        // The pattern says more than the length.
        return Some(match &node.pattern {
            Some(pattern) => error.mend(field::mend(pattern.as_str())),
            None => error,
        });
    }
    let pattern = node
        .pattern
        .as_ref()
        .filter(|pattern| !pattern.is_match(text))?;
    let detail = format!("{path} in body should match '{pattern}'");
    Some(FieldError::invalid(path, json!(text), detail).mend(field::mend(pattern.as_str())))
}

fn range_errors(value: &Value, node: &Node, path: &str) -> Vec<FieldError> {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let above = node
        .maximum
        .filter(|max| number > *max)
        .map(|max| format!("less than or equal to {max}"));
    let below = node
        .minimum
        .filter(|min| number < *min)
        .map(|min| format!("greater than or equal to {min}"));
    [above, below]
        .into_iter()
        .flatten()
        .map(|bound| {
            FieldError::invalid(
                path,
                value.clone(),
                format!("{path} in body should be {bound}"),
            )
        })
        .collect()
}

fn array(
    items: &[Value],
    old: Option<&Value>,
    node: &Node,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if let Some(item_node) = &node.items {
        for (index, item) in items.iter().enumerate() {
            let old = old.and_then(|old| list::counterpart(item, old, &node.list));
            value(item, old, item_node, &index_path(path, index), errors);
        }
    }
    let count = items.len() as u64;
    if let Some(min) = node.min_items.filter(|min| count < *min) {
        let detail = format!("{path} in body should have at least {min} items");
        errors.push(FieldError::invalid(path, json!(count), detail));
    }
    if let Some(max) = node.max_items.filter(|max| count > *max) {
        errors.push(too_many(path, count, max));
    }
}

fn object(
    fields: &Map<String, Value>,
    old: Option<&Value>,
    node: &Node,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    for (name, field) in fields {
        if let Some(node) = node.field(name) {
            value(
                field,
                old.and_then(|old| old.get(name)),
                node,
                &child_path(path, name),
                errors,
            );
        }
    }
    let missing = node
        .required
        .iter()
        .filter(|name| !fields.contains_key(*name));
    errors.extend(missing.map(|name| {
        FieldError::new(
            child_path(path, name),
            ErrorKind::Required,
            None,
            String::new(),
        )
        .mend(format!("add {name}"))
    }));
    let count = fields.len() as u64;
    if let Some(max) = node.max_properties.filter(|max| count > *max) {
        errors.push(too_many(path, count, max));
    }
}

fn too_many(path: &str, count: u64, max: u64) -> FieldError {
    FieldError::new(
        path,
        ErrorKind::TooMany,
        Some(json!(count)),
        format!("must have at most {max} items"),
    )
}
