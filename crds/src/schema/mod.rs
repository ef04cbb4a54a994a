//! The API server's verdict on an object, without an API server.
//!
//! ```text
//!  object ─► unknown fields ─► nulls dropped ─► defaults ─► metadata ─► structure ─► lists ─► CEL rules
//! ```
//!
//! Steps, field paths and texts are those of Kubernetes 1.34 and later with strict field validation, which is what
//! `kubectl apply` asks for. One difference is meant: the API server stops after unknown fields, here everything that
//! is wrong is said at once.

mod cel;
mod error;
mod kubernetes;
mod list;
mod metadata;
mod node;
mod prepare;
mod structure;

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

pub(crate) use error::Shown;
pub use error::{ErrorKind, FieldError};
pub(crate) use metadata::{Names, SERVED};
use node::Node;
pub use node::SchemaError;

/// Judges objects of one kind.
#[derive(Debug)]
pub struct Validator {
    api_version: String,
    kind: String,
    root: Node,
}

/// What is wrong with the metadata of an object whose kind is not judged otherwise; nulls and unknown fields are taken
/// out of it.
pub(crate) fn check_metadata(object: &mut Value, names: Names) -> Vec<FieldError> {
    let mut errors = metadata::unknown_fields(object);
    metadata::drop_nulls(object);
    errors.extend(metadata::validate(object, names));
    errors
}

/// An object as the API server would store it, and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The object without unknown fields and without status, with its defaults.
    pub object: Value,
    /// What is wrong; empty if the API server would accept the object.
    pub errors: Vec<FieldError>,
}

impl Validator {
    /// The validator of a kind of this crate, for example `Tenant`.
    pub fn of(kind: &str) -> Option<&'static Self> {
        static ALL: LazyLock<Vec<Validator>> = LazyLock::new(|| {
            crate::definitions()
                .iter()
                .map(|definition| {
                    Validator::new(definition)
                        .expect("the validator knows every keyword of our schemas")
                })
                .collect()
        });
        ALL.iter().find(|validator| validator.kind == kind)
    }

    /// A validator of the one version of `definition`.
    ///
    /// # Errors
    /// [`SchemaError`] if the schema uses a keyword that is not handled here, or a rule doesn't compile: an object
    /// must not pass because a check of it was left out.
    pub fn new(definition: &CustomResourceDefinition) -> Result<Self, SchemaError> {
        let [version] = definition.spec.versions.as_slice() else {
            return Err(SchemaError::new(
                "",
                "a definition with one version is expected",
            ));
        };
        let schema = version
            .schema
            .as_ref()
            .and_then(|schema| schema.open_api_v3_schema.as_ref());
        let schema = serde_json::to_value(schema).expect("a schema is JSON");
        Ok(Self {
            api_version: format!("{}/{}", definition.spec.group, version.name),
            kind: definition.spec.names.kind.clone(),
            root: Node::parse(&schema, "")?,
        })
    }

    /// The `apiVersion` that objects must carry.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// Judges the creation of `object`, or, with `old`, its update. `old` is an object that was accepted before.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Outcome {
        let mut errors = self.type_errors(object);
        let mut object = object.clone();
        errors.extend(prepare::unknown_fields(&mut object, &self.root));
        errors.extend(metadata::unknown_fields(&mut object));
        let old = old.map(|old| {
            let mut old = old.clone();
            prepare::unknown_fields(&mut old, &self.root);
            self.prepared(old)
        });
        let object = self.prepared(object);
        let names = if old.is_some() {
            Names::Settled
        } else {
            Names::Namespaced
        };
        errors.extend(metadata::validate(&object, names));
        errors.extend(structure::validate(&object, old.as_ref(), &self.root));
        errors.extend(list::validate(&object, old.as_ref(), &self.root));
        if !errors.iter().any(|error| error.kind.blocks_rules()) {
            errors.extend(cel::validate(&object, old.as_ref(), &self.root));
        }
        Outcome { object, errors }
    }

    fn prepared(&self, mut object: Value) -> Value {
        // Status belongs to the status subresource: creation and update take none.
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        metadata::drop_nulls(&mut object);
        prepare::drop_nulls(&mut object, &self.root);
        prepare::set_defaults(&mut object, &self.root);
        object
    }

    fn type_errors(&self, object: &Value) -> Vec<FieldError> {
        [("apiVersion", &self.api_version), ("kind", &self.kind)]
            .into_iter()
            .filter(|(field, expected)| {
                object.get(field).and_then(Value::as_str) != Some(expected.as_str())
            })
            .map(|(field, expected)| {
                let actual = object.get(field).cloned().unwrap_or(Value::Null);
                FieldError::invalid(field, actual, format!("must be {expected}"))
                    .mend(format!("write {expected}"))
            })
            .collect()
    }
}
