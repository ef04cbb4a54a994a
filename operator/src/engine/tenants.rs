//! The life of Tenants: the finalizer that holds them until what they have elsewhere is gone, and what is said of them.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use mintage_core::keyring::{self, Key, Owner};
use mintage_core::managed::FINALIZER;
use mintage_core::ownership::{Kind, Object};
use mintage_core::plan::{Plan, State};
use mintage_core::{Kid, ObjectRef, TenantRef};
use mintage_crds::Tenant;
use serde_json::json;

use super::turn::Deposed;
use super::{Engine, News, Topic};
use crate::api::Failure;
use crate::outputs::TenantPlan;
use crate::snapshot::Snapshot;

impl Engine {
    /// Puts the finalizer on Tenants that lack it. Of those that have none yet nothing is made in other namespaces.
    pub(super) async fn care_for_finalizers(
        &mut self,
        snapshot: &Snapshot,
        plan: &Plan,
        troubles: &mut BTreeMap<TenantRef, Vec<String>>,
    ) -> Result<BTreeSet<TenantRef>, Deposed> {
        let mut blocked = BTreeSet::new();
        for ledger in &plan.state.tenants {
            let tenant = &ledger.tenant;
            let Some(object) = snapshot.tenants.get(&place(tenant)) else {
                continue;
            };
            let has_it = object.finalizers().iter().any(|name| name == FINALIZER);
            if has_it || object.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let with = object
                .finalizers()
                .iter()
                .map(String::as_str)
                .chain([FINALIZER]);
            match self.set_finalizers(object, with.collect()).await {
                Ok(()) => {}
                Err(Failure::NotLeading) => return Err(Deposed),
                // Another version of it comes with the next snapshot.
                Err(Failure::Conflict | Failure::NotFound) => {
                    blocked.insert(tenant.clone());
                }
                Err(failure) => {
                    blocked.insert(tenant.clone());
                    let text = format!("the finalizer of Tenant {tenant}: {failure}");
                    troubles.entry(tenant.clone()).or_default().push(text);
                }
            }
        }
        Ok(blocked)
    }

    /// Lets Tenants go that are to be deleted and that nothing is attached to any more: first what they have in other
    /// namespaces goes, then what is remembered of them, then the finalizer.
    pub(super) async fn let_go(
        &mut self,
        snapshot: &Snapshot,
        plan: &Plan,
        blocked: &BTreeSet<TenantRef>,
        troubles: &mut BTreeMap<TenantRef, Vec<String>>,
    ) -> Result<(), Deposed> {
        for (tenant, attached) in &plan.deletions {
            if !attached.is_empty() {
                let names: Vec<_> = attached.iter().map(ToString::to_string).collect();
                let text = format!(
                    "it goes once nothing refers to it any more; delete {} first",
                    names.join(", ")
                );
                self.announce_tenant(snapshot, tenant, Topic::DeletionBlocked, text);
                continue;
            }
            let Some(object) = snapshot.tenants.get(&place(tenant)) else {
                continue;
            };
            if blocked.contains(tenant) || !object.finalizers().iter().any(|name| name == FINALIZER)
            {
                continue;
            }
            match self.remove_all(object, tenant).await {
                Ok(()) => tracing::info!(event = "tenant-gone", %tenant),
                Err(Failure::NotLeading) => return Err(Deposed),
                Err(Failure::Conflict | Failure::NotFound) => {}
                Err(failure) => {
                    let text = format!("deleting Tenant {tenant}: {failure}");
                    troubles.entry(tenant.clone()).or_default().push(text);
                }
            }
        }
        Ok(())
    }

    async fn remove_all(&mut self, object: &Tenant, tenant: &TenantRef) -> Result<(), Failure> {
        let now = self.context.clock.now();
        let nothing = TenantPlan::default();
        let outcome = self
            .outputs
            .apply(&self.writer, &mut self.keys, now, tenant, &nothing)
            .await;
        if outcome.deposed {
            return Err(Failure::NotLeading);
        }
        if let Some(failure) = outcome.failures.into_iter().next() {
            return Err(Failure::Unavailable(failure));
        }
        self.truth.remove_tenant(&self.writer, tenant).await?;
        self.state = std::sync::Arc::new(self.truth.state());
        let without = object.finalizers().iter().map(String::as_str);
        let without = without.filter(|name| *name != FINALIZER).collect();
        self.set_finalizers(object, without).await
    }

    async fn set_finalizers(&self, object: &Tenant, finalizers: Vec<&str>) -> Result<(), Failure> {
        let patch = json!({
            "metadata": {
                "finalizers": finalizers,
                "resourceVersion": object.resource_version(),
                "uid": object.uid(),
            }
        });
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let written: Result<Tenant, Failure> = self
            .writer
            .merge("finalizer", &namespace, &name, &patch)
            .await;
        written.map(drop)
    }

    pub(super) fn announce_tenant(
        &self,
        snapshot: &Snapshot,
        tenant: &TenantRef,
        reason: Topic,
        message: String,
    ) {
        let at = place(tenant);
        let uid = snapshot.tenants.get(&at).and_then(|object| object.uid());
        self.context.witness.announce(News {
            object: Object {
                kind: Kind::Tenant,
                at,
            },
            uid: uid.unwrap_or_default(),
            reason,
            message,
        });
    }
}

fn place(tenant: &TenantRef) -> ObjectRef {
    ObjectRef::new(tenant.namespace.clone(), tenant.name.clone())
}

/// Which keys are new and which are revoked, a line for each tenant.
pub(super) fn key_news(before: &State, after: &State) -> Vec<(TenantRef, Topic, String)> {
    let keys = |state: &State| -> BTreeMap<Kid, (Owner, Key)> {
        let rings = state.keyrings.iter();
        rings
            .flat_map(|ring| {
                ring.keys
                    .iter()
                    .map(|key| (ring.owner.clone(), key.clone()))
            })
            .map(|(owner, key)| (key.kid().clone(), (owner, key)))
            .collect()
    };
    let (before, after) = (keys(before), keys(after));
    let is_revoked = |key: &Key| matches!(key.schedule, keyring::Schedule::Revoked { .. });
    let mut news: BTreeMap<(TenantRef, Topic), Vec<String>> = BTreeMap::new();
    for (kid, (owner, key)) in &after {
        let known = before.get(kid);
        let of = match &owner.namespace {
            None => "the tenant".to_owned(),
            Some(namespace) => format!("namespace {namespace}"),
        };
        let topic = if known.is_none() {
            Topic::KeyPublished
        } else if is_revoked(key) && known.is_some_and(|(_, known)| !is_revoked(known)) {
            Topic::KeyRevoked
        } else {
            continue;
        };
        let line = format!("{} key {kid} of {of}", key.alg());
        news.entry((owner.tenant.clone(), topic))
            .or_default()
            .push(line);
    }
    let line = |((tenant, topic), lines): ((TenantRef, Topic), Vec<String>)| {
        // An Event holds 1 KiB.
        let shown: Vec<_> = lines.iter().take(8).map(String::as_str).collect();
        let rest = lines.len() - shown.len();
        let more = if rest > 0 {
            format!(" and {rest} more")
        } else {
            String::new()
        };
        let text = match topic {
            Topic::KeyRevoked => format!("refused from now on: {}{more}", shown.join(", ")),
            _ => format!("published: {}{more}", shown.join(", ")),
        };
        (tenant, topic, text)
    };
    news.into_iter().map(line).collect()
}
