//! Carrying the tenants' steps out: bundles, then private keys, then what is not wanted any more.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use mintage_core::bundle::{Bundle, BundleTooLarge, KeyringFile, Stamped};
use mintage_core::code::Coded as _;
use mintage_core::endpoint::Config;
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::managed::Content;
use mintage_core::{Namespace, TenantRef, UnixTime};

use super::want::Step;
use super::{Known, Outputs, keyring_place, owner};
use crate::api::{Failure, Version, Writer, version};
use crate::at_once::at_once;
use crate::keys::Keys;
use crate::secrets::{Draft, Hash, Place, content_of, epoch_of, tenant_of};

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What could not be written, and why.
    pub failures: BTreeMap<TenantRef, Vec<String>>,
    /// What is missing and holds up nothing: it is tried again for itself.
    pub complaints: BTreeMap<TenantRef, Vec<String>>,
    /// This process leads no longer.
    pub deposed: bool,
}

impl Outcome {
    pub(super) fn fail(&mut self, tenant: &TenantRef, text: String) {
        self.failures.entry(tenant.clone()).or_default().push(text);
    }
}

/// One tenant's part of a plan.
#[derive(Debug, Default)]
pub struct TenantPlan<'a> {
    /// What each namespace is to be told.
    pub bundles: BTreeMap<&'a Namespace, &'a Bundle>,
    /// The public keys.
    pub keyrings: BTreeMap<&'a Owner, &'a Keyring>,
    /// The namespaces whose pods may have sidecars. They have a keyring, if only an empty one: pods wait for it.
    pub served: BTreeSet<&'a Namespace>,
    /// What its endpoint is to be told, if it has one.
    pub endpoint: Option<&'a Stamped<Config>>,
    /// Whether the tenant goes, and all that it has with it.
    pub goes: bool,
}

/// Where, and what came of it: what a Secret holds now, or that there is none.
pub(super) type Written = (Place, Result<Option<(Content, Version, Hash)>, Failure>);

/// What came of telling a namespace its bundle.
struct Told<'a> {
    tenant: &'a TenantRef,
    namespace: &'a Namespace,
    /// The version of the bundle, or why there can be none.
    version: Result<u64, BundleTooLarge>,
    written: Vec<Written>,
}

impl Outputs {
    /// Brings the tenants' Secrets to what the plan wants, of all tenants at once: first the bundles, then the private
    /// keys, then what is not wanted any more. What fails holds up nobody but its own tenant.
    pub async fn apply(
        &mut self,
        writer: &Writer,
        keys: &mut Keys,
        now: UnixTime,
        plans: &BTreeMap<TenantRef, TenantPlan<'_>>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let untold = self.tell_all(writer, plans, &mut outcome).await;
        let endpoints = self.tell_endpoints(writer, now, plans, &mut outcome).await;
        if outcome.deposed {
            return outcome;
        }

        let (mut steps, mut owners) = (Vec::new(), BTreeMap::new());
        for (tenant, plan) in plans {
            let untold = untold.get(tenant);
            let hold = self.hand_over_all(keys, now, tenant, plan, untold, &mut steps);
            owners.insert(tenant, hold);
            keys.keep_only(tenant, &plan.keyrings);
        }
        self.carry_out(writer, keys, steps, &mut outcome).await;

        let mut steps = Vec::new();
        for (tenant, plan) in plans {
            let told: BTreeSet<&Namespace> = plan.bundles.keys().copied().collect();
            let unwanted = self.clear(tenant, &owners[tenant], &told, &endpoints[tenant]);
            steps.extend(unwanted.into_iter().map(|step| (tenant, step)));
        }
        self.carry_out(writer, keys, steps, &mut outcome).await;
        self.told.retain(|(of, namespace), _| {
            plans
                .get(of)
                .is_none_or(|plan| plan.bundles.contains_key(namespace))
        });
        outcome
    }

