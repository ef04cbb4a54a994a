//! The life of Tenants: the finalizer that holds them until what they have elsewhere is gone, and what is said of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt as _;
use mintage_core::keyring::{self, Key, Owner};
use mintage_core::managed::FINALIZER;
use mintage_core::ownership::{Kind, Object};
use mintage_core::plan::{Plan, State};
use mintage_core::{Kid, ObjectRef, TenantRef, Uid, UnixTime, ledger};
use mintage_crds::Tenant;
use serde_json::json;

use super::turn::Deposed;
use super::{Engine, News, Topic};
use crate::api::Failure;
use crate::at_once::at_once;
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
        let lacking = plan.state.tenants.iter().filter_map(|ledger| {
            let object = snapshot.tenants.get(&place(&ledger.tenant))?;
            let has_it = object.finalizers().iter().any(|name| name == FINALIZER);
            let goes = object.metadata.deletion_timestamp.is_some();
            (!has_it && !goes).then_some((&ledger.tenant, object))
        });
        let lacking: Vec<_> = lacking.collect();
        let with = |finalizers: &[String]| [finalizers, &[FINALIZER.to_owned()]].concat();
        let mut blocked = BTreeSet::new();
        for (tenant, failure) in self.set_finalizers(lacking, with).await {
            match failure {
                Failure::NotLeading => return Err(Deposed),
                // Another version of it comes with the next snapshot.
                Failure::Conflict | Failure::NotFound => {}
                failure => {
                    let text = format!("the finalizer of Tenant {tenant}: {failure}");
                    troubles.entry(tenant.clone()).or_default().push(text);
                }
            }
            blocked.insert(tenant.clone());
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
        let mut going = BTreeMap::new();
        for (tenant, attached) in &plan.deletions {
            if !attached.is_empty() {
                let names: Vec<_> = attached.iter().map(ToString::to_string).collect();
                let text = format!(
                    "it goes once nothing refers to it any more; delete {} first",
                    names.join(", ")
                );
                self.announce_tenant(snapshot, tenant, Topic::DeletionBlocked, text);
            } else if let Some(object) = snapshot.tenants.get(&place(tenant))
                && !blocked.contains(tenant)
                && object.finalizers().iter().any(|name| name == FINALIZER)
            {
                going.insert(tenant.clone(), object);
            }
        }
        if going.is_empty() {
            return Ok(());
        }
        for (tenant, failure) in self.remove_all(going).await? {
            let text = format!("deleting Tenant {tenant}: {failure}");
            troubles.entry(tenant).or_default().push(text);
        }
        Ok(())
    }

    /// Removes what Tenants have, and lets them go; what could not be removed.
    async fn remove_all(
        &mut self,
        mut going: BTreeMap<TenantRef, &Arc<Tenant>>,
    ) -> Result<Vec<(TenantRef, String)>, Deposed> {
        let mut failed = Vec::new();
        let now = self.context.clock.now();
        let nothing = going.keys();
        let goes = || TenantPlan {
            goes: true,
            ..TenantPlan::default()
        };
        let nothing = nothing.map(|tenant| (tenant.clone(), goes()));
        let outcome = self
            .outputs
            .apply(&self.writer, &mut self.keys, now, &nothing.collect())
            .await;
        if outcome.deposed {
            return Err(Deposed);
        }
        for (tenant, failures) in outcome.failures {
            going.remove(&tenant);
            failed.push((tenant, failures.join("\n")));
        }

        let forgotten = going.keys().cloned().collect();
        let outcome = self.truth.remove(&self.writer, forgotten).await;
        if outcome.deposed {
            return Err(Deposed);
        }
        for (tenant, reason) in outcome.failed {
            going.remove(&tenant);
            failed.push((tenant, reason));
        }
        self.state = Arc::new(self.truth.state());

        let mut gone: BTreeSet<&TenantRef> = going.keys().collect();
        let free = going.iter().map(|(tenant, object)| (tenant, *object));
        let without = |finalizers: &[String]| {
            let others = finalizers.iter().filter(|name| *name != FINALIZER);
            others.cloned().collect()
        };
        for (tenant, failure) in self.set_finalizers(free.collect(), without).await {
            match failure {
                Failure::NotLeading => return Err(Deposed),
                Failure::Conflict | Failure::NotFound => {}
                failure => failed.push((tenant.clone(), failure.to_string())),
            }
            gone.remove(tenant);
        }
        for tenant in gone {
            tracing::info!(event = "tenant-gone", %tenant);
        }
        Ok(failed)
    }

    /// Gives Tenants the finalizers that `change` makes of theirs; those that failed.
    async fn set_finalizers<'a>(
        &self,
        tenants: Vec<(&'a TenantRef, &Arc<Tenant>)>,
        change: impl Fn(&[String]) -> Vec<String>,
    ) -> Vec<(&'a TenantRef, Failure)> {
        let writes = at_once(tenants, |(tenant, object)| {
            let finalizers = change(object.finalizers());
            async move { (tenant, self.set_finalizers_of(object, finalizers).await) }
        });
        let written = writes.await.into_iter();
        written
            .filter_map(|(tenant, done)| Some((tenant, done.err()?)))
            .collect()
    }

    async fn set_finalizers_of(
        &self,
        object: &Tenant,
        finalizers: Vec<String>,
    ) -> Result<(), Failure> {
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
        // Nobody looks for Events of one that is gone.
        let Some(object) = snapshot.tenants.get(&at) else {
            return;
        };
        self.context.witness.announce(News {
            uid: object.uid().unwrap_or_default(),
            object: Object {
                kind: Kind::Tenant,
                at,
            },
            reason,
            message,
        });
    }
}

