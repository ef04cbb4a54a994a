//! What each namespace is told.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};

use super::BundleStamp;
use super::keyrings::serves;
use super::served::{Served, ServedAudience, ServedTenant};
use crate::bundle::{AcceptAudience, Body, Bundle, IssueAudience, TrustedKey};
use crate::keyring::Keyring;
use crate::{Namespace, TenantRef, UnixTime};

type Bundles = BTreeMap<(TenantRef, Namespace), Bundle>;

pub(super) fn settle(
    now: UnixTime,
    served: &Served<'_>,
    keyrings: &[Keyring],
    stamps: &[BundleStamp],
) -> (Bundles, Vec<BundleStamp>) {
    let stamps: BTreeMap<_, _> = stamps
        .iter()
        .map(|stamp| ((&stamp.tenant, &stamp.namespace), stamp))
        .collect();
    let mut bundles = Bundles::new();
    let mut new_stamps = Vec::new();
    for tenant in &served.tenants {
        let view = TenantView::of(tenant, keyrings);
        for namespace in served.world.namespaces.keys() {
            // A namespace that is admitted no longer is told so while it has keys; without news its sidecars would go on
            // issuing until their bundle is too old.
            let has_keys = view.namespace_keys.contains_key(namespace);
            if !has_keys && serves(served, tenant.tenant, namespace).is_none() {
                continue;
            }
            let body = view.body(now, namespace);
            let before = stamps.get(&(&tenant.tenant.at, namespace)).copied();
            let (bundle, stamp) = stamp_bundle(now, body, before);
            bundles.insert((tenant.tenant.at.clone(), namespace.clone()), bundle);
            new_stamps.push(stamp);
        }
    }
    (bundles, new_stamps)
}

/// When a bundle's content is to be confirmed again: at a third of its greatest age, so that two confirmations may
/// fail before a sidecar fails closed.
pub(super) fn renewal_due(bundle: &Bundle) -> UnixTime {
    bundle.renewed_at + (bundle.body.max_age / 3).max(1)
}

/// Gives the content a version: the last one if nothing changed and no confirmation is due, else a higher one. It is
/// never below the clock, so that a lost stamp or a restored backup does not go back.
fn stamp_bundle(now: UnixTime, body: Body, before: Option<&BundleStamp>) -> (Bundle, BundleStamp) {
    let json = serde_json::to_vec(&body).expect("a bundle has string keys only");
    let sha256 = crate::bundle::hex(digest(&SHA256, &json).as_ref());
    let mut bundle = Bundle {
        version: 0,
        renewed_at: now,
        body,
    };
    match before {
        Some(stamp) if stamp.sha256 == sha256 => {
            bundle.version = stamp.version;
            bundle.renewed_at = stamp.renewed_at;
            if now >= renewal_due(&bundle) {
                bundle.version = stamp.version + 1;
                bundle.renewed_at = now;
            }
        }
        Some(stamp) => bundle.version = (stamp.version + 1).max(now.0.unsigned_abs()),
        None => bundle.version = now.0.unsigned_abs(),
    }
    let stamp = BundleStamp {
        tenant: bundle.body.tenant.clone(),
        namespace: bundle.body.namespace.clone(),
        version: bundle.version,
        renewed_at: bundle.renewed_at,
        sha256,
    };
    (bundle, stamp)
}

/// One tenant's part of the world, by namespace.
struct TenantView<'a> {
    tenant: &'a ServedTenant<'a>,
    accept: BTreeMap<&'a Namespace, Vec<&'a ServedAudience<'a>>>,
    issue: BTreeMap<&'a Namespace, Vec<&'a ServedAudience<'a>>>,
    tenant_keys: Vec<&'a Keyring>,
    namespace_keys: BTreeMap<&'a Namespace, Vec<&'a Keyring>>,
}

impl<'a> TenantView<'a> {
    fn of(tenant: &'a ServedTenant<'a>, keyrings: &'a [Keyring]) -> Self {
        let at = &tenant.tenant.at;
        let mut view = Self {
            tenant,
            accept: BTreeMap::new(),
            issue: BTreeMap::new(),
            tenant_keys: Vec::new(),
            namespace_keys: BTreeMap::new(),
        };
        for entry in &tenant.audiences {
            view.accept
                .entry(&entry.audience.at.namespace)
                .or_default()
                .push(entry);
            let namespaces: BTreeSet<_> = entry
                .ledger
                .grants
                .keys()
                .map(|workload| &workload.namespace)
                .collect();
            for namespace in namespaces {
                view.issue.entry(namespace).or_default().push(entry);
            }
        }
        for keyring in keyrings
            .iter()
            .filter(|keyring| keyring.owner.tenant == *at)
        {
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
        let default_audience = tenant.default_audience.as_ref().and_then(|at| {
            let entry = self
                .tenant
                .audiences
                .iter()
                .find(|entry| entry.audience.at == *at)?;
            Some(entry.audience.identifier.clone())
        });
        Body {
            tenant: tenant.at.clone(),
            tenant_uid: tenant.uid.clone(),
            namespace: namespace.clone(),
            domain: tenant.domain.clone(),
            domains: self.tenant.ledger.domains.clone(),
            max_age: tenant.max_bundle_age,
            default_audience,
            issue: issue
                .iter()
                .filter_map(|entry| issue_audience(now, entry, namespace))
                .collect(),
            accept: accept.iter().map(|entry| accept_audience(entry)).collect(),
            keys: self.keys(namespace, accept),
        }
    }

    /// The tenant's keys, the namespace's own, and those of every namespace that was granted an audience here.
    fn keys(&self, namespace: &Namespace, accept: &[&ServedAudience<'_>]) -> Vec<TrustedKey> {
        let mut keys = Vec::new();
        for key in self.tenant_keys.iter().flat_map(|keyring| &keyring.keys) {
            keys.push(TrustedKey {
                namespace: None,
                key: key.clone(),
                bounds: BTreeMap::new(),
            });
        }
        for (owner, keyrings) in &self.namespace_keys {
            let bounds: BTreeMap<_, _> = accept
                .iter()
                .filter_map(|entry| {
                    Some((
                        entry.audience.identifier.clone(),
                        entry.ledger.bounds(owner)?,
                    ))
                })
                .collect();
            if *owner == namespace || !bounds.is_empty() {
                for key in keyrings.iter().flat_map(|keyring| &keyring.keys) {
                    let namespace = Some((*owner).clone());
                    keys.push(TrustedKey {
                        namespace,
                        key: key.clone(),
                        bounds: bounds.clone(),
                    });
                }
            }
        }
        keys
    }
}

fn issue_audience(
    now: UnixTime,
    entry: &ServedAudience<'_>,
    namespace: &Namespace,
) -> Option<IssueAudience> {
    let audience = entry.audience;
    let mut grants = BTreeMap::new();
    for (workload, grant) in entry
        .ledger
        .grants
        .iter()
        .filter(|(workload, _)| workload.namespace == *namespace)
    {
        let bounds = crate::ledger::Bounds {
            term: grant.term,
            scopes: grant.scopes.clone(),
        };
        grants.insert(workload.service_account.clone(), bounds);
    }
    Some(IssueAudience {
        identifier: audience.identifier.clone(),
        alg: entry.ledger.alg(now)?,
        dialect: audience.dialect,
        issuance: entry.ledger.issuance(now)?,
        lifetime: entry.ledger.lifetime.now,
        scopes: audience.scopes.clone(),
        grants,
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
