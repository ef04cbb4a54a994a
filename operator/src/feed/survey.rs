//! How far the newest bundles have come.

use std::collections::BTreeMap;
use std::time::Duration;

use mintage_core::{Namespace, ObjectRef, TenantRef, UnixTime};

use super::book::{Book, Place};
use crate::inject;
use crate::snapshot::{PodSeen, Snapshot};

/// How many pods are named.
const NAMED: usize = 10;

/// How far the newest bundles of a tenant have come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Propagation {
    /// The highest version that any namespace of the tenant was told.
    pub version: u64,
    /// The pods with a sidecar.
    pub pods: usize,
    /// Those of them that go by the newest bundle.
    pub acknowledged: usize,
    /// How long the slowest of those took.
    pub slowest: Option<Duration>,
    /// The first few of the others, with what is known of each.
    pub missing: Vec<String>,
}

/// A pod with a sidecar that is counted.
struct Counted<'a> {
    at: &'a ObjectRef,
    pod: &'a PodSeen,
    place: Place,
}

/// The pods with a sidecar, of tenants that admit their namespace.
fn counted<'a>(snapshot: &'a Snapshot, book: &'a Book) -> impl Iterator<Item = Counted<'a>> {
    snapshot.pods.iter().filter_map(|(at, pod)| {
        let tenant = injected(pod)?;
        // A Job's pod that has ended looks like one that runs: it counts while it follows.
        let may_have_ended = pod.owner.kind == "Job" && book.standing(&pod.uid).is_none();
        let counts =
            !pod.ending && !may_have_ended && snapshot.world.admits(&tenant, &at.namespace);
        counts.then(|| Counted {
            at,
            pod,
            place: (tenant, at.namespace.clone()),
        })
    })
}

/// The tenant of a pod with a sidecar.
pub fn injected(pod: &PodSeen) -> Option<TenantRef> {
    pod.annotations.get(inject::HASH)?;
    let tenant = pod.annotations.get(inject::INJECTED_TENANT)?;
    TenantRef::parse(tenant).ok()
}

/// When the oldest bundle was made that any sidecar of a namespace goes by. Of one that does not follow nothing is known.
pub fn heard(snapshot: &Snapshot, book: &Book) -> BTreeMap<(TenantRef, Namespace), UnixTime> {
    let mut heard: BTreeMap<Place, UnixTime> = BTreeMap::new();
    for counted in counted(snapshot, book) {
        let standing = book.standing(&counted.pod.uid);
        let at = standing
            .filter(|standing| standing.tenant == counted.place.0)
            .map_or(UnixTime(0), |standing| standing.renewed_at);
        let oldest = heard.entry(counted.place).or_insert(at);
        *oldest = at.min(*oldest);
    }
    heard
}

/// How far the newest bundles have come, by tenant.
pub fn propagation(snapshot: &Snapshot, book: &Book) -> BTreeMap<TenantRef, Propagation> {
    let mut all: BTreeMap<TenantRef, Propagation> = BTreeMap::new();
    for Counted { at, pod, place } in counted(snapshot, book) {
        let of_tenant = all.entry(place.0.clone()).or_default();
        of_tenant.pods += 1;
        let lacks = match (book.newest(&place), book.standing(&pod.uid)) {
            (None, _) => "its namespace is told nothing".to_owned(),
            (Some(_), None) => "not connected".to_owned(),
            (Some(_), Some(standing)) if standing.tenant != place.0 => {
                format!("has a bundle of tenant {}", standing.tenant)
            }
            (Some(newest), Some(standing)) if standing.version >= newest => {
                of_tenant.acknowledged += 1;
                of_tenant.slowest = of_tenant.slowest.max(book.took(&pod.uid));
                continue;
            }
            (Some(newest), Some(standing)) => match &standing.refused {
                Some(reason) => format!("refuses version {newest}: {reason}"),
                None => format!("has version {} of {newest}", standing.version),
            },
        };
        if of_tenant.missing.len() < NAMED {
            of_tenant.missing.push(format!("{at} ({lacks})"));
        }
    }
    for (tenant, of_tenant) in &mut all {
        of_tenant.version = book.newest_of(tenant);
    }
    all
}
