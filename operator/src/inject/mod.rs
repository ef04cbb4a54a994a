//! A pod becomes the same pod with a sidecar.
//!
//! ```text
//!  pod ─► opted in? ─► skip? ─► checks ─► tenant, issuer ─► Recipe ─► Draft ─► the pod and its JSON patch
//!           │            │         │            │
//!           └─ Skipped ──┘         └─ Refused ──┘
//! ```
//!
//! Pure: what the cluster holds comes as a [`Snapshot`]. The namespace is the request's, never what the pod says of
//! itself. Looking at an injected pod again changes nothing, whoever has changed something else meanwhile; a pod that was
//! injected by another version or with other settings, and was copied since, gets what is current.
//!
//! Annotations choose a tenant, names of audiences and a domain, each parsed. Image, arguments, mounts, users and
//! resources come from [`Settings`] alone. A container, volume or label that says to be the sidecar's is not believed:
//! what stands under the sidecar's names after the injection is the sidecar's own, whatever stood there before.

mod checks;
mod choice;
mod draft;
mod parts;
mod refusal;
mod settings;
mod write;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mintage_core::inject::{POD_LABEL, namespace_opts_in, pod_opts_in};
use mintage_core::{Namespace, ObjectName, TenantRef, WorkloadId};
use serde::Deserialize as _;
use serde_json::Value;

use crate::snapshot::Snapshot;
pub use parts::TOKEN_AUDIENCE;
pub use refusal::{Refusal, Rule};
pub use settings::{InvalidSettings, Ports, PullPolicy, Resources, Settings};

/// The name of the sidecar's container.
pub const CONTAINER: &str = "mintage-sidecar";

/// The name of the sidecar's volume.
pub const VOLUME: &str = "mintage";

/// Label of a pod that has got a sidecar: `true`.
pub const INJECTED: &str = "mintage.dev/injected";

/// Annotation of an injected pod: a name for what was injected ([`Current::hash`]).
pub const HASH: &str = "mintage.dev/injection-hash";

/// Annotation of an injected pod: its tenant.
pub const INJECTED_TENANT: &str = "mintage.dev/injected-tenant";

/// Annotation of an injected pod: the issuer that its tokens name.
pub const INJECTED_ISSUER: &str = "mintage.dev/injected-issuer";

/// Annotation of a pod that goes without a sidecar though its namespace is enabled: why ([`Skip::mark`]). Nobody misses a
/// sidecar there.
pub const SKIPPED: &str = "mintage.dev/injection-skipped";

/// Annotation of the pods that kubelet shows for its own static ones; nothing can be added to them.
pub const MIRROR: &str = "kubernetes.io/config.mirror";

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It gets a sidecar, or a current one.
    Injected(Box<Injection>),
    /// It must not start as it is.
    Refused(Refusal),
    /// It goes without a sidecar.
    Skipped(Skip),
    /// It has a current sidecar already.
    Unchanged {
        /// What whoever made the pod should know.
        warnings: Vec<String>,
    },
}

/// A pod with its sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// From the pod as it came to the pod as it is.
    pub patch: json_patch::Patch,
    /// The pod as it is.
    pub pod: Value,
    /// Its tenant.
    pub tenant: TenantRef,
    /// What whoever made the pod should know.
    pub warnings: Vec<String>,
}

/// Why a pod goes without a sidecar.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Skip {
    /// It is one of a node's own: in the node's network, or among its processes.
    #[error(
        "mintage: no sidecar for a pod with {field}: everything on the node could use it (label the pod mintage.dev/inject: \"false\" to say so)"
    )]
    HostNamespace {
        /// The field of the pod's spec.
        field: &'static str,
    },
    /// It is a static pod of kubelet's.
    #[error("mintage: no sidecar for a static pod: kubelet runs it from a file")]
    Mirror,
    /// Neither the pod nor its namespace asks for a sidecar.
    #[error("mintage: no sidecar: neither the pod nor its namespace asks for one")]
    NotOptedIn,
    /// The pod says that it wants none.
    #[error("mintage: no sidecar: the pod has the label mintage.dev/inject: \"false\"")]
    OptedOut,
    /// It runs on Windows.
    #[error("mintage: no sidecar for a Windows pod: there is none for Windows")]
    Windows,
}

impl Skip {
    /// The change by which a pod says from now on that it goes without a sidecar, so that whoever sees its metadata only
    /// can tell it from one that was made while nobody injected. Nothing for pods whose metadata tell already.
    pub fn mark(&self, pod: &Value) -> Option<json_patch::Patch> {
        let why = match self {
            Self::HostNamespace { .. } => "host-namespace",
            Self::Windows => "windows",
            Self::Mirror | Self::NotOptedIn | Self::OptedOut => return None,
        };
        let patch = write::mark(pod.clone(), why);
        (!patch.is_empty()).then_some(patch)
    }
}

/// Who asked for a sidecar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OptIn {
    /// The namespace, for all its pods.
    Namespace,
    /// The pod itself.
    Pod,
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Skip> for Outcome {
    fn from(skip: Skip) -> Self {
        Self::Skipped(skip)
    }
}

