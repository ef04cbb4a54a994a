//! An object as it is in the API, and as the plan reads it: parsed once, when it changes.

use std::sync::Arc;

use kube::ResourceExt as _;
use mintage_core::shared::Shared;
use mintage_core::world;
use mintage_crds::observe::{self, Unobservable};
use mintage_crds::status;
use mintage_crds::{ApiAudience, Application, CustomDomain, Tenant};

/// The condition of a `CustomDomain` that says whether control over the domain has been shown.
pub const VERIFIED: &str = "Verified";

/// An object and what was read from it.
pub struct Parsed<K, W> {
    pub object: Arc<K>,
    pub read: Result<W, Unobservable>,
}

/// What `kubectl apply` keeps of the manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Kinds that the plan reads.
pub trait Observed: Sized {
    type World: PartialEq;

    fn read(&self) -> Result<Self::World, Unobservable>;
}

impl Observed for Tenant {
    type World = world::Tenant;

    fn read(&self) -> Result<world::Tenant, Unobservable> {
        observe::tenant(self)
    }
}

impl Observed for ApiAudience {
    type World = Shared<world::Audience>;

    fn read(&self) -> Result<Shared<world::Audience>, Unobservable> {
        observe::audience(self).map(Shared::from)
    }
}

impl Observed for Application {
    type World = world::Application;

    fn read(&self) -> Result<world::Application, Unobservable> {
        observe::application(self)
    }
}

impl Observed for CustomDomain {
    type World = world::CustomDomain;

    /// Verified as the status says, which the operator alone writes; the leader knows better while it checks.
    fn read(&self) -> Result<world::CustomDomain, Unobservable> {
        let conditions = self.status.as_ref().map(|status| &status.conditions);
        let verified = conditions
            .and_then(|all| status::find(all, VERIFIED))
            .is_some_and(|condition| condition.status == "True");
        observe::custom_domain(self, verified)
    }
}

impl<K: Observed + kube::Resource<DynamicType = ()>> Parsed<K, K::World> {
    pub fn new(mut object: K) -> Self {
        // Nobody reads who wrote which field, nor what was applied: together they are two thirds of the object.
        object.managed_fields_mut().clear();
        object.annotations_mut().remove(LAST_APPLIED);
        Self {
            read: object.read(),
            object: Arc::new(object),
        }
    }
}

/// Two objects are the same if they have the same version.
impl<K: kube::Resource<DynamicType = ()>, W> PartialEq for Parsed<K, W> {
    fn eq(&self, other: &Self) -> bool {
        let version = |object: &K| (object.uid(), object.resource_version());
        version(&self.object) == version(&other.object)
    }
}
