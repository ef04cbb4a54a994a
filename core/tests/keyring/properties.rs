//! What holds in every course of things.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::jose::Jwk;
use mintage_core::keyring::{Key, Schedule, State};
use mintage_core::{Alg, Kid, LEEWAY, Seconds, UnixTime};
use proptest::prelude::*;

use crate::ring::{Ring, START};

/// Something that happens to a keyring.
#[derive(Clone, Debug)]
enum Event {
    /// Another key is brought, or with a number one that was there before.
    Bring(Alg, Option<usize>),
    Brings(bool),
    Delay(Seconds),
    /// Somebody has heard of nothing for so long, or nobody says.
    Heard(Option<Seconds>),
    Lifetime(Alg, Seconds),
    LosePrivate(usize),
    Period(Seconds),
    Revoke(usize),
    Rotate,
    TakeOut(Alg),
    Unwant(Alg),
}

fn alg() -> impl Strategy<Value = Alg> {
    prop_oneof![Just(Alg::EdDSA), Just(Alg::ES256)]
}

fn event() -> impl Strategy<Value = Event> {
    let lifetime = || prop_oneof![60..200_i64, 60..5000_i64];
    prop_oneof![
        (0..400_i64).prop_map(Event::Delay),
        proptest::option::weighted(0.8, 0..400_i64).prop_map(Event::Heard),
        (alg(), lifetime()).prop_map(|(alg, lifetime)| Event::Lifetime(alg, lifetime)),
        (0..4_usize).prop_map(Event::LosePrivate),
        (1..20_000_i64).prop_map(Event::Period),
        (0..4_usize).prop_map(Event::Revoke),
        Just(Event::Rotate),
        (alg(), proptest::option::weighted(0.3, 0..4_usize))
            .prop_map(|(alg, before)| Event::Bring(alg, before)),
        any::<bool>().prop_map(Event::Brings),
        alg().prop_map(Event::TakeOut),
        alg().prop_map(Event::Unwant),
    ]
}

/// Events, each some seconds after the one before.
fn courses() -> impl Strategy<Value = Vec<(Seconds, Event)>> {
    let pause = prop_oneof![0..3_i64, 0..400_i64, 0..9000_i64];
    prop::collection::vec((pause, event()), 1..14)
}

fn happen(ring: &mut Ring, at: Seconds, event: &Event) {
    let kid = |index: usize| ring.keys().get(index).map(|key| key.kid().clone());
    match event {
        Event::Bring(alg, None) => drop(ring.bring(*alg)),
        Event::Bring(alg, Some(index)) => {
            // A made key that is gone is not known when it is brought; one that is there is.
            let made = ring.keys().iter().map(|key| &key.jwk);
            let made = made.filter(|_| ring.policy.brings);
            let known = ring.offered.iter().rev().chain(made).nth(*index).cloned();
            // Under another algorithm it is another key by the same name.
            ring.brought
                .extend(known.map(|jwk| (*alg, Jwk { alg: *alg, ..jwk })));
        }
        Event::Brings(brings) => ring.policy.brings = *brings,
        Event::TakeOut(alg) => drop(ring.brought.remove(alg)),
        Event::Delay(delay) => ring.policy.propagation_delay = *delay,
        Event::Heard(ago) => ring.heard = ago.map(|ago| START + at - ago),
        Event::Lifetime(alg, lifetime) => {
            ring.policy.algs.insert(*alg, *lifetime);
        }
        Event::LosePrivate(index) => {
            let kid = kid(*index);
            ring.private.retain(|known| Some(known) != kid.as_ref());
        }
        Event::Period(period) => ring.policy.rotation_period = *period,
        Event::Revoke(index) => ring.revoke.extend(kid(*index)),
        Event::Rotate => ring.rotate_before = Some(START + at),
        Event::Unwant(alg) => {
            ring.policy.algs.remove(alg);
        }
    }
}

/// What is known of the keys that were ever there.
#[derive(Default)]
struct Past {
    kids: BTreeSet<Kid>,
    refused: BTreeSet<Kid>,
    keys: BTreeMap<Kid, Key>,
}

impl Past {
    /// Checks a keyring after a turn against all that was before.
    fn check(&mut self, ring: &Ring, before: &Ring, at: Seconds) {
        let now = START + at;
        let keys = ring.keys();
        for alg in Alg::ALL {
            let of_alg = || keys.iter().filter(move |key| key.alg() == alg);
            let open = |key: &&Key| matches!(key.schedule, Schedule::Open { .. });
            let wanted = usize::from(ring.policy.algs.contains_key(&alg));
            let count = of_alg().filter(open).count();
            // Who brings keys may bring none, or one that is not wanted now.
            assert!(
                count == wanted || (ring.policy.brings && count < 2),
                "{count} open keys of {alg}"
            );
            let generations: Vec<u32> = of_alg().map(|key| key.generation).collect();
            assert!(generations.is_sorted_by(|a, b| a < b), "{generations:?}");
        }
        let kids: BTreeSet<&Kid> = keys.iter().map(Key::kid).collect();
        assert_eq!(kids.len(), keys.len(), "a kid twice");
        for key in keys {
            if self.kids.insert(key.kid().clone()) {
                check_new(key, before, now);
            }
            if let Some(known) = self.keys.get(key.kid()) {
                check_known(known, key, now, ring.policy.propagation_delay);
            }
            let refused = matches!(key.state(now), State::Removed | State::Revoked);
            assert!(
                refused || !self.refused.contains(key.kid()),
                "{key:?} is back"
            );
            assert!(
                key.state(now) != State::Active
                    || ring
                        .policy
                        .algs
                        .get(&key.alg())
                        .is_none_or(|life| *life <= key.longest_lifetime)
            );
        }
        for key in before.keys().iter().filter(|key| !kids.contains(key.kid())) {
            assert_eq!(key.state(now), State::Removed, "{key:?} is gone early");
            self.refused.insert(key.kid().clone());
        }
        let revoked = keys.iter().filter(|key| key.state(now) == State::Revoked);
        self.refused.extend(revoked.map(|key| key.kid().clone()));
        self.keys = keys
            .iter()
            .map(|key| (key.kid().clone(), key.clone()))
            .collect();
    }
}

