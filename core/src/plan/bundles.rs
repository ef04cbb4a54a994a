//! What each namespace is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::admission::labels;
use super::applications::shared_grants;
use super::served::{Served, ServedAudience, ServedTenant};
use super::{BundleStamp, Input, Stamp};
use crate::bundle::{
    AcceptAudience, Body, Bundle, Endpoint, Feed, IssueAudience, SharedAudience, Stamped, Told,
    TrustedKey,
};
use crate::keyring::Keyring;
use crate::ledger::{Bounds, GrantTerms};
use crate::sorted::SortedMap;
use crate::world::{AllowedNamespaces, Tenant, World};
use crate::{Identifier, Namespace, ObjectName, TenantRef, UnixTime, WorkloadId, managed};

type Bundles = BTreeMap<(TenantRef, Namespace), Bundle>;

pub(super) fn settle(
    now: UnixTime,
    served: &Served<'_>,
    keyrings: &[Keyring],
    input: Input<'_>,
) -> (Bundles, Vec<BundleStamp>) {
    let stamps: BTreeMap<_, _> = input
        .state
        .bundles
        .iter()
        .map(|told| ((&told.tenant, &told.namespace), &told.stamp))
        .collect();
    let mut by_tenant: BTreeMap<&TenantRef, Vec<&Keyring>> = BTreeMap::new();
    for keyring in keyrings {
        let rings = by_tenant.entry(&keyring.owner.tenant).or_default();
        rings.push(keyring);
    }
    let admitted = Admitted::of(served);
    let mut json = Vec::new();
    let mut bundles = Vec::new();
    let mut new_stamps = Vec::new();
    for tenant in &served.tenants {
        let rings = by_tenant.remove(&tenant.tenant.at).unwrap_or_default();
        let view = TenantView::of(served, tenant, &rings, input.fleet.feed.as_ref());
        let mut namespaces = admitted.by(tenant.tenant);
        // A namespace that is admitted no longer is told so while it has keys; without news its sidecars would go on
        // issuing until their bundle is too old.
        let told = view.namespace_keys.keys().copied();
        namespaces.extend(told.filter(|of| served.world.namespaces.contains_key(*of)));
        for namespace in namespaces {
            let body = view.body(now, namespace);
            let before = stamps.get(&(&tenant.tenant.at, namespace)).copied();
            let (bundle, stamp) = stamp(now, body, before, &mut json);
            bundles.push(((tenant.tenant.at.clone(), namespace.clone()), bundle));
            new_stamps.push(BundleStamp {
                tenant: tenant.tenant.at.clone(),
                namespace: namespace.clone(),
                stamp,
            });
        }
    }
    // All at once: entry by entry, half of the map's room would stay empty.
    (bundles.into_iter().collect(), new_stamps)
}

/// When content is to be confirmed again: at a third of its greatest age, so that two confirmations may fail before a
/// reader fails closed.
pub(super) fn renewal_due<B: Told>(told: &Stamped<B>) -> UnixTime {
    told.renewed_at + (told.body.max_age() / 3).max(1)
}

/// Gives content a version: the last one if nothing changed and no confirmation is due, else a higher one. It is never
/// below the clock, so that a lost stamp or a restored backup does not go back.
/// `json` is room to write in, kept from one to the next.
pub(super) fn stamp<B: Told>(
    now: UnixTime,
    body: B,
    before: Option<&Stamp>,
    json: &mut Vec<u8>,
) -> (Stamped<B>, Stamp) {
    json.clear();
    serde_json::to_writer(&mut *json, &body).expect("it has string keys only");
    let sha256 = crate::bundle::hex(digest(&SHA256, json).as_ref());
    let mut told = Stamped {
        version: 0,
        renewed_at: now,
        body,
    };
    match before {
        Some(stamp) if stamp.sha256 == sha256 => {
            told.version = stamp.version;
            told.renewed_at = stamp.renewed_at;
            if now >= renewal_due(&told) {
                told.version = stamp.version + 1;
                told.renewed_at = now;
            }
        }
        Some(stamp) => told.version = (stamp.version + 1).max(now.0.unsigned_abs()),
        None => told.version = now.0.unsigned_abs(),
    }
    let stamp = Stamp {
        version: told.version,
        renewed_at: told.renewed_at,
        sha256,
    };
    (told, stamp)
}

/// One tenant's part of the world, by namespace.
struct TenantView<'a> {
    tenant: &'a ServedTenant<'a>,
    accept: BTreeMap<&'a Namespace, Vec<&'a ServedAudience<'a>>>,
    issue: BTreeMap<&'a Namespace, Vec<Granted<'a>>>,
    default_audience: Option<&'a Identifier>,
    feed: Option<&'a Arc<Feed>>,
    endpoint: Option<Arc<Endpoint>>,
    /// What has no key pair, by the namespaces that were granted it.
    shared: BTreeMap<Namespace, Vec<SharedAudience>>,
    tenant_keys: Vec<&'a Keyring>,
    namespace_keys: BTreeMap<&'a Namespace, Vec<&'a Keyring>>,
}

