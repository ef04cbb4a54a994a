//! Somebody who is to believe a key has not heard of it.

use mintage_core::keyring::State;
use mintage_core::{Alg, Seconds};

use crate::ring::{DELAY, LIFETIME, Ring, START, closed, open, schedules};

/// With a rotation at 1000 of which somebody has not heard.
fn unheard() -> Ring {
    unheard_with(LIFETIME)
}

/// The same, whose tokens live for so long.
fn unheard_with(lifetime: Seconds) -> Ring {
    let mut ring = Ring::new();
    ring.policy.algs.insert(Alg::EdDSA, lifetime);
    ring.turn(0);
    ring.heard = Some(START + 999);
    ring.rotate_before = Some(START + 1000);
    ring.turn(1000);
    ring
}

#[test]
fn a_key_is_put_off_shortly_before_it_would_sign() {
    let mut ring = unheard();
    let plain = [closed(0, 1000 + DELAY), open(1000 + DELAY)];
    assert_eq!(schedules(&ring), plain);
    let look = 1000 + DELAY - DELAY / 4;
    assert_eq!(ring.due(1000), Some(look));
    ring.turn(look - 1);
    assert_eq!(schedules(&ring), plain, "there is time to hear of it");
    ring.turn(look);
    let later = 1000 + DELAY + DELAY / 4;
    assert_eq!(schedules(&ring), [closed(0, later), open(later)]);
    assert_eq!(ring.states(later - 1), [State::Active, State::Next]);
    // Who has not heard of that signs with it from the first moment on, and is believed.
    assert_eq!(ring.newest().believed_from(), Some(START + 1000 + DELAY));
}

#[test]
fn it_is_put_off_to_twice_the_delay_at_most() {
    let mut ring = unheard();
    ring.run(1000, 1000 + 3 * DELAY);
    let end = 1000 + 2 * DELAY;
    assert_eq!(schedules(&ring), [closed(0, end), open(end)]);
    assert_eq!(ring.newest().believed_from(), Some(START + 1000 + DELAY));
}

#[test]
fn it_signs_in_time_when_all_have_heard_of_it() {
    let mut ring = unheard();
    ring.heard = Some(START + 1000);
    ring.run(1000, 1000 + 3 * DELAY);
    let end = 1000 + DELAY;
    assert_eq!(schedules(&ring), [closed(0, end), open(end)]);
    assert_eq!(ring.newest().first_activate_at, None);
}

#[test]
fn it_is_put_off_no_further_once_all_have_heard_of_it() {
    let mut ring = unheard();
    let look = 1000 + DELAY - DELAY / 4;
    ring.turn(look);
    ring.heard = Some(START + 1000);
    ring.run(look, 1000 + 3 * DELAY);
    let end = 1000 + DELAY + DELAY / 4;
    assert_eq!(schedules(&ring), [closed(0, end), open(end)]);
}

#[test]
fn nothing_waits_where_nobody_signs_until_then() {
    let mut ring = unheard();
    ring.revoke(0);
    ring.run(1000, 1000 + 3 * DELAY);
    assert_eq!(schedules(&ring)[1], open(1000 + DELAY));
}

#[test]
fn nothing_waits_where_tokens_end_before_everybody_has_heard_that_their_key_goes_on() {
    let mut ring = unheard_with(DELAY / 4);
    ring.run(1000, 1000 + DELAY + 1);
    assert_eq!(schedules(&ring)[1], open(1000 + DELAY));
}

#[test]
fn a_longer_life_of_tokens_counts_in_the_step_that_brings_it() {
    let mut ring = unheard_with(DELAY / 4);
    let look = 1000 + DELAY - DELAY / 4;
    ring.run(1000, look - 1);
    ring.policy.algs.insert(Alg::EdDSA, DELAY);
    // The ring takes the step again, which must change nothing.
    ring.turn(look);
    let later = 1000 + DELAY + DELAY / 4;
    assert_eq!(schedules(&ring), [closed(0, later), open(later)]);
}

#[test]
fn a_key_that_is_not_wanted_any_more_is_not_put_off() {
    for unwanted in [1001, 1000 + DELAY - DELAY / 4] {
        let mut ring = unheard();
        ring.run(1000, unwanted - 1);
        ring.policy.algs.clear();
        ring.turn(unwanted);
        let (begin, end) = (1000 + DELAY, unwanted + DELAY);
        assert_eq!(schedules(&ring), [closed(0, begin), closed(begin, end)]);
    }
}

#[test]
fn what_is_heard_never_makes_a_key_sign_sooner() {
    let mut ring = Ring::rotated(1000);
    let before = schedules(&ring);
    ring.heard = Some(START + 9000);
    ring.turn(1001);
    assert_eq!(schedules(&ring), before);
}
