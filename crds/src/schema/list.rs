//! Uniqueness in list sets and list maps.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    error::{ErrorKind, FieldError},
    node::{ListType, Node},
    structure::{child_path, index_path},
};

/// Duplicates in the lists of `object`; none if `old` has duplicates already, as the API server ratchets.
pub(super) fn validate(object: &Value, old: Option<&Value>, root: &Node) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(old) = old {
        walk(old, root, "", &mut errors);
        if !errors.is_empty() {
            return Vec::new();
        }
    }
    walk(object, root, "", &mut errors);
    errors
}

/// The item of the list `old` that `item` is the successor of. Only items of list maps have one.
pub(super) fn counterpart<'a>(item: &Value, old: &'a Value, list: &ListType) -> Option<&'a Value> {
    match list {
        ListType::Map(key) => old
            .as_array()?
            .iter()
            .find(|old| old.get(key) == item.get(key)),
        ListType::Atomic | ListType::Set => None,
    }
}

fn walk(value: &Value, node: &Node, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Array(items) => {
            match &node.list {
                ListType::Atomic => {}
                ListType::Map(key) => map_errors(items, key, path, errors),
                ListType::Set => {
                    let duplicates = duplicates(items.iter());
                    errors.extend(
                        duplicates
                            .into_iter()
                            .map(|index| duplicate(path, index, items[index].clone())),
                    );
                }
            }
            if let Some(node) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    walk(item, node, &index_path(path, index), errors);
                }
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(node) = node.field(name) {
                    walk(value, node, &child_path(path, name), errors);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn map_errors(items: &[Value], key: &str, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(index) = items
        .iter()
        .position(|item| !item.is_object() && !item.is_null())
    {
        let detail = "must be an object for an array of list-type map".to_owned();
        errors.push(FieldError::invalid(
            index_path(path, index),
            items[index].clone(),
            detail,
        ));
        return;
    }
    for index in duplicates(items.iter().map(|item| item.get(key))) {
        let value = items[index]
            .get(key)
            .map_or_else(|| json!({}), |value| json!({ key: value }));
        errors.push(duplicate(path, index, value));
    }
}

fn duplicate(path: &str, index: usize, value: Value) -> FieldError {
    FieldError::new(
        index_path(path, index),
        ErrorKind::Duplicate,
        Some(value),
        String::new(),
    )
    .mend("it is in the list before: take one out")
}

/// The position of the second occurrence of each value that is there more than once.
fn duplicates<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>) -> Vec<usize> {
    let mut seen: HashMap<T, u32> = HashMap::new();
    let mut repeated = Vec::new();
    for (index, value) in values.enumerate() {
        let times = seen.entry(value).or_default();
        *times += 1;
        if *times == 2 {
            repeated.push(index);
        }
    }
    repeated
}
