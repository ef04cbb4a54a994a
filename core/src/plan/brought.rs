//! Keys that admins bring: what their tenants' statuses say of them.

use std::collections::BTreeMap;

use super::Status;
use crate::keyring::{Complaint, Key, Schedule};
use crate::ownership::Kind;
use crate::{Alg, Kid, ObjectName, ObjectRef, TenantRef};

/// Of the keys whose tokens have all ended, so many are remembered of each tenant: that they do not come back. Twenty
/// years of monthly rotations fit, and a Secret with them.
pub const MOST_SPENT: usize = 256;

/// Remembers further keys of a tenant.
pub(super) fn remember<'a>(known: &mut Vec<Kid>, kids: impl Iterator<Item = &'a Kid>) {
    for kid in kids {
        if !known.contains(kid) {
            known.push(kid.clone());
        }
    }
}

/// Forgets the oldest of those keys that do not matter any more, if there are more than `most` of them.
pub(super) fn forget(known: &mut Vec<Kid>, most: usize, matters: impl Fn(&Kid) -> bool) {
    let spent = known.iter().filter(|kid| !matters(kid)).count();
    let mut beyond = spent.saturating_sub(most);
    known.retain(|kid| {
        let goes = beyond > 0 && !matters(kid);
        beyond -= usize::from(goes);
        !goes
    });
}

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{forget, remember};
    use crate::Kid;

    fn kid(number: u8) -> Kid {
        Kid::parse(&format!("k{number}")).unwrap()
    }

    proptest! {
        /// Keys are brought again and again, some of them are still believed or offered, and the list has its bound.
        #[test]
        fn the_oldest_spent_keys_are_forgotten_and_no_others(
            brought in vec((any::<u8>(), vec(any::<u8>(), 0..4)), 1..60),
            most in 0..8_usize,
        ) {
            let mut known = Vec::new();
            for (number, others) in brought {
                let matters: BTreeSet<Kid> = others.into_iter().map(kid).chain([kid(number)]).collect();
                let mut before: Vec<Kid> = known.clone();
                remember(&mut known, [&kid(number)].into_iter());
                remember(&mut before, [&kid(number)].into_iter());
                forget(&mut known, most, |kid| matters.contains(kid));

                let gone: Vec<&Kid> = before.iter().filter(|kid| !known.contains(kid)).collect();
                prop_assert!(gone.iter().all(|kid| !matters.contains(*kid)), "{gone:?} matters");
                let spent = |all: &[Kid]| -> Vec<Kid> {
                    all.iter().filter(|kid| !matters.contains(*kid)).cloned().collect()
                };
                let (all, left) = (spent(&before), spent(&known));
                prop_assert_eq!(left.len(), all.len().min(most), "no more and no fewer");
                prop_assert_eq!(&left[..], &all[all.len() - left.len()..], "the newest, in their order");
                let mut kept = before;
                kept.retain(|kid| known.contains(kid));
                prop_assert_eq!(&kept, &known, "in their order");
            }
        }
    }
}
