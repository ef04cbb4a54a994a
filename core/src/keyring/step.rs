//! One pure function plans the next state of a keyring.

use std::collections::{BTreeMap, BTreeSet};

use super::{Key, Keyring, Schedule, State};
use crate::jose::Jwk;
use crate::{Alg, Kid, Seconds, UnixTime};

/// The rules of a keyring.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The algorithms the owner must be able to sign with, each with the longest token life under it.
    pub algs: BTreeMap<Alg, Seconds>,
    /// How long a key is published before it signs, at least.
    pub propagation_delay: Seconds,
    /// How long a key signs, at most.
    pub rotation_period: Seconds,
    /// Whether an admin brings the keys, instead of them being made. Then it is the admin who rotates: a key signs until
    /// another one is brought.
    pub brings: bool,
}

/// What was seen outside.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// New keys that were made because an earlier step asked for them; or those that the admin brings, new or not.
    pub fresh: &'a BTreeMap<Alg, Jwk>,
    /// The keys that the owner had since an admin first brought them. Each has one life: once replaced or revoked it never
    /// signs again.
    pub brought_before: &'a BTreeSet<Kid>,
    /// The keys whose private part is there and intact.
    pub private: &'a BTreeSet<Kid>,
    /// Keys to revoke.
    pub revoke: &'a BTreeSet<Kid>,
    /// Keys published before this moment are to be replaced as soon as the propagation delay allows. It is in the past:
    /// before one that is still to come, every new key would at once be too old again.
    pub rotate_before: Option<UnixTime>,
    /// When the oldest news was made that any of those goes by who are to believe the keys; `None` if nobody says.
    pub heard: Option<UnixTime>,
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The keys from now on.
    pub keys: Vec<Key>,
    /// Algorithms for which a fresh key is wanted; the step is to be taken again with them.
    pub wanted: BTreeSet<Alg>,
    /// What the admin has to know who brings the keys, by algorithm.
    pub complaints: BTreeMap<Alg, Complaint>,
}

/// What an admin has to know who brings the keys. The keys that are there go on all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Complaint {
    /// There is none.
    Missing,
    /// The key has signed for longer than a rotation period.
    Old,
    /// It is the key of another algorithm already.
    Shared,
    /// It was used before, and replaced or revoked.
    Spent,
    /// A rotation was asked for, which only another key can be.
    Waited,
}

/// Plans the keys from `now` on. Taking the same step twice changes nothing.
///
/// - The first key of an algorithm is Active at once: nobody has tokens or keys yet.
/// - Any later one is published as Next and signs after the propagation delay; the key before it signs until then.
/// - A key whose private part is lost is rotated like an old one: sidecars that still hold it in memory go on until
///   the new one may sign, and tokens under it stay good.
/// - A key that is brought is published as soon as it is there, with the same notice.
/// - A key that somebody who is to believe it has not heard of signs a little later, up to twice the delay after it was
///   published. What they say never makes it sign sooner.
#[expect(
    clippy::too_many_lines,
    reason = "one key's life from top to bottom, to be read in one piece"
)]
pub fn step(now: UnixTime, keyring: &Keyring, policy: &Policy, observed: Observed<'_>) -> Step {
    let mut keys: Vec<Key> = keyring
        .keys
        .iter()
        .filter(|key| key.state(now) != State::Removed)
        .map(|key| {
            if observed.revoke.contains(key.kid()) {
                key.clone().revoke(now)
            } else {
                key.clone()
            }
        })
        .collect();

    let mut wanted = BTreeSet::new();
    let mut complaints = BTreeMap::new();
    for (alg, lifetime) in &policy.algs {
        // Where a key was to be brought for a while, others may know of the owner already.
        let first = observed.brought_before.is_empty() && !keys.iter().any(|key| key.alg() == *alg);
        let open = keys
            .iter()
            .position(|key| key.alg() == *alg && matches!(key.schedule, Schedule::Open { .. }));
        let asked = |key: &Key| {
            let moment = observed.rotate_before;
            moment.is_some_and(|moment| key.published_at < moment)
        };
        // A key that is in the ring already is not fresh: the step was taken with it before.
        let given = observed.fresh.get(alg);
        let fresh = given.filter(|jwk| !keys.iter().any(|key| *key.kid() == jwk.kid));
        let jwk = if policy.brings {
            let open = open.map(|index| &keys[index]);
            let due = |key: &Key| now >= replacement_due(key, policy);
            let complaint = match (given, fresh) {
                (None, _) => Some(Complaint::Missing),
                (_, Some(jwk)) if observed.is_spent(&jwk.kid) => Some(Complaint::Spent),
                (_, Some(_)) => None,
                (Some(jwk), None) => match open.filter(|key| *key.kid() == jwk.kid) {
                    Some(key) if asked(key) => Some(Complaint::Waited),
                    Some(key) => due(key).then_some(Complaint::Old),
                    None if keys.iter().any(|key| key.is(&jwk.kid, *alg)) => Some(Complaint::Spent),
                    None => Some(Complaint::Shared),
                },
            };
            complaints.extend(complaint.map(|complaint| (*alg, complaint)));
            match fresh.filter(|_| complaint.is_none()) {
                Some(jwk) => jwk,
                None => continue,
            }
        } else {
            let due = open.is_none_or(|index| {
                let key = &keys[index];
                asked(key)
                    || !observed.private.contains(key.kid())
                    || observed.brought_before.contains(key.kid())
                    || now >= replacement_due(key, policy)
            });
            let Some(jwk) = fresh.filter(|_| due) else {
                wanted.extend(due.then_some(*alg));
                continue;
            };
            jwk
        };
        let activate_at = if first {
            now
        } else {
            now + policy.propagation_delay
        };
        if let Some(index) = open {
            keys[index] = keys[index].clone().close(activate_at);
        }
        // Nobody may be able to sign with the key that was to follow (lost, revoked, or never made): the one that signs
        // now goes on until the fresh one may, and one that has just ended and is still at hand signs again.
        let follows = open.is_some_and(|index| observed.private.contains(keys[index].kid()));
        if !follows {
            for key in keys.iter_mut().filter(|key| key.alg() == *alg) {
                let at_hand = observed.private.contains(key.kid());
                match key.state(now) {
                    State::Active => key.extend(activate_at),
                    State::Retiring if at_hand => key.extend(activate_at),
                    _ => {}
                }
            }
        }
        let generation = keys
            .iter()
            .filter(|key| key.alg() == *alg)
            .map(|key| key.generation)
            .max()
            .unwrap_or(0)
            + 1;
        keys.push(Key {
            jwk: jwk.clone(),
            generation,
            published_at: now,
            longest_lifetime: *lifetime,
            schedule: Schedule::Open { activate_at },
            first_activate_at: None,
        });
    }
    for key in &mut keys {
        // A longer life counts from the moment it is in force until the key stops signing.
        if let (State::Active | State::Next, Some(lifetime)) =
            (key.state(now), policy.algs.get(&key.alg()))
        {
            key.longest_lifetime = key.longest_lifetime.max(*lifetime);
        }
    }

    // Sidecars that have not heard yet go on signing with an algorithm that is no longer wanted for as long as news
    // takes to arrive. A key that is still brought stays: it could not come back when it is wanted again.
    let is_brought = |key: &Key| {
        let given = observed.fresh.get(&key.alg());
        policy.brings && given.is_some_and(|jwk| jwk.kid == *key.kid())
    };
    let mut keys: Vec<Key> = keys
        .into_iter()
        .map(|key| {
            if policy.algs.contains_key(&key.alg()) || is_brought(&key) {
                key
            } else {
                key.close(now + policy.propagation_delay)
            }
        })
        .collect();
    // Last, by what the keys are from now on: else the same step would go further the second time.
    if let Some(heard) = observed.heard {
        wait_for_the_slow(now, &mut keys, policy, heard);
    }
    Step {
        keys,
        wanted,
        complaints,
    }
}

