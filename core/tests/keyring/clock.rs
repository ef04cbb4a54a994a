//! Clocks that jump, and rotations that must not come all at once.

use mintage_core::keyring::{Policy, State, next_due};
use mintage_core::{Alg, LEEWAY, Seconds};

use crate::ring::{DELAY, LIFETIME, PERIOD, Ring, START, jwk};

const DAY: Seconds = 86_400;

#[test]
fn a_clock_set_back_by_a_day_makes_no_keys_and_revives_none() {
    let mut ring = Ring::rotated(2 * DAY);
    let removed = ring.keys()[0].kid().clone();
    let later = 2 * DAY + DELAY + LIFETIME + LEEWAY + 1;
    ring.run(2 * DAY, later);
    ring.revoke(0);
    ring.turn(later + 10);
    let (made, keys) = (ring.made, ring.keyring.keys.clone());
    for at in (later - DAY..later).step_by(600) {
        ring.turn(at);
        assert_eq!(ring.made, made, "a new key at {at}");
        assert_eq!(ring.keys(), keys, "at {at}");
        assert!(ring.states(at).contains(&State::Revoked));
        assert!(ring.keys().iter().all(|key| *key.kid() != removed));
    }
}

#[test]
fn keys_lost_while_the_clock_is_back_are_replaced_once() {
    let mut ring = Ring::rotated(2 * DAY);
    ring.lose_newest();
    // The plan holds back a request that is still to come.
    ring.rotate_before = None;
    for at in (DAY..2 * DAY).step_by(600) {
        ring.turn(at);
    }
    assert_eq!(ring.made, 3);
}

#[test]
fn a_clock_a_day_ahead_costs_one_key_and_no_signature() {
    let mut ring = Ring::started();
    let due = ring.due(0).unwrap();
    ring.turn(due - DAY / 2 + DAY);
    assert_eq!(ring.made, 2);
    for at in (due - DAY / 2..due + 2 * DAY).step_by(600) {
        ring.turn(at);
        assert!(ring.keyring.active(Alg::EdDSA, START + at).is_some());
    }
    assert_eq!(ring.made, 2);
}

#[test]
fn many_keyrings_turn_at_many_moments() {
    let policy = Policy {
        algs: [(Alg::EdDSA, LIFETIME)].into(),
        propagation_delay: DELAY,
        rotation_period: PERIOD,
        brings: false,
    };
    let due = |number| {
        let mut key = Ring::started().newest().clone();
        key.jwk = jwk(Alg::EdDSA, number);
        next_due(START, &[key], &policy, None).unwrap() - START
    };
    let (first, last) = (PERIOD * 9 / 10 - DELAY, PERIOD - DELAY);
    let mut tenths = [0; 10];
    for due in (0..1000).map(due) {
        assert!((first..=last).contains(&due), "{due}");
        let tenth = (due - first) * 10 / (last - first + 1);
        tenths[usize::try_from(tenth).unwrap()] += 1;
    }
    // Even would be 100 each.
    assert!(
        tenths.iter().all(|count| (50..=150).contains(count)),
        "{tenths:?}"
    );
}

#[test]
fn a_period_shorter_than_the_delay_still_converges() {
    let mut ring = Ring::started();
    ring.policy.rotation_period = DELAY / 2;
    ring.run(0, 20 * DELAY);
    // A key is published at most once a delay.
    assert!((10..=22).contains(&ring.made), "{}", ring.made);
}
