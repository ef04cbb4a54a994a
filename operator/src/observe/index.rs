//! What all watches show together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::Event;
use mintage_core::shared::Shared;
use mintage_core::world::{NamespaceInfo, World};
use mintage_core::{Namespace, TenantRef, Uid, inject, world};
use mintage_crds::{ApiAudience, Application, CustomDomain, Tenant};
use tokio::time::Instant;

use super::parsed::{Observed, Parsed};
use super::pods;
use super::seen::{Seen as Watched, place};
use crate::snapshot::{Objects, PodSeen, Snapshot};

/// A namespace as its metadata describes it.
#[derive(Clone, PartialEq)]
struct NamespaceSeen {
    info: NamespaceInfo,
    tenant: Option<Result<TenantRef, String>>,
}

/// What all watches show.
pub struct Index {
    tenants: Watched<Parsed<Tenant, world::Tenant>>,
    audiences: Watched<Parsed<ApiAudience, Shared<world::Audience>>>,
    applications: Watched<Parsed<Application, world::Application>>,
    domains: Watched<Parsed<CustomDomain, world::CustomDomain>>,
    namespaces: Watched<NamespaceSeen>,
    pods: Watched<Arc<PodSeen>>,
    running: Watched<Box<str>>,
    /// The namespaces that have a pod that asks for a sidecar, and how many.
    asking: BTreeMap<Namespace, usize>,
    /// The namespaces that had one, and until when they count as having it.
    lingering: BTreeMap<Namespace, Instant>,
    linger: Duration,
    /// What has changed since the last snapshot.
    changed: Changed,
    last: Snapshot,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each watch, and whether the plan has to look"
)]
#[derive(Default)]
struct Changed {
    tenants: bool,
    audiences: bool,
    applications: bool,
    domains: bool,
    namespaces: bool,
    pods: bool,
    running: bool,
    /// Something that the plan reads.
    world: bool,
}

impl Index {
    pub fn new(linger: Duration) -> Self {
        Self {
            tenants: Watched::new(),
            audiences: Watched::new(),
            applications: Watched::new(),
            domains: Watched::new(),
            namespaces: Watched::new(),
            pods: Watched::new(),
            running: Watched::new(),
            asking: BTreeMap::new(),
            lingering: BTreeMap::new(),
            linger,
            changed: Changed::default(),
            last: Snapshot::default(),
        }
    }

    /// Takes an event; whether there is something to publish.
    pub fn take(&mut self, seen: super::Seen) -> bool {
        let changed = &mut self.changed;
        match seen {
            super::Seen::Tenant(event) => {
                changed.world |= take(&mut self.tenants, *event, &mut changed.tenants);
                changed.tenants
            }
            super::Seen::Audience(event) => {
                changed.world |= take(&mut self.audiences, event, &mut changed.audiences);
                changed.audiences
            }
            super::Seen::Application(event) => {
                changed.world |= take(&mut self.applications, event, &mut changed.applications);
                changed.applications
            }
            super::Seen::Domain(event) => {
                changed.world |= take(&mut self.domains, event, &mut changed.domains);
                changed.domains
            }
            super::Seen::Namespace(event) => {
                if self.namespaces.take(event, read_namespace) {
                    changed.namespaces = true;
                    changed.world = true;
                }
                changed.namespaces
            }
            super::Seen::Pod(event) => {
                changed.pods |= self.pods.take(event, |pod| Some(pods::read(pod)));
                changed.pods
            }
            super::Seen::Running(event) => {
                changed.running |= self.running.take(event, pods::read_running);
                changed.running
            }
        }
    }