/// Gives a pod of a namespace its sidecar.
pub fn inject(
    snapshot: &Snapshot,
    namespace: &Namespace,
    pod: &Value,
    settings: &Settings,
) -> Outcome {
    decide(snapshot, namespace, pod, settings).unwrap_or_else(|ended| ended)
}

/// What a pod would get now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Current {
    /// The [`HASH`] that it would have.
    pub hash: String,
    /// Its tenant.
    pub tenant: TenantRef,
}

/// What a pod with this metadata would get now. A controller compares the hash with the one the pod has: pods whose
/// sidecar is not current are to be started anew. An error says that the pod would not be admitted as it is.
pub fn current(
    snapshot: &Snapshot,
    namespace: &Namespace,
    metadata: &ObjectMeta,
    settings: &Settings,
) -> Result<Current, Refusal> {
    let nothing = BTreeMap::new();
    let annotations = metadata.annotations.as_ref().unwrap_or(&nothing);
    let recipe = choice::choose(snapshot, namespace, annotations)?;
    Ok(Current {
        hash: recipe.hash(settings),
        tenant: recipe.tenant,
    })
}

/// Whether a pod was let through without a sidecar on purpose, as far as its metadata say. A pod that asks for one by its
/// own label is never.
pub fn is_skipped(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> bool {
    !pod_opts_in(labels) && (annotations.contains_key(SKIPPED) || annotations.contains_key(MIRROR))
}

/// Whether a pod with these labels is to have a sidecar, as far as labels say.
pub fn is_opted_in(
    snapshot: &Snapshot,
    namespace: &Namespace,
    pod_labels: &BTreeMap<String, String>,
) -> bool {
    opt_in(snapshot, namespace, pod_labels).is_ok()
}

fn opt_in(
    snapshot: &Snapshot,
    namespace: &Namespace,
    pod_labels: &BTreeMap<String, String>,
) -> Result<OptIn, Outcome> {
    // Any other value than the one that opts out leaves the namespace's word.
    let opts_out = |value: &String| value == "false";
    if pod_labels.get(POD_LABEL).is_some_and(opts_out) {
        return Err(Skip::OptedOut.into());
    }
    let known = snapshot.world.namespaces.get(namespace);
    let known = known.ok_or_else(|| Refusal::NamespaceUnknown(namespace.clone()))?;
    if pod_opts_in(pod_labels) {
        Ok(OptIn::Pod)
    } else if namespace_opts_in(&known.labels) {
        Ok(OptIn::Namespace)
    } else {
        Err(Skip::NotOptedIn.into())
    }
}

/// An error is an outcome, too: one that comes before the end.
fn decide(
    snapshot: &Snapshot,
    namespace: &Namespace,
    pod: &Value,
    settings: &Settings,
) -> Result<Outcome, Outcome> {
    // The error itself could quote the pod.
    let view = Pod::deserialize(pod);
    let view = view.map_err(|_| Refusal::Malformed("its fields are not of a pod's types"))?;
    let nothing = BTreeMap::new();
    let labels = view.metadata.labels.as_ref().unwrap_or(&nothing);
    let annotations = view.metadata.annotations.as_ref().unwrap_or(&nothing);
    let by = opt_in(snapshot, namespace, labels)?;
    let spec = view.spec.as_ref();
    let spec = spec.ok_or(Refusal::Malformed("it has no spec"))?;
    if !pod["metadata"].is_object() {
        return Err(Refusal::Malformed("it has no metadata").into());
    }
    checks::skip(&view, spec, by)?;
    let marked =
        labels.get(INJECTED).is_some_and(|value| value == "true") && annotations.contains_key(HASH);
    checks::check(spec, settings, marked)?;
    let workload = workload(namespace, spec)?;
    let recipe = choice::choose(snapshot, namespace, annotations)?;
    let warnings = choice::warnings(&snapshot.world, namespace, &recipe);
    let before = annotations.get(INJECTED_ISSUER).filter(|_| marked);
    let before = before.map(String::as_str);
    let (pod, patch) = write::write(pod.clone(), &recipe, settings, &workload, before);
    if patch.is_empty() {
        return Ok(Outcome::Unchanged { warnings });
    }
    Ok(Outcome::Injected(Box::new(Injection {
        patch,
        pod,
        tenant: recipe.tenant,
        warnings,
    })))
}

/// The pod's identity: of the request's namespace, and of the account that the pod runs under.
fn workload(namespace: &Namespace, spec: &PodSpec) -> Result<WorkloadId, Refusal> {
    // `serviceAccount` is the old name of the same field; the API server fills in both.
    let names = [&spec.service_account_name, &spec.service_account];
    let mut names = names.into_iter().flatten().filter(|name| !name.is_empty());
    let name = names.next().map_or("default", String::as_str);
    let name =
        ObjectName::parse(name).map_err(|error| Refusal::ServiceAccount(error.to_string()))?;
    Ok(WorkloadId::new(namespace.clone(), name))
}