    /// Writes the bundles; the namespaces that could not be told.
    async fn tell_all(
        &mut self,
        writer: &Writer,
        plans: &BTreeMap<TenantRef, TenantPlan<'_>>,
        outcome: &mut Outcome,
    ) -> BTreeMap<TenantRef, BTreeSet<Namespace>> {
        let news = plans.iter().flat_map(|(tenant, plan)| {
            let bundles = plan.bundles.iter();
            bundles.map(move |(namespace, bundle)| (tenant, *namespace, *bundle))
        });
        let news = news.filter(|(tenant, namespace, bundle)| {
            !self.has_told(tenant, namespace, bundle.version)
        });
        let told = at_once(news.collect(), |(tenant, namespace, bundle)| {
            self.tell_one(writer, tenant, namespace, bundle)
        });
        let told: Vec<Told<'_>> = told.await;
        let mut untold: BTreeMap<TenantRef, BTreeSet<Namespace>> = BTreeMap::new();
        for telling in told {
            let Told {
                tenant, namespace, ..
            } = telling;
            let mut whole = true;
            for written in telling.written {
                whole &= self.take(tenant, written, outcome);
            }
            match telling.version {
                Ok(version) if whole => {
                    self.told
                        .insert((tenant.clone(), namespace.clone()), version);
                    continue;
                }
                Ok(_) => {}
                Err(error) => outcome.fail(tenant, format!("namespace {namespace}: {error}")),
            }
            untold
                .entry(tenant.clone())
                .or_default()
                .insert(namespace.clone());
        }
        untold
    }

    /// Tells a namespace its bundle. The shards go one after the other: readers keep the old one whole until the new one
    /// is complete.
    async fn tell_one<'a>(
        &self,
        writer: &Writer,
        tenant: &'a TenantRef,
        namespace: &'a Namespace,
        bundle: &Bundle,
    ) -> Told<'a> {
        let mut told = Told {
            tenant,
            namespace,
            version: Ok(bundle.version),
            written: Vec::new(),
        };
        let steps = match self.tell(tenant, namespace, bundle) {
            Ok(steps) => steps,
            Err(error) => {
                told.version = Err(error);
                return told;
            }
        };
        for step in steps {
            let done = carry_out(writer, step).await;
            let failed = done.1.is_err();
            told.written.push(done);
            if failed {
                break;
            }
        }
        told
    }

    /// What it takes to hand a tenant's owners their private keys; the owners whose Secrets stay.
    fn hand_over_all<'a>(
        &self,
        keys: &mut Keys,
        now: UnixTime,
        tenant: &'a TenantRef,
        plan: &TenantPlan<'_>,
        untold: Option<&BTreeSet<Namespace>>,
        steps: &mut Vec<(&'a TenantRef, Step)>,
    ) -> BTreeSet<Owner> {
        // Whose keys stand in a bundle that could not be written.
        let unheard: BTreeSet<&Option<Namespace>> = untold
            .into_iter()
            .flatten()
            .filter_map(|namespace| plan.bundles.get(namespace))
            .flat_map(|bundle| bundle.body.keys.iter().map(|key| &key.namespace))
            .collect();
        let mut owners: BTreeSet<Owner> = BTreeSet::new();
        for (owner, keyring) in &plan.keyrings {
            let file = keys.settle(now, keyring);
            let is_served = owner
                .namespace
                .as_ref()
                .is_none_or(|of| plan.served.contains(of));
            // What ends signs a little longer where it is, and nothing new is made for it.
            let ends = self.find(tenant, &keyring_place(owner)).is_some() && !file.keys.is_empty();
            if is_served || ends {
                owners.insert((*owner).clone());
                if !unheard.contains(&owner.namespace) {
                    let step = self.hand_over(owner, Some(keyring), file);
                    steps.extend(step.map(|step| (tenant, step)));
                }
            }
        }
        for namespace in &plan.served {
            let owner = Owner::namespace(tenant.clone(), (*namespace).clone());
            if !owners.contains(&owner) {
                let empty = KeyringFile::new(owner.clone());
                let step = self.hand_over(&owner, None, &empty);
                steps.extend(step.map(|step| (tenant, step)));
                owners.insert(owner);
            }
        }
        owners
    }

    async fn carry_out(
        &mut self,
        writer: &Writer,
        keys: &mut Keys,
        steps: Vec<(&TenantRef, Step)>,
        outcome: &mut Outcome,
    ) {
        let written = at_once(steps, |(tenant, step)| async move {
            (tenant, carry_out(writer, step).await)
        });
        for (tenant, written) in written.await {
            let place = written.0.clone();
            let is_there = matches!(written.1, Ok(Some(_)));
            if self.take(tenant, written, outcome)
                && is_there
                && let Some(owner) = owner(tenant, &place)
            {
                keys.deliver(&owner);
            }
        }
    }

    /// Keeps what was written; whether it was.
    pub(super) fn take(
        &mut self,
        tenant: &TenantRef,
        written: Written,
        outcome: &mut Outcome,
    ) -> bool {
        let kept = self.keep(tenant, written, outcome);
        let is_kept = kept.is_ok();
        if let Err(text) = kept {
            outcome.fail(tenant, text);
        }
        is_kept
    }

    /// Keeps what was written; why it was not.
    pub(super) fn keep(
        &mut self,
        tenant: &TenantRef,
        written: Written,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let (place, result) = written;
        match result {
            Ok(Some((content, version, hash))) => {
                let known = Known {
                    content,
                    version,
                    hash,
                };
                self.remember(tenant, place, known);
                Ok(())
            }
            // Deleted, or in a namespace that is going, where nobody is to be told.
            Ok(None) | Err(Failure::NamespaceGone) => {
                self.forget(tenant, &place);
                Ok(())
            }
            Err(failure) => {
                outcome.deposed |= matches!(failure, Failure::NotLeading);
                Err(format!("Secret {}/{}: {failure}", place.0, place.1))
            }
        }
    }
}

