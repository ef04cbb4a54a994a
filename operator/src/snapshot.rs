//! What the watches show, at one moment: what the plan, the webhook and the checks of domains all read.

use std::collections::BTreeMap;
use std::sync::Arc;

use mintage_core::world::World;
use mintage_core::{Namespace, ObjectRef, TenantRef, Uid};
use mintage_crds::{ApiAudience, Application, CustomDomain, Tenant};
use tokio::sync::watch;

use crate::stale::Owner;

/// What the watches show, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The resources and namespaces, parsed. The same pointer as in the last snapshot if only statuses or pods changed.
    pub world: Arc<World>,
    /// The tenants that namespaces name in their annotation, or what is wrong with the annotation.
    pub namespace_tenants: Arc<BTreeMap<Namespace, Result<TenantRef, String>>>,
    /// The Tenants as they are in the API, by place.
    pub tenants: Objects<Tenant>,
    /// The APIs as they are in the API server, by place.
    pub audiences: Objects<ApiAudience>,
    /// The applications as they are in the API server, by place.
    pub applications: Objects<Application>,
    /// The custom domains as they are in the API, by place.
    pub domains: Objects<CustomDomain>,
    /// The pods that ask for a sidecar or have one, by place.
    pub pods: Arc<BTreeMap<ObjectRef, Arc<PodSeen>>>,
    /// Which of the pods with a sidecar run: the UIDs, by place.
    pub running: Arc<BTreeMap<ObjectRef, Box<str>>>,
    /// What could not be read although the schema let it through.
    pub unreadable: Arc<BTreeMap<String, String>>,
}

/// Objects of one kind, by place.
pub type Objects<K> = Arc<BTreeMap<ObjectRef, Arc<K>>>;

/// Follows the snapshots. `None` until every watch has listed its objects once.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// What is kept of a pod's metadata.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PodSeen {
    /// Labels whose key begins with `mintage.dev/`.
    pub labels: BTreeMap<String, String>,
    /// Annotations whose key begins with `mintage.dev/`, and kubelet's mark of a static pod.
    pub annotations: BTreeMap<String, String>,
    /// What made the pod; the pod itself if nothing did.
    pub owner: Owner,
    /// Which life of the pod.
    pub uid: Box<str>,
    /// Whether it is being deleted.
    pub ending: bool,
}

/// What a check of a custom domain found out. It belongs to one life of the object.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The object.
    pub at: ObjectRef,
    /// Which life of it.
    pub uid: Uid,
    /// Whether control over the domain counts as shown, lapses of a short while forgiven.
    pub verified: bool,
    /// What was found, in words, with the mend: the message of the condition `Verified`.
    pub message: String,
}
