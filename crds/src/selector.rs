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

fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 63, "pattern": field::LABEL_VALUE },
        "x-kubernetes-validations": [field::label_keys()],
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
