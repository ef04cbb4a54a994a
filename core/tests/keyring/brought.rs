//! Keys that an admin brings.

use std::collections::BTreeMap;

use mintage_core::Alg;
use mintage_core::keyring::{Complaint, State};

use crate::ring::{DELAY, LIFETIME, PERIOD, Ring, START, closed, open, schedules};

fn says(ring: &Ring, at: i64, complaint: Complaint) {
    let expected = BTreeMap::from([(Alg::EdDSA, complaint)]);
    assert_eq!(ring.complaints(at), expected);
}

fn is_content(ring: &Ring, at: i64) {
    assert_eq!(ring.complaints(at), BTreeMap::new());
}

#[test]
fn the_first_key_signs_at_once_and_none_is_made() {
    let mut ring = Ring::new();
    ring.policy.brings = true;
    ring.turn(0);
    assert_eq!((ring.keys(), ring.made), (&[][..], 0));
    says(&ring, 0, Complaint::Missing);
    let jwk = ring.bring(Alg::EdDSA);
    ring.turn(10);
    assert_eq!(schedules(&ring), [open(10)]);
    assert_eq!(ring.newest().jwk, jwk);
    is_content(&ring, 10);
}

#[test]
fn another_key_follows_with_the_notice_of_any_rotation() {
    let mut ring = Ring::brought();
    let second = ring.bring(Alg::EdDSA);
    ring.turn(1000);
    assert_eq!(
        schedules(&ring),
        [closed(0, 1000 + DELAY), open(1000 + DELAY)]
    );
    assert_eq!((&ring.newest().jwk, ring.newest().generation), (&second, 2));
    is_content(&ring, 1000);
}

#[test]
fn the_same_key_stays_past_its_period() {
    let mut ring = Ring::brought();
    assert_eq!(ring.due(0), Some(PERIOD));
    is_content(&ring, PERIOD - 1);
    ring.run(0, PERIOD);
    says(&ring, PERIOD, Complaint::Old);
    ring.run(PERIOD, 10 * PERIOD);
    assert_eq!(schedules(&ring), [open(0)]);
    assert_eq!(ring.made, 1);
    assert_eq!(ring.due(10 * PERIOD), None);
    ring.bring(Alg::EdDSA);
    ring.turn(10 * PERIOD);
    is_content(&ring, 10 * PERIOD);
}

#[test]
fn a_rotation_that_is_asked_for_waits_for_another_key() {
    let mut ring = Ring::brought();
    ring.rotate_before = Some(START + 50);
    ring.turn(50);
    assert_eq!(schedules(&ring), [open(0)]);
    says(&ring, 50, Complaint::Waited);
    ring.bring(Alg::EdDSA);
    ring.turn(60);
    is_content(&ring, 60);
    assert_eq!(schedules(&ring), [closed(0, 60 + DELAY), open(60 + DELAY)]);
}

#[test]
fn without_a_key_those_that_are_there_go_on() {
    let mut ring = Ring::brought();
    ring.brought.clear();
    ring.turn(50);
    assert_eq!(schedules(&ring), [open(0)]);
    says(&ring, 50, Complaint::Missing);
    // Even if its private part is lost: nobody makes one.
    ring.lose_newest();
    ring.turn(60);
    assert_eq!((schedules(&ring), ring.made), (vec![open(0)], 1));
}

#[test]
fn a_key_that_was_replaced_never_comes_back() {
    let mut ring = Ring::brought();
    let first = ring.keys()[0].jwk.clone();
    ring.bring(Alg::EdDSA);
    ring.turn(100);
    let gone = 100 + DELAY + LIFETIME + 1000;
    // Still Active, Retiring, Removed.
    for at in [110, 100 + DELAY, gone] {
        ring.brought.insert(Alg::EdDSA, first.clone());
        ring.run(100, at);
        says(&ring, at, Complaint::Spent);
        assert_eq!(ring.newest().schedule, open(100 + DELAY));
    }
    assert_eq!(ring.keys().len(), 1, "the first one is forgotten by now");
    // Another one mends it.
    ring.bring(Alg::EdDSA);
    ring.turn(gone);
    is_content(&ring, gone);
    assert_eq!(ring.keys().len(), 2);
}