/// How long before a key is to sign it is looked whether all have heard of it.
fn notice(policy: &Policy) -> Seconds {
    policy.propagation_delay / 4
}

/// Puts off keys that are about to sign and that somebody has not heard of.
fn wait_for_the_slow(now: UnixTime, keys: &mut [Key], policy: &Policy, heard: UnixTime) {
    for index in 0..keys.len() {
        let Some((look, later, goes_on)) = put_off(keys, index, policy, heard) else {
            continue;
        };
        if look <= now && keys[index].state(now) == State::Next {
            keys[goes_on].extend(later);
            keys[index].put_off(later);
        }
    }
}

/// From which moment on a key is put off that somebody has not heard of, until when, and which key goes on meanwhile: only
/// one whose tokens live long enough that everybody hears of this before they think that the last one has ended.
fn put_off(
    keys: &[Key],
    index: usize,
    policy: &Policy,
    heard: UnixTime,
) -> Option<(UnixTime, UnixTime, usize)> {
    let (key, delay) = (&keys[index], policy.propagation_delay);
    let Schedule::Open { activate_at } = key.schedule else {
        return None;
    };
    let look = (activate_at - notice(policy)).max(key.published_at + 1);
    let later = (activate_at + notice(policy)).min(key.published_at + 2 * delay);
    if heard >= key.published_at || later <= activate_at || activate_at <= look {
        return None;
    }
    let goes_on = keys.iter().position(|other| {
        let signs_until_then = matches!(other.schedule, Schedule::Closed { activate_at: from, sign_until }
            if from <= look && sign_until == activate_at);
        other.alg() == key.alg()
            && signs_until_then
            && delay <= other.longest_lifetime
    })?;
    Some((look, later, goes_on))
}

impl Observed<'_> {
    /// Whether a key that is not in the ring cannot come into it.
    fn is_spent(&self, kid: &Kid) -> bool {
        self.brought_before.contains(kid) || self.revoke.contains(kid)
    }
}

/// When the next step may change something: the keyring is to be looked at again then.
pub fn next_due(
    now: UnixTime,
    keys: &[Key],
    policy: &Policy,
    heard: Option<UnixTime>,
) -> Option<UnixTime> {
    let changes = keys
        .iter()
        .filter_map(|key| key.schedule.next_change(now, key.longest_lifetime));
    let replacements = keys
        .iter()
        .filter(|key| matches!(key.schedule, Schedule::Open { .. }))
        .map(|key| replacement_due(key, policy))
        .filter(|due| *due > now);
    let looks = heard.into_iter().flat_map(|heard| {
        let all = 0..keys.len();
        all.filter_map(move |index| put_off(keys, index, policy, heard))
    });
    let looks = looks.map(|(look, ..)| look).filter(|look| *look > now);
    changes.chain(replacements).chain(looks).min()
}

/// When the successor of an open key must be published: the propagation delay before the key's term ends. Up to a
/// tenth of the term is taken off, by the key's name, so that the keys of many namespaces do not all turn at once.
/// Where an admin brings the keys: when its term has ended.
fn replacement_due(key: &Key, policy: &Policy) -> UnixTime {
    let from = key.schedule.activate_at().unwrap_or(key.published_at);
    if policy.brings {
        return from + policy.rotation_period;
    }
    let spread = key.kid().as_str().bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let early = policy.rotation_period / 10 * Seconds::from(spread % 1000) / 1000;
    from + (policy.rotation_period - early - policy.propagation_delay).max(1)
}
