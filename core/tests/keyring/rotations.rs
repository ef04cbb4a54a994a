//! How one key follows another.

use std::collections::BTreeMap;

use mintage_core::keyring::{Schedule, State};
use mintage_core::{Alg, LEEWAY};

use crate::ring::{DELAY, LIFETIME, PERIOD, Ring, START, closed, jwk, open, schedules};

#[test]
fn the_first_key_signs_at_once() {
    let ring = Ring::started();
    assert_eq!(schedules(&ring), [open(0)]);
    assert_eq!(ring.states(0), [State::Active]);
    assert_eq!(ring.newest().generation, 1);
    assert_eq!(ring.keyring.active(Alg::EdDSA, START), Some(ring.newest()));
    assert_eq!(ring.keyring.active(Alg::ES256, START), None);
}

#[test]
fn a_later_key_is_published_the_delay_before_it_signs() {
    let mut ring = Ring::started();
    let due = ring.due(0).unwrap();
    assert!(
        (PERIOD * 9 / 10 - DELAY..=PERIOD - DELAY).contains(&due),
        "{due}"
    );
    ring.turn(due - 1);
    assert_eq!(ring.keys().len(), 1, "not a second early");
    ring.turn(due);
    assert_eq!(
        schedules(&ring),
        [closed(0, due + DELAY), open(due + DELAY)]
    );
    assert_eq!(ring.newest().published_at, START + due);
    assert_eq!(ring.newest().generation, 2);
    assert_eq!(ring.states(due + DELAY - 1), [State::Active, State::Next]);
    assert_eq!(ring.states(due + DELAY), [State::Retiring, State::Active]);
}

#[test]
fn an_old_key_verifies_until_its_last_token_has_ended() {
    let mut ring = Ring::rotated(1000);
    let last = 1000 + DELAY + LIFETIME + LEEWAY;
    assert_eq!(ring.states(last)[0], State::Retiring);
    assert_eq!(ring.states(last + 1)[0], State::Removed);
    ring.turn(last);
    assert_eq!(ring.keys().len(), 2);
    assert_eq!(ring.due(last), Some(last + 1));
    ring.turn(last + 1);
    assert_eq!(ring.keys().len(), 1);
    assert_eq!(ring.newest().generation, 2);
}

#[test]
fn the_private_part_is_kept_for_slow_clocks_only() {
    let ring = Ring::rotated(1000);
    let [old, new] = ring.keys() else {
        panic!("two keys")
    };
    let end = START + 1000 + DELAY;
    assert!(old.needs_private(end + LEEWAY - 1) && !old.needs_private(end + LEEWAY));
    assert!(new.needs_private(START + 1000));
    assert!(!new.clone().revoke(START + 1000).needs_private(START + 1000));
}

#[test]
fn the_longest_life_grows_and_never_shrinks() {
    let mut ring = Ring::started();
    let longest = |ring: &Ring| ring.newest().longest_lifetime;
    ring.policy.algs.insert(Alg::EdDSA, 2 * LIFETIME);
    ring.turn(10);
    assert_eq!(longest(&ring), 2 * LIFETIME);
    ring.policy.algs.insert(Alg::EdDSA, 60);
    ring.turn(20);
    assert_eq!(longest(&ring), 2 * LIFETIME);
    ring.rotate_before = Some(START + 30);
    ring.turn(30);
    assert_eq!(longest(&ring), 60, "the next key never signed for longer");
    assert_eq!(ring.keys()[0].longest_lifetime, 2 * LIFETIME);
    // While both may sign, both learn of a longer life; once the old one has signed last, only the new one.
    ring.policy.algs.insert(Alg::EdDSA, 3 * LIFETIME);
    ring.turn(40);
    assert_eq!(ring.keys()[0].longest_lifetime, 3 * LIFETIME);
    ring.policy.algs.insert(Alg::EdDSA, 4 * LIFETIME);
    ring.turn(30 + DELAY);
    assert_eq!(ring.keys()[0].longest_lifetime, 3 * LIFETIME);
    assert_eq!(longest(&ring), 4 * LIFETIME);
}

#[test]
fn a_lost_private_key_is_rotated_and_not_swapped() {
    let mut ring = Ring::started();
    ring.lose_newest();
    ring.turn(50);
    assert_eq!(schedules(&ring), [closed(0, 50 + DELAY), open(50 + DELAY)]);
    assert_eq!(
        ring.states(50 + DELAY + 1),
        [State::Retiring, State::Active]
    );
}

#[test]
fn a_key_lost_before_it_signs_leaves_no_gap() {
    let mut ring = Ring::rotated(1000);
    ring.lose_newest();
    ring.turn(1200);
    // The lost one may be in some memory, and is known everywhere; the others go on with the first.
    let (was, is) = (1000 + DELAY, 1200 + DELAY);
    assert_eq!(schedules(&ring), [closed(0, is), closed(was, is), open(is)]);
    assert_eq!(
        ring.states(was),
        [State::Active, State::Active, State::Next]
    );
    let signs = ring.keyring.active(Alg::EdDSA, START + was);
    assert_eq!(signs.unwrap().generation, 2, "the newer of two");
}