#[test]
fn a_revoked_key_never_comes_back() {
    let mut ring = Ring::brought();
    ring.revoke(0);
    ring.turn(100);
    assert_eq!(ring.states(100), [State::Revoked]);
    says(&ring, 100, Complaint::Spent);
    // The revocation need not be remembered any more, and nobody says it again.
    let gone = 100 + LIFETIME + 1000;
    ring.run(100, gone);
    assert_eq!(ring.keys(), []);
    ring.revoke.clear();
    ring.turn(gone);
    assert_eq!(ring.keys(), []);
    says(&ring, gone, Complaint::Spent);
    let jwk = ring.bring(Alg::EdDSA);
    ring.turn(gone);
    assert_eq!(ring.newest().jwk, jwk);
}

#[test]
fn a_key_that_was_revoked_before_it_was_used_is_not_used() {
    let mut ring = Ring::brought();
    let bad = ring.bring(Alg::EdDSA);
    ring.revoke.insert(bad.kid);
    ring.turn(100);
    assert_eq!(schedules(&ring), [open(0)]);
    says(&ring, 100, Complaint::Spent);
    ring.revoke.clear();
    ring.turn(110);
    assert_eq!(schedules(&ring), [open(0)]);
    says(&ring, 110, Complaint::Spent);
}

#[test]
fn from_made_keys_to_brought_ones_and_back() {
    let mut ring = Ring::started();
    ring.policy.brings = true;
    ring.turn(10);
    assert_eq!(schedules(&ring), [open(0)], "it goes on until one is there");
    says(&ring, 10, Complaint::Missing);
    let brought = ring.bring(Alg::EdDSA);
    ring.turn(20);
    assert_eq!(schedules(&ring), [closed(0, 20 + DELAY), open(20 + DELAY)]);
    assert_eq!(ring.newest().jwk, brought);

    ring.policy.brings = false;
    ring.turn(1000);
    assert_eq!(
        schedules(&ring)[1..],
        [closed(20 + DELAY, 1000 + DELAY), open(1000 + DELAY)]
    );
    assert_ne!(ring.newest().jwk, brought);
    ring.policy.brings = true;
    ring.turn(2000);
    says(&ring, 2000, Complaint::Spent);
    assert_eq!(ring.newest().schedule, open(1000 + DELAY));
}

#[test]
fn a_made_key_that_is_brought_goes_on_as_a_brought_one() {
    let mut ring = Ring::started();
    let made = ring.keys()[0].jwk.clone();
    ring.policy.brings = true;
    ring.brought.insert(Alg::EdDSA, made);
    ring.run(0, 2 * PERIOD);
    assert_eq!(schedules(&ring), [open(0)]);
    ring.policy.brings = false;
    ring.turn(2 * PERIOD);
    assert_eq!(ring.keys().len(), 2);
}

#[test]
fn one_key_for_two_algorithms_is_the_key_of_one() {
    let mut ring = Ring::new();
    ring.policy.brings = true;
    ring.policy.algs.insert(Alg::RS256, LIFETIME);
    ring.policy.algs.insert(Alg::PS256, LIFETIME);
    for alg in [Alg::PS256, Alg::RS256] {
        ring.brought.insert(alg, crate::ring::jwk(alg, 99));
    }
    ring.bring(Alg::EdDSA);
    ring.turn(0);
    assert_eq!(ring.keys().len(), 2);
    let [(alg, complaint)] = ring.complaints(0).into_iter().collect::<Vec<_>>()[..] else {
        panic!("{:?}", ring.complaints(0))
    };
    assert_eq!(complaint, Complaint::Shared);
    assert_ne!(ring.keys()[0].alg(), alg);
}

#[test]
fn an_algorithm_that_is_not_wanted_for_a_while_keeps_its_key() {
    let mut ring = Ring::brought();
    ring.policy.algs.clear();
    ring.run(0, 1000);
    assert_eq!(schedules(&ring), [open(0)]);
    is_content(&ring, 1000);
    ring.policy.algs.insert(Alg::EdDSA, 2 * LIFETIME);
    ring.turn(2000);
    assert_eq!(schedules(&ring), [open(0)]);
    assert_eq!(ring.newest().longest_lifetime, 2 * LIFETIME);
    // Once it is neither wanted nor brought it ends.
    ring.policy.algs.clear();
    ring.brought.clear();
    ring.turn(3000);
    assert_eq!(schedules(&ring), [closed(0, 3000 + DELAY)]);
}
