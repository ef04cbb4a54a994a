//! One turn.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mintage_core::keyring::{Key, Owner};
use mintage_core::plan::{Plan, State, Status};
use mintage_core::world::{Tenant, World};
use mintage_core::{Alg, ObjectRef, TenantRef, Uid, UnixTime, ledger};
use mintage_crds::application::ClientSecretStatus;
use tokio::time::Instant;

use super::{Engine, News, Rest, Topic};
use crate::api::Failure;
use crate::outputs::{Look as OutputLook, TenantPlan};
use crate::secrets::Place;
use crate::snapshot::Snapshot;
use crate::status;
use crate::truth::Look as TruthLook;

/// This process leads no longer.
pub struct Deposed;

impl Engine {
    /// Looks, plans, and brings the API to what was planned.
    pub(super) async fn turn(&mut self) -> Result<(), Deposed> {
        let Some(snapshot) = self.context.snapshots.borrow_and_update().clone() else {
            return Ok(());
        };
        self.facts.sidecars = self.context.sidecars.borrow_and_update().clone();
        self.facts.propagation = self.propagation(&snapshot);
        self.retries.begin(Instant::now());
        self.look_at_drift(&snapshot).await?;
        self.look_at_endpoints();
        if let Some(rest) = self.rest.take().filter(|rest| rest.covers(&snapshot)) {
            let now = self.context.clock.now();
            self.write_statuses(&snapshot, &rest.statuses, now).await?;
            self.rest = Some(rest);
            return Ok(());
        }
        let world = self.world(&snapshot);
        self.take_what_is_brought(&world);
        let plan = self.plan_with_keys(&world, &snapshot).await;
        self.next_due = next_due(&plan, self.context.clock.now());
        self.facts.making = making(&plan);
        self.tell_unreadable(&snapshot, &world);
        self.apply(&snapshot, &world, plan).await?;
        // What is overdue after a turn is of a tenant that is held: it waits for what lets that go, and not for the clock.
        let now = self.context.clock.now();
        let renewal = self.outputs.due_after(now);
        self.next_due = self.next_due.into_iter().chain(renewal).min();
        Ok(())
    }

    /// The world, with what the checks of domains found, and without endpoints where nobody runs them.
    fn world(&mut self, snapshot: &Snapshot) -> Arc<World> {
        let living: BTreeSet<Uid> = snapshot
            .world
            .domains
            .iter()
            .map(|domain| domain.uid.clone())
            .collect();
        self.forget_findings(&living);
        let mut world = Cow::Borrowed(&*snapshot.world);
        for (index, domain) in snapshot.world.domains.iter().enumerate() {
            if let Some(finding) = self.facts.findings.get(&domain.uid)
                && finding.verified != domain.verified
            {
                world.to_mut().domains[index].verified = finding.verified;
            }
        }
        self.know_endpoints(snapshot, &mut world);
        match world {
            Cow::Borrowed(_) => Arc::clone(&snapshot.world),
            Cow::Owned(world) => Arc::new(world),
        }
    }

    /// Reads the keys that admins bring.
    fn take_what_is_brought(&mut self, world: &World) {
        let offer = self.brought.offer(world);
        let keys = offer.keys.into_iter();
        let (names, entries): (Vec<_>, Vec<_>) = keys
            .map(|(name, (jwk, entry))| ((name, jwk), entry))
            .unzip();
        self.brought_keys = names.into_iter().collect();
        self.keys.bring(entries.into_iter());
        self.complaints = offer.complaints;
    }

