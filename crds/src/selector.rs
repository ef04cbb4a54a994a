//! The label selector of Kubernetes with bounds: k8s-openapi's own type has none, and an unbounded one would put
//! the rules above it over the API server's cost limit.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::field;

/// Selects by labels: all of `matchLabels` and all of `matchExpressions`. An empty selector selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be there with exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "match_labels")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement on the label `key`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] == has(self.values)")
    .message("give values with the operators In and NotIn, and leave them out with Exists and DoesNotExist")
    .field_path(".values"))]
pub struct Requirement {
    /// The label's key.
    #[schemars(schema_with = "field::label_key")]
    pub key: String,
    /// How the label's value relates to `values`.
    pub operator: Operator,
    /// The values of `In` and `NotIn`; left out with `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "values")]
    pub values: Vec<String>,
}

/// How a label's value relates to a requirement's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Operator {
    /// There is no such label.
    DoesNotExist,
    /// The label is there.
    Exists,
    /// The label is there with one of the values.
    In,
    /// The label is absent, or has none of the values.
    NotIn,
}

impl LabelSelector {
    /// Whether an object with `labels` is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.matches(labels))
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::DoesNotExist => value.is_none(),
            Operator::Exists => value.is_some(),
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
        }
    }
}

fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 63, "pattern": field::LABEL_VALUE },
        // A structural schema has no `propertyNames`, so the keys take a rule.
        "x-kubernetes-validations": [{
            "rule": format!("self.all(key, key.size() <= 317 && key.matches('{}'))", field::LABEL_KEY.replace('\\', r"\\")),
            "message": "write each key as a label key: an optional DNS name and '/', then at most 63 letters, digits, '-', '_' or '.'",
        }],
    })
}

fn values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 63, "pattern": field::LABEL_VALUE },
        "x-kubernetes-list-type": "atomic",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn requirement(operator: Operator, values: &[&str]) -> LabelSelector {
        LabelSelector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![Requirement {
                key: "team".to_owned(),
                operator,
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            }],
        }
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        assert!(LabelSelector::default().matches(&labels(&[])));
        assert!(LabelSelector::default().matches(&labels(&[("a", "b")])));
    }

    #[test]
    fn operators_follow_kubernetes() {
        let with = labels(&[("team", "shop")]);
        let without = labels(&[("other", "shop")]);
        for (operator, values, on_with, on_without) in [
            (Operator::In, &["shop", "pay"][..], true, false),
            (Operator::In, &["pay"], false, false),
            (Operator::NotIn, &["shop"], false, true),
            (Operator::NotIn, &["pay"], true, true),
            (Operator::Exists, &[], true, false),
            (Operator::DoesNotExist, &[], false, true),
        ] {
            let selector = requirement(operator, values);
            assert_eq!(selector.matches(&with), on_with, "{operator:?} {values:?}");
            assert_eq!(
                selector.matches(&without),
                on_without,
                "{operator:?} {values:?}"
            );
        }
    }

    #[test]
    fn every_label_and_requirement_must_hold() {
        let selector = LabelSelector {
            match_labels: labels(&[("env", "prod")]),
            ..requirement(Operator::Exists, &[])
        };
        assert!(selector.matches(&labels(&[("env", "prod"), ("team", "x")])));
        assert!(!selector.matches(&labels(&[("env", "dev"), ("team", "x")])));
        assert!(!selector.matches(&labels(&[("env", "prod")])));
    }
}
