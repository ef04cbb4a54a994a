//! What the watches show, at one moment: what the plan, the webhook and the checks of domains all read.

use std::collections::BTreeMap;
use std::sync::Arc;

use mintage_core::world::World;
use mintage_core::{Namespace, ObjectRef, TenantRef, Uid};
use mintage_crds::CustomDomain;
use tokio::sync::watch;

/// What the watches show, at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The resources and namespaces, parsed.
    pub world: World,
    /// The tenants that namespaces name in their annotation, or what is wrong with the annotation.
    pub namespace_tenants: BTreeMap<Namespace, Result<TenantRef, String>>,
    /// The custom domains as they are in the API, by place; in the world they are parsed and judged.
    pub domains: BTreeMap<ObjectRef, Arc<CustomDomain>>,
}

/// Follows the snapshots. `None` until every watch has listed its objects once.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

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
