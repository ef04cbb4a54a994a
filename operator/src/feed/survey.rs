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
    /// The running pods with a sidecar.
    pub pods: usize,
    /// Those of them that go by the newest bundle.
    pub acknowledged: usize,
    /// How long the slowest of those took.
    pub slowest: Option<Duration>,
    /// The first few of the others, with what is known of each.
    pub missing: Vec<String>,
}

/// A running pod with a sidecar.
struct Counted<'a> {
    at: &'a ObjectRef,
    pod: &'a PodSeen,
    place: Place,
}

/// The running pods with a sidecar, of tenants that admit their namespace. Nobody waits for one that is still to start or has
/// ended; whoever follows runs, also where the pod's other containers are still to start.
fn counted<'a>(snapshot: &'a Snapshot, book: &'a Book) -> impl Iterator<Item = Counted<'a>> {
    snapshot.pods.iter().filter_map(|(at, pod)| {
        let tenant = injected(pod)?;
        let runs = snapshot.running.get(at) == Some(&pod.uid) || book.standing(&pod.uid).is_some();
        let counts = runs && !pod.ending && snapshot.world.admits(&tenant, &at.namespace);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mintage_core::world::{AllowedNamespaces, NamespaceInfo, Tenant, World};
    use mintage_core::{Domain, Uid};

    use super::super::book::tests::{place, publish, report};
    use super::*;

    fn at(name: &str) -> ObjectRef {
        ObjectRef::parse(&format!("shop/{name}")).unwrap()
    }

    /// A pod with a sidecar; its UID is its name.
    fn pod(name: &str) -> (ObjectRef, Arc<PodSeen>) {
        let annotations = [
            (inject::HASH, "hash"),
            (inject::INJECTED_TENANT, "identity/acme"),
        ];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let seen = PodSeen {
            annotations: BTreeMap::from(annotations),
            uid: name.into(),
            ..PodSeen::default()
        };
        (at(name), Arc::new(seen))
    }

    /// The namespace has these pods, of which some run; the tenant admits it.
    fn snapshot(pods: &[&str], running: &[&str]) -> Snapshot {
        let (tenant, namespace) = place();
        let tenant = Tenant {
            allow_non_rsa: false,
            allowed: AllowedNamespaces::All,
            at: tenant,
            created: UnixTime(1),
            default_audience: None,
            deleting: false,
            domain: Domain::parse("acme.example.com").unwrap(),
            endpoint: None,
            key_secret: None,
            max_bundle_age: 86_400,
            propagation_delay: 300,
            release_claims: [].into(),
            revoke_keys: [].into(),
            rotate_request: None,
            rotation_period: 86_400,
            uid: Uid::parse("tenant").unwrap(),
            unreadable: Vec::new(),
        };
        let info = NamespaceInfo {
            labels: BTreeMap::new(),
            opted_in: true,
            uid: Uid::parse("namespace").unwrap(),
        };
        let running = running.iter().map(|name| (at(name), (*name).into()));
        Snapshot {
            world: Arc::new(World {
                namespaces: BTreeMap::from([(namespace, info)]),
                tenants: vec![tenant],
                ..World::default()
            }),
            pods: Arc::new(pods.iter().map(|name| pod(name)).collect()),
            running: Arc::new(running.collect()),
            ..Snapshot::default()
        }
    }

    /// A pod follows, and goes by a version of that many seconds.
    fn follow(book: &mut Book, name: &str, version: u64) {
        let (number, _) = book.enter(name, &place().1);
        report(book, name, number, version);
    }

    fn of_tenant(snapshot: &Snapshot, book: &Book) -> Propagation {
        propagation(snapshot, book)
            .remove(&place().0)
            .unwrap_or_default()
    }

    #[tokio::test]
    async fn pods_that_run_are_counted_and_no_others_unless_they_follow() {
        let mut book = Book::default();
        publish(&mut book, 5);
        let snapshot = snapshot(&["late", "pending", "runs", "starts"], &["late", "runs"]);
        follow(&mut book, "runs", 5);
        // Its sidecar runs already; the pod is still to start.
        follow(&mut book, "starts", 4);
        let known = of_tenant(&snapshot, &book);
        assert_eq!((known.version, known.pods, known.acknowledged), (5, 3, 1));
        assert_eq!(
            known.missing,
            [
                "shop/late (not connected)",
                "shop/starts (has version 4 of 5)"
            ]
        );
        // Of one that runs and does not follow nothing is known.
        assert_eq!(heard(&snapshot, &book)[&place()], UnixTime(0));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_pod_that_is_still_to_start_or_has_ended() {
        let mut book = Book::default();
        publish(&mut book, 5);
        follow(&mut book, "runs", 5);
        let snapshot = snapshot(&["job-ended", "pending", "runs"], &["runs"]);
        assert_eq!(heard(&snapshot, &book)[&place()], UnixTime(5));
        let known = of_tenant(&snapshot, &book);
        assert_eq!((known.pods, known.acknowledged), (1, 1));
        assert!(known.missing.is_empty(), "{known:?}");
    }

    /// The next pod of a `StatefulSet` has the name of the one before.
    #[tokio::test]
    async fn a_pod_does_not_run_because_its_namesake_did() {
        let book = Book::default();
        let mut snapshot = snapshot(&["web-0"], &["web-0"]);
        assert_eq!(of_tenant(&snapshot, &book).pods, 1);
        snapshot.running = Arc::new(BTreeMap::from([(at("web-0"), "before".into())]));
        assert_eq!(of_tenant(&snapshot, &book).pods, 0);
        assert!(heard(&snapshot, &book).is_empty());
    }

    #[tokio::test]
    async fn a_namespace_that_is_told_nothing_is_named_and_holds_nothing_to_be_new() {
        let mut book = Book::default();
        let snapshot = snapshot(&["follows", "silent"], &["follows", "silent"]);
        follow(&mut book, "follows", 5);
        let known = of_tenant(&snapshot, &book);
        assert_eq!((known.version, known.pods, known.acknowledged), (0, 2, 0));
        assert_eq!(
            known.missing,
            [
                "shop/follows (its namespace is told nothing)",
                "shop/silent (its namespace is told nothing)"
            ]
        );
        publish(&mut book, 5);
        let known = of_tenant(&snapshot, &book);
        assert_eq!((known.version, known.acknowledged), (5, 1));
        assert_eq!(known.missing, ["shop/silent (not connected)"]);
    }
}