/// An audience, and what it grants to the workloads of one namespace.
struct Granted<'a> {
    entry: &'a ServedAudience<'a>,
    grants: Vec<(&'a WorkloadId, &'a GrantTerms)>,
}

impl<'a> TenantView<'a> {
    fn of(
        served: &Served<'_>,
        tenant: &'a ServedTenant<'a>,
        keyrings: &[&'a Keyring],
        feed: Option<&'a Arc<Feed>>,
    ) -> Self {
        let default = tenant.tenant.default_audience.as_ref();
        let mut view = Self {
            tenant,
            accept: BTreeMap::new(),
            issue: BTreeMap::new(),
            default_audience: None,
            feed,
            endpoint: endpoint(tenant.tenant),
            shared: shared(served, tenant.tenant),
            tenant_keys: Vec::new(),
            namespace_keys: BTreeMap::new(),
        };
        for entry in &tenant.audiences {
            if default == Some(&entry.audience.at) {
                view.default_audience = Some(&entry.audience.identifier);
            }
            view.accept
                .entry(&entry.audience.at.namespace)
                .or_default()
                .push(entry);
            for (namespace, grants) in entry.ledger.grants_by_namespace() {
                let granted = Granted { entry, grants };
                view.issue.entry(namespace).or_default().push(granted);
            }
        }
        for keyring in keyrings {
            match &keyring.owner.namespace {
                None => view.tenant_keys.push(keyring),
                Some(namespace) => view
                    .namespace_keys
                    .entry(namespace)
                    .or_default()
                    .push(keyring),
            }
        }
        view
    }

    fn body(&self, now: UnixTime, namespace: &Namespace) -> Body {
        let tenant = self.tenant.tenant;
        let accept = self
            .accept
            .get(namespace)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let issue = self
            .issue
            .get(namespace)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut can_issue = Vec::with_capacity(issue.len());
        can_issue.extend(issue.iter().filter_map(|entry| issue_audience(now, entry)));
        Body {
            tenant: tenant.at.clone(),
            tenant_uid: tenant.uid.clone(),
            namespace: namespace.clone(),
            domain: tenant.domain.clone(),
            domains: self.tenant.ledger.domains.clone(),
            max_age: tenant.max_bundle_age,
            default_audience: self.default_audience.cloned(),
            feed: self.feed.cloned(),
            endpoint: self.endpoint_for(namespace),
            issue: can_issue,
            accept: accept.iter().map(|entry| accept_audience(entry)).collect(),
            keys: self.keys(namespace, accept),
        }
    }

    /// The endpoint, as one namespace is told of it. Most have it in common.
    fn endpoint_for(&self, namespace: &Namespace) -> Option<Arc<Endpoint>> {
        let mut endpoint = self.endpoint.clone()?;
        if let Some(shared) = self.shared.get(namespace) {
            Arc::make_mut(&mut endpoint).shared.clone_from(shared);
        }
        Some(endpoint)
    }

    /// The tenant's keys, the namespace's own, and those of every namespace that was granted an audience here.
    fn keys(&self, namespace: &'a Namespace, accept: &[&'a ServedAudience<'_>]) -> Vec<TrustedKey> {
        let mut owners: BTreeMap<&Namespace, BTreeMap<Identifier, Bounds>> = BTreeMap::new();
        owners.entry(namespace).or_default();
        for entry in accept {
            for (owner, bounds) in entry.ledger.bounds() {
                let identifier = entry.audience.identifier.clone();
                owners.entry(owner).or_default().insert(identifier, bounds);
            }
        }
        let keys_of = |owner: &Namespace| {
            let keyrings = self.namespace_keys.get(owner).into_iter().flatten();
            keyrings.flat_map(|keyring| &keyring.keys)
        };
        let own = self.tenant_keys.iter().flat_map(|keyring| &keyring.keys);
        // There are very many of these: no room for more than there are.
        let others: usize = owners.keys().map(|owner| keys_of(owner).count()).sum();
        let mut keys = Vec::with_capacity(own.clone().count() + others);
        keys.extend(own.map(|key| TrustedKey {
            namespace: None,
            key: key.clone(),
            bounds: SortedMap::new(),
        }));
        for (owner, bounds) in owners {
            let bounds: SortedMap<Identifier, Bounds> = bounds.into_iter().collect();
            keys.extend(keys_of(owner).map(|key| TrustedKey {
                namespace: Some(owner.clone()),
                key: key.clone(),
                bounds: bounds.clone(),
            }));
        }
        keys
    }
}

/// The namespaces that want keys, found by a label without a look at all of them for each tenant.
struct Admitted<'a> {
    world: &'a World,
    all: Vec<&'a Namespace>,
    by_label: BTreeMap<(&'a str, &'a str), Vec<&'a Namespace>>,
}