#[test]
fn a_key_that_stale_validators_would_have_removed_is_not_extended() {
    let mut ring = Ring::new();
    ring.policy.algs.insert(Alg::EdDSA, 60);
    ring.turn(0);
    ring.rotate_before = Some(START + 1000);
    ring.turn(1000);
    ring.lose_newest();
    ring.turn(1000 + 61);
    assert_eq!(schedules(&ring)[0], closed(0, 1000 + DELAY));
    // Up to its life it is.
    let mut ring = Ring {
        private: ring.private.clone(),
        ..Ring::rotated(1000)
    };
    ring.policy.algs.insert(Alg::EdDSA, 60);
    ring.private.clear();
    for key in &mut ring.keyring.keys {
        key.longest_lifetime = 60;
    }
    ring.turn(1060);
    assert_eq!(schedules(&ring)[0], closed(0, 1060 + DELAY));
}

#[test]
fn a_key_revoked_before_it_signs_leaves_no_gap() {
    let mut ring = Ring::rotated(1000);
    ring.revoke(1);
    ring.turn(1100);
    assert_eq!(schedules(&ring)[0], closed(0, 1100 + DELAY));
    assert_eq!(
        ring.states(1100),
        [State::Active, State::Revoked, State::Next]
    );
}

#[test]
fn an_old_key_at_hand_signs_again_when_the_new_one_is_revoked() {
    let mut ring = Ring::rotated(1000);
    let at = 1000 + DELAY + 10;
    assert_eq!(ring.states(at), [State::Retiring, State::Active]);
    let mut gone = ring.clone();
    ring.revoke(1);
    ring.turn(at);
    assert_eq!(
        ring.states(at),
        [State::Active, State::Revoked, State::Next]
    );
    gone.private.remove(&gone.keys()[0].kid().clone());
    gone.revoke(1);
    gone.turn(at);
    assert_eq!(
        gone.states(at),
        [State::Retiring, State::Revoked, State::Next]
    );
}

#[test]
fn an_old_key_that_signs_again_learns_of_a_longer_life() {
    let mut ring = Ring::rotated(1000);
    ring.revoke(1);
    ring.policy.algs.insert(Alg::EdDSA, 2 * LIFETIME);
    ring.turn(1000 + DELAY + 10);
    assert_eq!(ring.keys()[0].longest_lifetime, 2 * LIFETIME);
}

#[test]
fn a_rotation_asked_for_is_done_once() {
    let mut ring = Ring::rotated(1000);
    for at in [1000, 1001, 1000 + DELAY, 2000] {
        ring.turn(at);
        assert_eq!(ring.made, 2, "at {at}");
    }
    // Asked for again while the next one waits: that one signs until the third may.
    let mut ring = Ring::rotated(1000);
    ring.rotate_before = Some(START + 1100);
    ring.turn(1100);
    let (second, third) = (1000 + DELAY, 1100 + DELAY);
    let expected = [closed(0, second), closed(second, third), open(third)];
    assert_eq!(schedules(&ring), expected);
}

#[test]
fn without_a_fresh_key_nothing_changes() {
    let mut ring = Ring::started();
    let before = ring.keyring.keys.clone();
    ring.rotate_before = Some(START + 10);
    let step = ring.step(10, &BTreeMap::new());
    assert_eq!(step.keys, before);
    assert_eq!(step.wanted, [Alg::EdDSA].into());
    // A key of the ring is not fresh, and one that nobody asked for is not taken.
    let old = BTreeMap::from([(Alg::EdDSA, ring.newest().jwk.clone())]);
    assert_eq!(ring.step(10, &old).wanted, [Alg::EdDSA].into());
    ring.rotate_before = None;
    let unasked = BTreeMap::from([(Alg::EdDSA, jwk(Alg::EdDSA, 99))]);
    assert_eq!(ring.step(10, &unasked).keys, before);
}

#[test]
fn two_algorithms_live_side_by_side() {
    let mut ring = Ring::started();
    ring.policy.algs.insert(Alg::ES256, 60);
    ring.turn(10);
    assert_eq!(schedules(&ring), [open(0), open(10)], "each has its first");
    assert_eq!(ring.newest().generation, 1);
    assert_eq!(ring.newest().longest_lifetime, 60);
}

#[test]
fn without_a_delay_the_next_key_signs_at_once() {
    let mut ring = Ring::started();
    ring.policy.propagation_delay = 0;
    ring.rotate_before = Some(START + 10);
    ring.turn(10);
    assert_eq!(ring.states(10), [State::Retiring, State::Active]);
    assert!(matches!(ring.keys()[0].schedule, Schedule::Closed { .. }));
}