    /// Looks at what others may have changed. What cannot be looked at now is looked at in the next turn.
    async fn look_at_drift(&mut self, snapshot: &Snapshot) -> Result<(), Deposed> {
        let mut news = self.drift.take().into_iter();
        while let Some((place, seen)) = news.next() {
            let outcome = self.look_at(&place, seen.as_ref(), snapshot).await;
            match outcome {
                Ok(()) => {}
                Err(Failure::NotLeading) => return Err(Deposed),
                Err(failure) => {
                    self.context.witness.failed("drift");
                    tracing::warn!(event = "look-failed", namespace = place.0, name = place.1, %failure);
                    self.drift.put_back(place, seen);
                    for (place, seen) in news {
                        self.drift.put_back(place, seen);
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    async fn look_at(
        &mut self,
        place: &Place,
        seen: Option<&crate::api::Version>,
        snapshot: &Snapshot,
    ) -> Result<(), Failure> {
        let (tenant, text) = match self.truth.look(&self.writer, place, seen).await? {
            TruthLook::Intact => return Ok(()),
            TruthLook::Repaired { tenant, text } => (tenant, text),
            TruthLook::NotOurs => {
                match self
                    .outputs
                    .look(&self.writer, &mut self.keys, place, seen)
                    .await?
                {
                    OutputLook::Intact => return Ok(()),
                    OutputLook::Changed { tenant, text } => (Some(tenant), text),
                }
            }
        };
        self.rest = None;
        tracing::warn!(event = "restored", %text);
        if let Some(tenant) = tenant {
            self.announce_tenant(snapshot, &tenant, Topic::Restored, text.clone());
            self.restored.insert(tenant, (Instant::now(), text));
        }
        Ok(())
    }

    /// Brings the API to what was planned.
    async fn apply(
        &mut self,
        snapshot: &Snapshot,
        world: &World,
        plan: Plan,
    ) -> Result<(), Deposed> {
        let started = Instant::now();
        let now = self.context.clock.now();
        let before = Arc::clone(&self.state);
        let mut troubles: BTreeMap<TenantRef, Vec<String>> = BTreeMap::new();
        let mut blocked = self
            .care_for_finalizers(snapshot, &plan, &mut troubles)
            .await?;
        // There may be something left of tenants that are no more.
        let waiting: BTreeSet<_> = self.retries.waiting(started).cloned().collect();
        blocked.extend(waiting.iter().cloned());
        self.write_truth(&plan, &mut blocked, &mut troubles).await?;
        self.tell_keys(snapshot, &before);
        self.tell_secrets(&before, now);
        self.facts.secrets = secrets(&plan, now);

        let news = plan.bundles.iter().filter(|((tenant, _), _)| {
            !blocked.contains(tenant) && !self.truth.damaged().contains_key(tenant)
        });
        let is_told = |place: &_| plan.bundles.contains_key(place);
        self.context.feed.publish(news, is_told);
        self.facts.propagation = self.propagation(snapshot);

        let known: Vec<TenantRef> = self.outputs.tenants().cloned().collect();
        let mut wanted = by_tenant(&plan, world, &known);
        wanted.retain(|tenant, _| {
            !blocked.contains(tenant) && !self.truth.damaged().contains_key(tenant)
        });
        let outcome = self
            .outputs
            .apply(&self.writer, &mut self.keys, now, &wanted)
            .await;
        if outcome.deposed {
            return Err(Deposed);
        }
        for (tenant, failures) in outcome.failures {
            troubles.entry(tenant).or_default().extend(failures);
        }
        self.tell_failures(snapshot, &outcome.complaints);
        self.run_endpoints(snapshot, &plan, &blocked, started)
            .await?;
        self.let_go(snapshot, &plan, &blocked, &mut troubles)
            .await?;
        self.tried = started;
        self.judge(snapshot, troubles, &waiting, started);
        self.write_statuses(snapshot, &plan.statuses, now).await?;
        let is_whole = plan.state == *self.state
            && plan.wanted.is_empty()
            && blocked.is_empty()
            && self.facts.troubles.is_empty()
            && self.facts.stuck.is_empty()
            && self.retries.next().is_none();
        self.rest = is_whole.then(|| Rest::new(snapshot, plan.statuses));
        Ok(())
    }

    async fn write_truth(
        &mut self,
        plan: &Plan,
        blocked: &mut BTreeSet<TenantRef>,
        troubles: &mut BTreeMap<TenantRef, Vec<String>>,
    ) -> Result<(), Deposed> {
        if plan.state == *self.state {
            return Ok(());
        }
        let outcome = self
            .truth
            .write(&self.writer, plan.state.clone().split(), blocked)
            .await;
        if outcome.deposed {
            return Err(Deposed);
        }
        let whole = outcome.failed.is_empty()
            && blocked.is_empty()
            && self.truth.damaged().is_empty()
            && !outcome.conflict;
        self.state = Arc::new(if whole {
            plan.state.clone()
        } else {
            self.truth.state()
        });
        for (tenant, reason) in outcome.failed {
            blocked.insert(tenant.clone());
            troubles.entry(tenant).or_default().push(reason);
        }
        if outcome.conflict {
            self.reload().await?;
        }
        Ok(())
    }

    /// Somebody else changed what is stored while it was written: it is read anew, and a later leader is made way for.
    async fn reload(&mut self) -> Result<(), Deposed> {
        self.context.witness.failed("conflict");
        let namespace = &self.context.settings.namespace;
        match crate::truth::Truth::load(self.writer.client(), namespace, self.writer.epoch()).await
        {
            Ok(truth) => {
                self.state = Arc::new(truth.state());
                self.truth = truth;
                Ok(())
            }
            Err(Failure::NotLeading | Failure::Later(_)) => Err(Deposed),
            Err(failure) => {
                // The next write meets the same conflict and comes here again.
                tracing::warn!(event = "reload-failed", %failure);
                Ok(())
            }
        }
    }

    async fn write_statuses(
        &mut self,
        snapshot: &Snapshot,
        statuses: &[Status],
        now: UnixTime,
    ) -> Result<(), Deposed> {
        let challenge = self.context.challenge;
        let (written, failures, deposed) = self
            .statuses
            .write(
                &self.writer,
                snapshot,
                statuses,
                &self.facts,
                challenge,
                now,
            )
            .await;
        for written in written {
            let Some((ready, reason, message)) = written.turned else {
                continue;
            };
            self.context.witness.announce(News {
                object: written.object,
                uid: written.uid,
                reason: if ready {
                    Topic::Served
                } else {
                    Topic::NotServed
                },
                message: if ready {
                    message
                } else {
                    format!("{reason}: {message}")
                },
            });
        }
        if deposed {
            return Err(Deposed);
        }
        for failure in failures {
            self.context.witness.failed("status");
            tracing::warn!(event = "status-failed", %failure);
            self.retries.again(Instant::now());
        }
        Ok(())
    }

    /// Says once what cannot be read of the tenants' annotations; their statuses go on saying it.
    fn tell_unreadable(&mut self, snapshot: &Snapshot, world: &World) {
        let tenants = world.tenants.iter();
        let unreadable: BTreeMap<_, _> = tenants
            .filter(|tenant| !tenant.unreadable.is_empty())
            .map(|tenant| (tenant.at.clone(), tenant.unreadable.clone()))
            .collect();
        for (tenant, texts) in &unreadable {
            if self.unreadable.get(tenant) != Some(texts) {
                let text = texts.join("; ");
                self.announce_tenant(snapshot, tenant, Topic::SettingIgnored, text);
            }
        }
        self.unreadable = unreadable;
    }

    /// Says which applications are given another secret.
    fn tell_secrets(&self, before: &Arc<State>, now: UnixTime) {
        if Arc::ptr_eq(before, &self.state) {
            return;
        }
        for news in super::tenants::secret_news(before, &self.state, now) {
            tracing::info!(event = "client-secret", application = %news.object.at, text = %news.message);
            self.context.witness.announce(news);
        }
    }

    /// Says which keys are new or revoked.
    fn tell_keys(&self, snapshot: &Snapshot, before: &Arc<State>) {
        if Arc::ptr_eq(before, &self.state) {
            return;
        }
        for (tenant, topic, text) in super::tenants::key_news(before, &self.state) {
            tracing::info!(event = "keys", %tenant, %text);
            self.announce_tenant(snapshot, &tenant, topic, text);
        }
    }
}

/// Which secrets the applications have that have one.
fn secrets(plan: &Plan, now: UnixTime) -> BTreeMap<ObjectRef, ClientSecretStatus> {
    let configs = plan.endpoints.values().map(|told| &told.body);
    let all = configs.flat_map(|config| config.applications.values());
    let secrets = all.filter(|application| !application.is_public());
    let said = secrets.map(|application| {
        let others = &application.other_secrets;
        let status = ClientSecretStatus {
            generation: application.secret_generation,
            next_from: ledger::next_from(others, now).map(status::moment),
            previous_until: ledger::previous_until(others).map(status::moment),
        };
        (application.at.clone(), status)
    });
    said.collect()
}

/// When something changes by itself: what the plan says, and private keys whose time is over.
fn next_due(plan: &Plan, now: UnixTime) -> Option<UnixTime> {
    let keys = plan.state.keyrings.iter().flat_map(|ring| &ring.keys);
    let ends = keys.filter_map(Key::private_until).filter(|end| *end > now);
    ends.chain(plan.next_due).min()
}

/// The tenants that wait for first keys: a rotation makes nobody wait.
fn making(plan: &Plan) -> BTreeSet<TenantRef> {
    let rings = plan.state.keyrings.iter();
    let has_one: BTreeSet<(&Owner, Alg)> = rings
        .flat_map(|ring| ring.keys.iter().map(|key| (&ring.owner, key.alg())))
        .collect();
    let first = plan.wanted.iter();
    let first = first.filter(|(owner, alg)| !has_one.contains(&(owner, *alg)));
    first.map(|(owner, _)| owner.tenant.clone()).collect()
}

/// A plan by tenant; the tenants of which there are Secrets although nothing is planned for them are among them.
fn by_tenant<'a>(
    plan: &'a Plan,
    world: &World,
    known: &[TenantRef],
) -> BTreeMap<TenantRef, TenantPlan<'a>> {
    let declared: BTreeMap<&TenantRef, &Tenant> = world
        .tenants
        .iter()
        .map(|tenant| (&tenant.at, tenant))
        .collect();
    let mut tenants: BTreeMap<TenantRef, TenantPlan<'a>> = BTreeMap::new();
    for tenant in known {
        tenants.entry(tenant.clone()).or_default();
    }
    for ((tenant, namespace), bundle) in &plan.bundles {
        let plan = tenants.entry(tenant.clone()).or_default();
        plan.bundles.insert(namespace, bundle);
        let is_served = world.namespaces.get(namespace).is_some_and(|info| {
            info.opted_in
                && declared
                    .get(tenant)
                    .is_some_and(|tenant| tenant.allows(namespace, &info.labels))
        });
        if is_served {
            plan.served.insert(namespace);
        }
    }
    for (tenant, told) in &plan.endpoints {
        tenants.entry(tenant.clone()).or_default().endpoint = Some(told);
    }
    for keyring in &plan.state.keyrings {
        let plan = tenants.entry(keyring.owner.tenant.clone()).or_default();
        plan.keyrings.insert(&keyring.owner, keyring);
    }
    tenants
}