fn check_new(key: &Key, before: &Ring, now: UnixTime) {
    assert_eq!(key.published_at, now);
    if let Schedule::Open { activate_at } = key.schedule {
        let alive = |known: &&Key| known.alg() == key.alg() && known.state(now) != State::Removed;
        let first =
            before.brought_before.is_empty() && !before.keys().iter().any(|known| alive(&known));
        let delay = before.policy.propagation_delay;
        let expected = if first { now } else { now + delay };
        assert_eq!(activate_at, expected, "{key:?}");
    }
}

fn check_known(before: &Key, after: &Key, now: UnixTime, delay: Seconds) {
    assert!(before.longest_lifetime <= after.longest_lifetime);
    assert_eq!(
        (before.published_at, before.generation),
        (after.published_at, after.generation)
    );
    match (before.schedule, after.schedule) {
        (Schedule::Revoked { .. }, after) => assert_eq!(before.schedule, after),
        (
            _,
            Schedule::Revoked {
                revoked_at,
                remember_until,
            },
        ) => {
            assert_eq!(revoked_at, now);
            assert!(remember_until <= now + after.longest_lifetime + LEEWAY);
        }
        (Schedule::Open { activate_at: was }, Schedule::Open { activate_at: is }) if was < is => {
            // Put off, while it does not sign; it is believed as before.
            assert!(now < was && is <= after.published_at + 2 * delay);
        }
        (before, after) => assert_eq!(before.activate_at(), after.activate_at()),
    }
    if !matches!(after.schedule, Schedule::Revoked { .. }) {
        assert_eq!(before.believed_from(), after.believed_from());
    }
    let is_open = |key: &Key| matches!(key.schedule, Schedule::Open { .. });
    assert!(is_open(before) || !is_open(after), "{after:?} came back");
    // An end is put off only as long as everybody believes the key anyway.
    if let (
        Schedule::Closed {
            sign_until: was, ..
        },
        Schedule::Closed { sign_until: is, .. },
    ) = (before.schedule, after.schedule)
    {
        assert!(
            was <= is && is <= was + after.longest_lifetime,
            "{before:?} {after:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn keys_live_by_the_rules(course in courses()) {
        let mut ring = Ring::started();
        let mut past = Past::default();
        past.check(&ring, &Ring::new(), 0);
        let mut at = 0;
        let mut turn = |ring: &mut Ring, at| {
            let before = ring.clone();
            ring.turn(at);
            past.check(ring, &before, at);
        };
        for (pause, event) in course {
            let until = at + pause;
            // Bounded, because a period may be shorter than the delay.
            for _ in 0..50 {
                let Some(due) = ring.due(at).filter(|due| *due < until) else { break };
                at = due;
                turn(&mut ring, at);
            }
            at = until.max(at);
            happen(&mut ring, at, &event);
            turn(&mut ring, at);
        }
    }

    /// Nothing changes before the moment that is said to be next, and taking the turn then leaves a later one.
    #[test]
    fn the_next_moment_is_exact(course in courses(), fraction in 0.0..1.0_f64) {
        let mut ring = Ring::started();
        let mut at = 0;
        for (pause, event) in course {
            at += pause;
            happen(&mut ring, at, &event);
            ring.turn(at);
            let Some(due) = ring.due(at) else {
                prop_assert!(ring.keys().is_empty() || ring.policy.brings);
                continue;
            };
            prop_assert!(due > at);
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any moment between will do")]
            let between = at + ((due - at) as f64 * fraction) as Seconds;
            let states = ring.states(at);
            for quiet in [between.min(due - 1), due - 1] {
                let step = ring.step(quiet, &BTreeMap::new());
                prop_assert_eq!(&step.keys, &ring.keyring.keys);
                prop_assert!(step.wanted.is_empty());
                prop_assert_eq!(&step.complaints, &ring.complaints(at));
                prop_assert_eq!(&ring.states(quiet), &states);
            }
            // Something is different then.
            let step = ring.step(due, &BTreeMap::new());
            let same = step.keys == ring.keyring.keys
                && step.wanted.is_empty()
                && step.complaints == ring.complaints(due - 1)
                && ring.states(due) == states;
            // That a brought key is old by then may not be the worst to say of it.
            prop_assert!(!same || ring.policy.brings, "nothing happens at {}", due);
            let mut then = ring.clone();
            then.turn(due);
            prop_assert!(then.due(due).is_none_or(|next| next > due));
        }
    }
}