impl<'a> Admitted<'a> {
    fn of(served: &Served<'a>) -> Self {
        let mut admitted = Self {
            world: served.world,
            all: Vec::new(),
            by_label: BTreeMap::new(),
        };
        for (namespace, info) in &served.world.namespaces {
            if info.opted_in {
                admitted.all.push(namespace);
                for (key, value) in &info.labels {
                    let label = (key.as_str(), value.as_str());
                    admitted.by_label.entry(label).or_default().push(namespace);
                }
            }
        }
        admitted
    }

    /// The namespaces that a tenant admits and that want keys.
    fn by(&self, tenant: &Tenant) -> BTreeSet<&'a Namespace> {
        let own = self.world.namespaces.get_key_value(&tenant.at.namespace);
        let own = own.filter(|(_, info)| info.opted_in);
        let mut found: BTreeSet<_> = own.into_iter().map(|(namespace, _)| namespace).collect();
        let candidates = match &tenant.allowed {
            AllowedNamespaces::Same => return found,
            AllowedNamespaces::All => &self.all,
            AllowedNamespaces::Selector(selector) => {
                let mut labels = selector.match_labels.iter();
                match labels.next() {
                    None => &self.all,
                    Some((key, value)) => {
                        match self.by_label.get(&(key.as_str(), value.as_str())) {
                            None => return found,
                            Some(namespaces) => namespaces,
                        }
                    }
                }
            }
        };
        let admits = |of: &&&Namespace| tenant.allows(of, labels(self.world, of));
        found.extend(candidates.iter().filter(admits).copied());
        found
    }
}

/// How sidecars reach the endpoint of a tenant that has one: by its Service.
fn endpoint(tenant: &Tenant) -> Option<Arc<Endpoint>> {
    let wishes = tenant.endpoint.as_ref()?;
    let service = managed::endpoint_pods(&tenant.at.name);
    Some(Arc::new(Endpoint {
        address: format!("{service}.{}.svc:443", tenant.at.namespace),
        authorities: wishes.authorities.clone(),
        shared: Vec::new(),
    }))
}

/// What each namespace was granted that has no key pair. Nobody else has to hear of a grant before it counts.
fn shared(served: &Served<'_>, tenant: &Tenant) -> BTreeMap<Namespace, Vec<SharedAudience>> {
    let mut by_namespace: BTreeMap<Namespace, Vec<SharedAudience>> = BTreeMap::new();
    let audiences = served.hmac.get(&tenant.at).into_iter().flatten();
    for audience in audiences {
        let mut grants: BTreeMap<Namespace, SortedMap<ObjectName, Bounds>> = BTreeMap::new();
        for (workload, bounds) in shared_grants(served.world, tenant, audience) {
            let of_namespace = grants.entry(workload.namespace).or_default();
            of_namespace.insert(workload.service_account, bounds);
        }
        for (namespace, grants) in grants {
            let told = SharedAudience {
                identifier: audience.identifier.clone(),
                dialect: audience.dialect,
                lifetime: audience.lifetime,
                scopes: audience.scopes.clone(),
                grants,
            };
            by_namespace.entry(namespace).or_default().push(told);
        }
    }
    by_namespace
}

fn issue_audience(now: UnixTime, granted: &Granted<'_>) -> Option<IssueAudience> {
    let Granted { entry, grants } = granted;
    let audience = entry.audience;
    let grants = grants.iter().map(|(workload, grant)| {
        let bounds = Bounds {
            term: grant.term,
            scopes: grant.scopes.clone(),
        };
        (workload.service_account.clone(), bounds)
    });
    Some(IssueAudience {
        identifier: audience.identifier.clone(),
        alg: entry.ledger.alg(now)?,
        dialect: audience.dialect,
        issuance: entry.ledger.issuance(now)?,
        lifetime: entry.ledger.lifetime.now,
        scopes: audience.scopes.clone(),
        grants: grants.collect(),
    })
}

fn accept_audience(entry: &ServedAudience<'_>) -> AcceptAudience {
    AcceptAudience {
        name: entry.audience.at.name.clone(),
        identifier: entry.audience.identifier.clone(),
        scopes: entry.audience.scopes.clone(),
        algs: entry.ledger.algs.clone(),
    }
}
