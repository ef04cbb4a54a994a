//! The kinds of Kubernetes itself that say who runs where.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::schema::{ErrorKind, FieldError};

/// A namespace, for the selectors of tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A Secret. Its values are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its entries: `data`, and over it `stringData`.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// Reads one; an error does not repeat a value.
    pub(super) fn read(object: &Value) -> Result<Self, Box<FieldError>> {
        let wrong = |path: String, detail: &str, mend: &str| {
            Box::new(FieldError {
                path,
                kind: ErrorKind::Invalid,
                value: None,
                detail: detail.to_owned(),
                mend: mend.to_owned(),
            })
        };
        let mut data = BTreeMap::new();
        for (name, value) in at(object, "data").as_object().into_iter().flatten() {
            let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
            let bytes = bytes.ok_or_else(|| {
                let mend = "encode the value, or write it as it is under stringData";
                wrong(format!("data.{name}"), "must be base64", mend)
            })?;
            data.insert(name.clone(), bytes);
        }
        for (name, value) in at(object, "stringData").as_object().into_iter().flatten() {
            let text = value.as_str().ok_or_else(|| {
                wrong(
                    format!("stringData.{name}"),
                    "must be a string",
                    "write it in quotes, or as a block that begins with |",
                )
            })?;
            data.insert(name.clone(), text.as_bytes().to_vec());
        }
        Ok(Self {
            name: text(object, "metadata.name"),
            namespace: text(object, "metadata.namespace"),
            data,
        })
    }
}

/// A service account, a pod, or what makes pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The kind of the object, for example `Deployment`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The object's namespace.
    pub namespace: String,
    /// The service account that the pods run as.
    pub service_account: String,
    /// The labels of the pods; none for a service account, whose own labels say nothing of pods.
    pub labels: BTreeMap<String, String>,
    /// The annotations of the pods; none for a service account.
    pub annotations: BTreeMap<String, String>,
}

impl Workload {
    /// The path, in the object, of a field of its pods.
    pub fn pod_field(&self, field: &str) -> String {
        let known = ["v1", "apps/v1", "batch/v1"]
            .into_iter()
            .find_map(|api_version| Builtin::of(api_version, &self.kind));
        match known {
            Some(Builtin::Pods(template)) if !template.is_empty() => format!("{template}.{field}"),
            _ => field.to_owned(),
        }
    }
}

/// An object of a kind that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The object's API version.
    pub api_version: String,
    /// The object's kind.
    pub kind: String,
    /// The object's name, if it has one.
    pub name: String,
}

/// How a kind of Kubernetes is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Namespace,
    Secret,
    /// A service account, which names itself.
    ServiceAccount,
    /// A pod, or what makes pods from the template at this path.
    Pods(&'static str),
}

impl Builtin {
    /// How the kind is read, or none if it isn't.
    pub(super) fn of(api_version: &str, kind: &str) -> Option<Self> {
        match (api_version, kind) {
            ("v1", "Namespace") => Some(Self::Namespace),
            ("v1", "Secret") => Some(Self::Secret),
            ("v1", "ServiceAccount") => Some(Self::ServiceAccount),
            ("v1", "Pod") => Some(Self::Pods("")),
            ("apps/v1", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet")
            | ("batch/v1", "Job") => Some(Self::Pods("spec.template")),
            ("batch/v1", "CronJob") => Some(Self::Pods("spec.jobTemplate.spec.template")),
            _ => None,
        }
    }
}

/// The value at a path of field names.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .filter(|name| !name.is_empty())
        .fold(value, |value, name| &value[name])
}

/// The string at a path of field names; empty if there is none.
pub(super) fn text(value: &Value, path: &str) -> String {
    at(value, path).as_str().unwrap_or_default().to_owned()
}

/// The strings of the map at a path of field names.
pub(super) fn texts(value: &Value, path: &str) -> BTreeMap<String, String> {
    at(value, path)
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
