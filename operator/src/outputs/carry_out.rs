//! Carrying a tenant's steps out: bundles, then private keys, then what is not wanted any more.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Secret;
use mintage_core::bundle::{Bundle, KeyringFile};
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::{Namespace, TenantRef, UnixTime};

use super::want::{Step, Telling};
use super::{Known, Outputs, keyring_place, owner};
use crate::api::{Failure, Version, Writer, version};
use crate::keys::Keys;
use crate::secrets::{Draft, Hash, Place, content_of, epoch_of};

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What could not be written, and why.
    pub failures: Vec<String>,
    /// This process leads no longer.
    pub deposed: bool,
    /// The namespaces that were told something new.
    pub told: usize,
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
}

/// What is to be told to the namespaces of one tenant.
struct Wanted<'a> {
    tenant: &'a TenantRef,
    tellings: Vec<Telling>,
    failures: Vec<String>,
    /// The namespaces whose bundle cannot be written at all.
    untold: BTreeSet<Namespace>,
}

type Written = (Place, Result<Option<(Version, Hash)>, Failure>);

impl Outputs {
    /// Brings a tenant's Secrets to what the plan wants.
    pub async fn apply(
        &mut self,
        writer: &Writer,
        keys: &mut Keys,
        now: UnixTime,
        tenant: &TenantRef,
        plan: &TenantPlan<'_>,
    ) -> Outcome {
        let TenantPlan {
            bundles, keyrings, ..
        } = plan;
        let mut wanted = Wanted {
            tenant,
            tellings: Vec::new(),
            failures: Vec::new(),
            untold: BTreeSet::new(),
        };
        for (namespace, bundle) in bundles {
            match self.tell(tenant, namespace, bundle) {
                Ok(telling) => wanted.tellings.extend(telling),
                Err(error) => {
                    wanted
                        .failures
                        .push(format!("namespace {namespace}: {error}"));
                    wanted.untold.insert((*namespace).clone());
                }
            }
        }
        let mut outcome = Outcome::default();
        let untold = self.tell_all(writer, wanted, &mut outcome).await;
        if outcome.deposed {
            return outcome;
        }

        // Whose keys stand in a bundle that could not be written.
        let unheard: BTreeSet<&Option<Namespace>> = bundles
            .iter()
            .filter(|(namespace, _)| untold.contains(**namespace))
            .flat_map(|(_, bundle)| bundle.body.keys.iter().map(|key| &key.namespace))
            .collect();
        let mut steps = Vec::new();
        let mut owners: BTreeSet<Owner> = BTreeSet::new();
        for (owner, keyring) in keyrings {
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
                    steps.extend(self.hand_over(owner, Some(keyring), file));
                }
            }
        }
        for namespace in &plan.served {
            let owner = Owner::namespace(tenant.clone(), (*namespace).clone());
            if !owners.contains(&owner) {
                let empty = KeyringFile::new(owner.clone());
                steps.extend(self.hand_over(&owner, None, &empty));
                owners.insert(owner);
            }
        }
        keys.keep_only(tenant, keyrings);
        self.carry_out(writer, keys, tenant, steps, &mut outcome)
            .await;
        let told: BTreeSet<&Namespace> = bundles.keys().copied().collect();
        let steps = self.clear(tenant, &owners, &told);
        self.carry_out(writer, keys, tenant, steps, &mut outcome)
            .await;
        self.told
            .retain(|(of, namespace), _| of != tenant || told.contains(namespace));
        outcome
    }

    /// Writes the bundles; the namespaces that could not be told.
    async fn tell_all(
        &mut self,
        writer: &Writer,
        wanted: Wanted<'_>,
        outcome: &mut Outcome,
    ) -> BTreeSet<Namespace> {
        let mut untold = wanted.untold;
        outcome.failures.extend(wanted.failures);
        let tenant = wanted.tenant;
        let tellings = wanted.tellings.into_iter().map(|telling| async move {
            let mut written = Vec::new();
            // The shards of a bundle one after the other: readers keep the old whole until the new one is complete.
            for step in telling.steps {
                let done = carry_out(writer, step).await;
                let failed = done.1.is_err();
                written.push(done);
                if failed {
                    break;
                }
            }
            (telling.namespace, telling.version, telling.shards, written)
        });
        let mut tellings: FuturesUnordered<_> = tellings.collect();
        while let Some((namespace, version, shards, written)) = tellings.next().await {
            let mut whole = true;
            let changed = !written.is_empty();
            for written in written {
                whole &= self.take(tenant, written, outcome);
            }
            if whole {
                outcome.told += usize::from(changed);
                self.told
                    .insert((tenant.clone(), namespace), (version, shards));
            } else {
                untold.insert(namespace);
            }
        }
        untold
    }

    async fn carry_out(
        &mut self,
        writer: &Writer,
        keys: &mut Keys,
        tenant: &TenantRef,
        steps: Vec<Step>,
        outcome: &mut Outcome,
    ) {
        let steps = steps.into_iter().map(|step| carry_out(writer, step));
        let mut steps: FuturesUnordered<_> = steps.collect();
        while let Some(written) = steps.next().await {
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
    fn take(&mut self, tenant: &TenantRef, written: Written, outcome: &mut Outcome) -> bool {
        let (place, result) = written;
        match result {
            Ok(Some((version, hash))) => {
                let content = if owner(tenant, &place).is_some() {
                    mintage_core::managed::Content::Keyring
                } else {
                    mintage_core::managed::Content::Bundle
                };
                let known = Known {
                    content,
                    version,
                    hash,
                };
                self.remember(tenant, place, known);
                true
            }
            // Deleted, or in a namespace that is going, where nobody is to be told.
            Ok(None) | Err(Failure::NamespaceGone) => {
                self.forget(tenant, &place);
                true
            }
            Err(failure) => {
                outcome.deposed |= matches!(failure, Failure::NotLeading);
                let text = format!("Secret {}/{}: {failure}", place.0, place.1);
                outcome.failures.push(text);
                false
            }
        }
    }
}

/// One write, and a second look if somebody was faster.
async fn carry_out(writer: &Writer, step: Step) -> Written {
    let place = step.place().clone();
    let result = match step {
        Step::Delete(place, known) => delete(writer, &place, &known).await.map(|()| None),
        Step::Put(draft, replaces) => put(writer, &draft, replaces).await.map(Some),
    };
    (place, result)
}

async fn put(
    writer: &Writer,
    draft: &Draft,
    replaces: Option<Version>,
) -> Result<(Version, Hash), Failure> {
    let what = match draft.content {
        mintage_core::managed::Content::Keyring => "keyring",
        _ => "bundle",
    };
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

async fn delete(writer: &Writer, place: &Place, known: &Version) -> Result<(), Failure> {
    match writer.delete("output", &place.0, &place.1, known).await {
        Err(Failure::Conflict) => {
            let Some(present) = writer.read(&place.0, &place.1).await? else {
                return Ok(());
            };
            if content_of(present.metadata.labels.as_ref()).is_none() {
                // It has become somebody else's.
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
