//! Which generations of each application's secret are good.

use std::collections::BTreeMap;

use super::admission::Tenants;
use super::{State, applications};
use crate::ledger::{self, SecretLedger};
use crate::world::{Application, ClientAuth, World};
use crate::{ObjectRef, TenantRef, Uid, UnixTime};

/// Settles the secrets of all applications that there are. One that is not served, or has no secret for the time being,
/// keeps what is remembered of it: its generations do not come back by a detour.
pub(super) fn settle(
    now: UnixTime,
    world: &World,
    state: &State,
    tenants: &Tenants<'_>,
) -> Vec<SecretLedger> {
    let known: BTreeMap<(&TenantRef, &ObjectRef, &Uid), &SecretLedger> = state
        .secrets
        .iter()
        .map(|ledger| ((&ledger.tenant, &ledger.at, &ledger.uid), ledger))
        .collect();
    let settled = world.applications.iter().filter_map(|application| {
        let key = (&application.tenant, &application.at, &application.uid);
        let before = known.get(&key).copied();
        // Nothing is remembered of what a tenant does not admit, or anybody could fill its memory. Why it does not is said where
        // the application is served.
        let admitted = applications::admit(application, world, tenants).ok();
        let Some(tenant) = admitted.filter(|_| application.auth != ClientAuth::None) else {
            return before.cloned();
        };
        let generations = before.map(|ledger| &ledger.generations);
        let delay = tenant.propagation_delay;
        Some(SecretLedger {
            tenant: application.tenant.clone(),
            at: application.at.clone(),
            uid: application.uid.clone(),
            generations: ledger::settle_secret(now, generations, application.secret, delay),
        })
    });
    settled.collect()
}

/// What is to be said of a generation that was declared and is not what counts.
pub(super) fn note(application: &Application, ledger: &SecretLedger) -> Option<String> {
    let newest = *ledger.generations.keys().next_back()?;
    let declared = application.secret.generation;
    (declared < newest).then(|| {
        format!(
            "spec.clientSecret.generation is {declared}, and {newest} was asked for before: a secret does not come back, so {newest} counts; set it, or a higher one"
        )
    })
}