pub(super) fn place(tenant: &TenantRef) -> ObjectRef {
    ObjectRef::new(tenant.namespace.clone(), tenant.name.clone())
}

/// Which applications are given another secret than before.
pub(super) fn secret_news(before: &State, after: &State, now: UnixTime) -> Vec<News> {
    let known = before.secrets.iter();
    let known: BTreeMap<&Uid, u32> = known
        .filter_map(|ledger| Some((&ledger.uid, ledger.in_use(now)?)))
        .collect();
    let news = after.secrets.iter().filter_map(|ledger| {
        let in_use = ledger.in_use(now)?;
        let last = known.get(&ledger.uid).filter(|last| **last != in_use)?;
        let rest = match ledger::previous_until(&ledger.generations) {
            Some(until) => format!("that of {last} is good until {}", written(until)),
            None => format!("that of {last} is refused from now on"),
        };
        Some(News {
            object: Object {
                kind: Kind::Application,
                at: ledger.at.clone(),
            },
            uid: ledger.uid.to_string(),
            reason: Topic::SecretRotated,
            message: format!("its Secret has the client secret of generation {in_use}; {rest}"),
        })
    });
    news.collect()
}

/// A moment, for people.
fn written(moment: UnixTime) -> String {
    jiff::Timestamp::from_second(moment.0).map_or_else(|_| moment.to_string(), |at| at.to_string())
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

#[cfg(test)]
mod tests {
    use mintage_core::ledger::{SecretLedger, settle_secret};
    use mintage_core::world::SecretRules;

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn asked(before: &State, now: UnixTime, generation: u32, accept_previous: i64) -> State {
        let rules = SecretRules {
            accept_previous,
            generation,
        };
        let known = before.secrets.first().map(|ledger| &ledger.generations);
        let ledger = SecretLedger {
            tenant: TenantRef::parse("identity/acme").unwrap(),
            at: ObjectRef::parse("shop/batch").unwrap(),
            uid: Uid::parse("uid-batch").unwrap(),
            generations: settle_secret(now, known, rules, 300),
        };
        State {
            secrets: vec![ledger],
            ..State::default()
        }
    }

    fn told(before: &State, after: &State, now: UnixTime) -> Vec<String> {
        let news = secret_news(before, after, now).into_iter();
        let texts = news.map(|news| {
            assert_eq!(news.object.to_string(), "Application shop/batch");
            assert_eq!(news.uid, "uid-batch");
            assert_eq!(news.reason, Topic::SecretRotated);
            news.message
        });
        texts.collect()
    }

    #[test]
    fn another_secret_is_told_of_when_it_is_given_and_not_before() {
        let none: [String; 0] = [];
        let first = asked(&State::default(), NOW, 1, 3600);
        assert_eq!(told(&State::default(), &first, NOW), none, "the first");
        let wanted = asked(&first, NOW, 2, 3600);
        assert_eq!(told(&first, &wanted, NOW), none, "it is not given yet");
        let later = NOW + 360;
        let given = asked(&wanted, later, 2, 3600);
        assert_eq!(
            told(&wanted, &given, later),
            [
                "its Secret has the client secret of generation 2; that of 1 is good until 2027-01-15T09:06:00Z"
            ]
        );
        assert_eq!(told(&given, &given, later), none);
        let leaked = asked(&given, later, 3, 0);
        assert_eq!(
            told(&given, &leaked, later),
            ["its Secret has the client secret of generation 3; that of 2 is refused from now on"]
        );
    }
}
