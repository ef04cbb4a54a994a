//! Keys that admins bring: what their tenants' statuses say of them.

use std::collections::BTreeMap;

use super::Status;
use crate::keyring::{Complaint, Key, Schedule};
use crate::ownership::Kind;
use crate::{Alg, ObjectName, ObjectRef, TenantRef};

/// What admins should know, by tenant.
pub(super) type Notes = BTreeMap<TenantRef, Vec<String>>;

/// A complaint in words, with the mend and with what happens until then.
pub(super) fn say(secret: &ObjectName, alg: Alg, complaint: Complaint, keys: &[Key]) -> String {
    let place = format!("Secret {secret} (spec.signing.keySecretRef)");
    let text = match complaint {
        Complaint::Missing => format!("there is no usable key for {alg} in {place}: put one there"),
        Complaint::Shared => format!(
            "the key for {alg} in {place} is the key of another algorithm, too, and a key has one: put another one there"
        ),
        Complaint::Spent => format!(
            "the key for {alg} in {place} was replaced or revoked before, and no key comes back: put another one there"
        ),
        Complaint::Waited => {
            return format!(
                "mintage.dev/rotate-now asks for a new key for {alg}, and the tenant's own are brought: put another one into {place}"
            );
        }
        Complaint::Old => {
            return format!(
                "the key for {alg} in {place} is older than signing.rotationPeriod: put another one there"
            );
        }
    };
    let goes_on = keys
        .iter()
        .find(|key| key.alg() == alg && matches!(key.schedule, Schedule::Open { .. }));
    match goes_on {
        Some(key) => format!("{text}; until then key {} goes on", key.kid()),
        None => format!("{text}; until then nothing is signed with {alg}"),
    }
}

/// Adds the notes to the tenants' statuses.
pub(super) fn note(statuses: &mut [Status], notes: &Notes) {
    let notes: BTreeMap<ObjectRef, &Vec<String>> = notes
        .iter()
        .map(|(tenant, notes)| (super::admission::object_ref(tenant), notes))
        .collect();
    for status in statuses
        .iter_mut()
        .filter(|status| !notes.is_empty() && status.object.kind == Kind::Tenant)
    {
        if let Some(notes) = notes.get(&status.object.at) {
            status.notes.extend(notes.iter().cloned());
        }
    }
}