    /// The next snapshot, if there is news and every watch has listed.
    pub fn publish(&mut self, now: Instant) -> Option<Snapshot> {
        let ended: Vec<_> = self
            .lingering
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(namespace, _)| namespace.clone())
            .collect();
        for namespace in ended {
            self.lingering.remove(&namespace);
            self.changed.world = true;
        }
        if self.changed.pods {
            self.count_pods(now);
        }
        let complete = self.tenants.is_complete()
            && self.audiences.is_complete()
            && self.applications.is_complete()
            && self.domains.is_complete()
            && self.namespaces.is_complete()
            && self.pods.is_complete()
            && self.running.is_complete();
        if !complete {
            return None;
        }
        let changed = std::mem::take(&mut self.changed);
        if changed.tenants {
            self.last.tenants = objects(&self.tenants);
        }
        if changed.audiences {
            self.last.audiences = objects(&self.audiences);
        }
        if changed.applications {
            self.last.applications = objects(&self.applications);
        }
        if changed.domains {
            self.last.domains = objects(&self.domains);
        }
        if changed.pods {
            self.last.pods = Arc::new(self.pods.all().clone());
        }
        if changed.running {
            self.last.running = Arc::new(self.running.all().clone());
        }
        if changed.world {
            self.read_world();
        }
        Some(self.last.clone())
    }

    /// When there is something to publish though no event comes.
    pub fn next_due(&self) -> Option<Instant> {
        self.lingering.values().min().copied()
    }

    fn count_pods(&mut self, now: Instant) {
        let mut asking = BTreeMap::new();
        for (at, _) in self.pods.all().iter().filter(|(_, pod)| pods::opts_in(pod)) {
            *asking.entry(at.namespace.clone()).or_default() += 1;
        }
        let before = std::mem::replace(&mut self.asking, asking);
        for namespace in before
            .keys()
            .filter(|namespace| !self.asking.contains_key(*namespace))
        {
            self.lingering.insert(namespace.clone(), now + self.linger);
        }
        for namespace in self.asking.keys() {
            let lingered = self.lingering.remove(namespace).is_some();
            if !before.contains_key(namespace) && !lingered {
                self.changed.world = true;
            }
        }
    }

    fn read_world(&mut self) {
        let mut unreadable = BTreeMap::new();
        let mut world = World {
            tenants: readable(&self.tenants, &mut unreadable),
            audiences: readable(&self.audiences, &mut unreadable),
            applications: readable(&self.applications, &mut unreadable),
            domains: readable(&self.domains, &mut unreadable),
            namespaces: BTreeMap::new(),
        };
        let mut named = BTreeMap::new();
        let with_pods: BTreeSet<&Namespace> =
            self.asking.keys().chain(self.lingering.keys()).collect();
        for (at, seen) in self.namespaces.all() {
            let name = at.namespace.clone();
            let mut info = seen.info.clone();
            info.opted_in |= with_pods.contains(&name);
            if let Some(tenant) = &seen.tenant {
                named.insert(name.clone(), tenant.clone());
            }
            world.namespaces.insert(name, info);
        }
        self.last.world = Arc::new(world);
        self.last.namespace_tenants = Arc::new(named);
        self.last.unreadable = Arc::new(unreadable);
    }
}

/// Takes an event; whether what the plan reads may have changed.
fn take<K>(watched: &mut Watched<Parsed<K, K::World>>, event: Event<K>, changed: &mut bool) -> bool
where
    K: Observed + Resource<DynamicType = ()>,
{
    // Most events are our own statuses coming back: the plan has nothing to do with them.
    let status_only = match &event {
        Event::Apply(object) => place(object)
            .and_then(|at| watched.all().get(&at))
            .is_some_and(|known| {
                known.object.meta().uid == object.meta().uid && known.read == object.read()
            }),
        _ => false,
    };
    let took = watched.take(event, |object| Some(Parsed::new(object)));
    *changed |= took;
    took && !status_only
}

fn objects<K>(watched: &Watched<Parsed<K, K::World>>) -> Objects<K>
where
    K: Observed + Resource<DynamicType = ()>,
{
    let objects = watched.all().iter();
    Arc::new(
        objects
            .map(|(at, parsed)| (at.clone(), Arc::clone(&parsed.object)))
            .collect(),
    )
}

fn readable<K>(
    watched: &Watched<Parsed<K, K::World>>,
    unreadable: &mut BTreeMap<String, String>,
) -> Vec<K::World>
where
    K: Observed + Resource<DynamicType = ()>,
    K::World: Clone,
{
    let mut world = Vec::with_capacity(watched.all().len());
    for (at, parsed) in watched.all() {
        match &parsed.read {
            Ok(read) => world.push(read.clone()),
            Err(error) => {
                unreadable.insert(format!("{} {at}", K::kind(&())), error.to_string());
            }
        }
    }
    world
}

/// A namespace; one that is being deleted is gone already, since nothing can be made in it.
fn read_namespace(
    namespace: PartialObjectMeta<k8s_openapi::api::core::v1::Namespace>,
) -> Option<NamespaceSeen> {
    let ObjectMeta {
        labels,
        annotations,
        uid,
        deletion_timestamp,
        ..
    } = namespace.metadata;
    if deletion_timestamp.is_some() {
        return None;
    }
    let labels = labels.unwrap_or_default();
    let tenant = annotations
        .as_ref()
        .and_then(|all| all.get(inject::TENANT))
        .map(|text| TenantRef::parse(text.trim()).map_err(|error| error.to_string()));
    Some(NamespaceSeen {
        info: NamespaceInfo {
            opted_in: inject::namespace_opts_in(&labels),
            labels,
            uid: Uid::parse(uid.as_deref()?).ok()?,
        },
        tenant,
    })
}