/// One write, and a second look if somebody was faster.
pub(super) async fn carry_out(writer: &Writer, step: Step) -> Written {
    let place = step.place().clone();
    let result = match step {
        Step::Delete(place, known, tenant) => {
            let deleted = delete(writer, &place, &known, &tenant).await;
            deleted.map(|()| None)
        }
        Step::Put(draft, replaces) => {
            let written = put(writer, &draft, replaces).await;
            written.map(|(version, hash)| Some((draft.content, version, hash)))
        }
    };
    (place, result)
}

async fn put(
    writer: &Writer,
    draft: &Draft,
    replaces: Option<Version>,
) -> Result<(Version, Hash), Failure> {
    let what = draft.content.code();
    let secret = draft.render(writer.epoch(), replaces.as_ref());
    let first = match &replaces {
        None => writer.create(what, &secret).await,
        Some(_) => writer.replace(what, &secret).await,
    };
    let version = match first {
        Ok(version) => version,
        Err(Failure::Conflict | Failure::NotFound) => {
            let present = writer.read(&draft.place.0, &draft.place.1).await?;
            let replaces = present
                .map(|secret| ours(writer, draft, &secret))
                .transpose()?;
            let secret = draft.render(writer.epoch(), replaces.as_ref());
            match &replaces {
                None => writer.create(what, &secret).await?,
                Some(_) => writer.replace(what, &secret).await?,
            }
        }
        Err(failure) => return Err(failure),
    };
    Ok((version, draft.hash()))
}

async fn delete(
    writer: &Writer,
    place: &Place,
    known: &Version,
    tenant: &TenantRef,
) -> Result<(), Failure> {
    match writer.delete("output", &place.0, &place.1, known).await {
        Err(Failure::Conflict) => {
            let Some(present) = writer.read(&place.0, &place.1).await? else {
                return Ok(());
            };
            let labels = present.metadata.labels.as_ref();
            if content_of(labels).is_none() || tenant_of(labels).as_ref() != Some(tenant) {
                // It has become somebody else's, or another tenant's: an Application that was made anew may be of another.
                return Ok(());
            }
            if epoch_of(&present).is_some_and(|epoch| epoch > writer.epoch()) {
                return Err(Failure::NotLeading);
            }
            let known = version(&present)?;
            writer.delete("output", &place.0, &place.1, &known).await
        }
        other => other,
    }
}

/// The version of a Secret that is there already, if it is one that this operator made: nothing else is ever taken over.
fn ours(writer: &Writer, draft: &Draft, present: &Secret) -> Result<Version, Failure> {
    if content_of(present.metadata.labels.as_ref()) != Some(draft.content) {
        return Err(Failure::Refused(
            "there is a Secret of this name that Mintage did not make, and it is left alone: delete or rename it".to_owned(),
        ));
    }
    if epoch_of(present).is_some_and(|epoch| epoch > writer.epoch()) {
        return Err(Failure::NotLeading);
    }
    version(present)
}
