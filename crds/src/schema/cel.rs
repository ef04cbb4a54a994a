//! CEL rules (`x-kubernetes-validations`), each evaluated by kube-cel on the value of its own node.
//!
//! The walk is ours, because the API server's differs from kube-cel's: it looks up the old value of a list's item by
//! key instead of by position, ratchets, and doesn't apply `fieldPath` where a rule fails to evaluate.

use kube::core::cel::{self, CompiledSchema};
use serde_json::{Map, Value};

use super::{
    error::FieldError,
    list,
    node::{Node, SchemaError},
    structure::{child_path, index_path},
};

/// One rule on the value of a node.
#[derive(Debug)]
pub(super) struct Rule {
    /// The node's schema with this rule only, which holds for the node's own value.
    compiled: CompiledSchema,
    message: String,
    /// The field below the node that the rule blames, with its leading dot.
    field_path: Option<String>,
    is_transition: bool,
}

impl Rule {
    /// The rules of the node with `schema`.
    pub(super) fn parse_all(schema: &Value, path: &str) -> Result<Vec<Self>, SchemaError> {
        let rules = schema.get(RULES).and_then(Value::as_array);
        rules
            .into_iter()
            .flatten()
            .map(|rule| Self::parse(schema, rule, path))
            .collect()
    }

    fn parse(schema: &Value, rule: &Value, path: &str) -> Result<Self, SchemaError> {
        let fail = |problem: String| SchemaError::new(path, problem);
        let known = ["fieldPath", "message", "rule"];
        if let Some(unknown) = rule
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .find(|key| !known.contains(&key.as_str()))
        {
            return Err(fail(format!("{unknown} of a rule is not handled")));
        }
        let text = |key: &str| rule.get(key).and_then(Value::as_str).map(str::to_owned);
        let expression =
            text("rule").ok_or_else(|| fail("a rule without expression".to_owned()))?;

        let mut alone = without_rules(schema);
        alone[RULES] = serde_json::json!([{ "rule": expression }]);
        let compiled = cel::compile_schema(&alone);
        let is_transition = match compiled.validations.as_slice() {
            [Ok(rule)] => rule.is_transition_rule,
            [Err(error)] => return Err(fail(error.to_string())),
            _ => return Err(fail("one rule is expected".to_owned())),
        };
        Ok(Self {
            compiled,
            message: text("message").unwrap_or_else(|| format!("failed rule: {expression}")),
            field_path: text("fieldPath"),
            is_transition,
        })
    }

    fn check(
        &self,
        value: &Value,
        old: Option<&Value>,
        unchanged: bool,
        path: &str,
    ) -> Option<FieldError> {
        if self.is_transition && old.is_none() {
            return None;
        }
        let failure = cel::validate_compiled(&self.compiled, value, old)
            .err()?
            .into_vec()
            .into_iter()
            .next()?;
        let shown = if value.is_object() || value.is_array() {
            None
        } else {
            Some(value.clone())
        };
        let error = |path: String, detail| FieldError {
            value: shown,
            ..FieldError::invalid(path, Value::Null, detail)
        };
        if failure.kind != cel::ErrorKind::ValidationFailure {
            return Some(error(
                path.to_owned(),
                format!("can't be evaluated: {}", self.message),
            ));
        }
        // A rule without `oldSelf` that the unchanged value broke before is not held against an update.
        if !self.is_transition && unchanged {
            return None;
        }
        let path = match &self.field_path {
            None => path.to_owned(),
            Some(below) => child_path(path, below.trim_start_matches('.')),
        };
        Some(error(path, self.message.clone()))
    }
}

const RULES: &str = "x-kubernetes-validations";

/// The rules that `object` breaks; with `old`, those that a change breaks, as the API server ratchets.
pub(super) fn validate(object: &Value, old: Option<&Value>, root: &Node) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(object, old, false, root, "", &mut errors);
    errors
}

/// `unchanged`: the value that `value` is part of is what it was, though `value` itself has no counterpart in it.
fn walk(
    value: &Value,
    old: Option<&Value>,
    unchanged: bool,
    node: &Node,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if value.is_null() {
        return;
    }
    // As in the structure, the object as a whole is never unchanged.
    let unchanged = old.map_or(unchanged, |old| old == value && !path.is_empty());
    errors.extend(
        node.rules
            .iter()
            .filter_map(|rule| rule.check(value, old, unchanged, path)),
    );
    match value {
        Value::Array(items) => {
            if let Some(item_node) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    let old = old.and_then(|old| list::counterpart(item, old, &node.list));
                    walk(
                        item,
                        old,
                        unchanged,
                        item_node,
                        &index_path(path, index),
                        errors,
                    );
                }
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(node) = node.field(name) {
                    let old = old.and_then(|old| old.get(name));
                    walk(field, old, unchanged, node, &child_path(path, name), errors);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `schema` without any rule, here and below.
fn without_rules(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| *key != RULES)
            .map(|(key, value)| (key.clone(), without_rules(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_rules).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}
