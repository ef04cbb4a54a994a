//! The kinds of Kubernetes itself that say who runs where.

use std::collections::BTreeMap;

use serde_json::Value;

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
