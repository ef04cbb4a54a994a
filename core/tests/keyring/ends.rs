//! How keys end: states at their borders, revocation, algorithms that come and go.

use mintage_core::keyring::{Schedule, State};
use mintage_core::{Alg, LEEWAY, Seconds};

use crate::ring::{DELAY, LIFETIME, Ring, START, closed, open, schedules};

#[test]
fn states_change_at_their_seconds() {
    let at = |schedule: Schedule, at: Seconds| schedule.state(START + at, 60);
    assert_eq!(at(open(10), 9), State::Next);
    assert_eq!(at(open(10), 10), State::Active);
    assert_eq!(at(open(10), 1_000_000_000), State::Active);
    let key = closed(10, 20);
    assert_eq!(at(key, 9), State::Next);
    assert_eq!(at(key, 10), State::Active);
    assert_eq!(at(key, 19), State::Active);
    assert_eq!(at(key, 20), State::Retiring);
    assert_eq!(at(key, 20 + 60 + LEEWAY), State::Retiring);
    assert_eq!(at(key, 20 + 60 + LEEWAY + 1), State::Removed);
    let revoked = Schedule::Revoked {
        revoked_at: START + 10,
        remember_until: START + 30,
    };
    for moment in [-1_000_000, 9, 10, 30] {
        assert_eq!(at(revoked, moment), State::Revoked);
    }
    assert_eq!(at(revoked, 31), State::Removed);
    assert_eq!(revoked.activate_at(), None);
    assert_eq!(key.activate_at(), Some(START + 10));
}

#[test]
fn a_revocation_stays() {
    let mut ring = Ring::started();
    ring.revoke(0);
    ring.turn(100);
    let revoked = Schedule::Revoked {
        revoked_at: START + 100,
        remember_until: START + 100 + LIFETIME + LEEWAY,
    };
    // The fresh key must reach validators first, though nothing can be signed until then.
    assert_eq!(schedules(&ring), [revoked, open(100 + DELAY)]);
    // Neither a repeated wish nor a wish withdrawn nor a longer life changes anything.
    ring.turn(200);
    ring.revoke.clear();
    ring.policy.algs.insert(Alg::EdDSA, 9 * LIFETIME);
    ring.turn(300);
    assert_eq!(schedules(&ring)[0], revoked);
    let last = 100 + LIFETIME + LEEWAY;
    ring.turn(last);
    assert_eq!(ring.states(last)[0], State::Revoked);
    ring.turn(last + 1);
    assert_eq!(ring.keys().len(), 1, "its last token has ended");
}

#[test]
fn a_retiring_key_is_remembered_from_its_last_signature() {
    let mut ring = Ring::rotated(1000);
    let end = 1000 + DELAY;
    ring.revoke(0);
    ring.turn(end + 500);
    let Schedule::Revoked { remember_until, .. } = ring.keys()[0].schedule else {
        panic!("{:?}", ring.keys()[0])
    };
    assert_eq!(remember_until, START + end + LIFETIME + LEEWAY);
    assert_eq!(ring.made, 2, "the key that signs is another");
}

#[test]
fn a_kid_that_is_not_in_the_ring_revokes_nothing() {
    let mut ring = Ring::started();
    ring.revoke.insert("unknown".parse().unwrap());
    ring.turn(10);
    assert_eq!(schedules(&ring), [open(0)]);
}

#[test]
fn an_algorithm_that_is_not_wanted_signs_until_the_news_is_everywhere() {
    let mut ring = Ring::started();
    ring.policy.algs = [(Alg::ES256, LIFETIME)].into();
    ring.turn(100);
    assert_eq!(schedules(&ring), [closed(0, 100 + DELAY), open(100)]);
    ring.turn(200);
    assert_eq!(schedules(&ring)[0], closed(0, 100 + DELAY), "it ends once");
    ring.run(200, 100 + DELAY + LIFETIME + LEEWAY + 1);
    assert_eq!(schedules(&ring), [open(100)]);
}

#[test]
fn an_algorithm_that_comes_back_has_no_gap_while_its_key_signs() {
    let mut ring = Ring::started();
    ring.policy.algs.clear();
    ring.turn(100);
    ring.policy.algs.insert(Alg::EdDSA, LIFETIME);
    ring.turn(200);
    assert_eq!(
        schedules(&ring),
        [closed(0, 200 + DELAY), open(200 + DELAY)]
    );
    assert_eq!(ring.newest().generation, 2);
}

#[test]
fn an_algorithm_that_comes_back_later_begins_anew() {
    let mut ring = Ring::started();
    ring.policy.algs.clear();
    ring.turn(100);
    let gone = 100 + DELAY + LIFETIME + LEEWAY + 1;
    ring.turn(gone);
    assert_eq!(ring.keys(), []);
    assert_eq!(ring.due(gone), None);
    ring.policy.algs.insert(Alg::EdDSA, LIFETIME);
    ring.turn(gone + 1);
    assert_eq!(schedules(&ring), [open(gone + 1)]);
}
