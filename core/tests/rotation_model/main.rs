//! Rotation, explored exhaustively in a bounded model that calls the crate's own `plan`, `Mint` and `Verifier`.
//!
//! ```text
//!  scenario ─► plan (at events, and when due) ─┬─ bundles of `shop`, keyrings of `shop` ─► issuer:    Mint
//!                                              └─ bundles of `orders` ──────────────────► validator: Verifier::judge
//! ```
//!
//! Explored are all combinations of
//! - what happens: each single event, each ordered pair of events at each of several distances, triples of those events
//!   that concern keys, and each event at each tick around scheduled rotations (a tick is half the leeway);
//! - what has arrived: each message (bundle of the issuer, keyring of the issuer, bundle of the validator) at each tick
//!   of its own delay, in any order, or never when a newer one has;
//! - clocks: issuer and validator against the operator, each ahead or behind, any two of the three by at most the leeway;
//! - when a token is made (each tick) and shown to a validator (each tick from then until well past its end).
//!
//! The bound on delays is the one the design rests on: the delay of a message, plus the time by which the issuer's clock
//! is ahead, is at most the propagation delay. Receivers are independent of each other, so the states that an issuer and
//! a validator can be in together are all pairs of the states that each can be in; each pair is looked at.
//!
//! Taken for granted: a sidecar keeps private keys in memory that a later keyring file no longer has (a Secret edited by
//! hand), and for as long as its clock is behind at the very start, nothing is in force for it.

#![expect(
    clippy::unwrap_used,
    reason = "the model is test code, though no test functions themselves"
)]

mod brought;
mod crashes;
mod explore;
mod fixture;
mod mutants;
mod operator;
mod receiver;
mod run;
mod slow;

use explore::{Count, Fault, clocks, explore};
use fixture::{DELAY, TICK};
use mintage_core::{LEEWAY, Seconds};
use operator::{Event, Scenario, Signer};

/// A rotation period beyond every scenario.
const NEVER: Seconds = 1_000_000;

/// The first event: by then every receiver has its first bundle.
const FIRST: i64 = DELAY / TICK + 1;

/// Ticks explored after the last event: until the old key is gone and its last token has ended everywhere.
const AFTER: i64 = 17;

/// The corners of what clocks can be, and clocks that agree.
const CORNERS: [(Seconds, Seconds); 7] = [
    (0, 0),
    (0, LEEWAY),
    (0, -LEEWAY),
    (LEEWAY, 0),
    (-LEEWAY, 0),
    (LEEWAY / 2, -LEEWAY / 2),
    (-LEEWAY / 2, LEEWAY / 2),
];

impl Scenario {
    /// A scenario without scheduled rotations, granted from the start.
    fn of(events: &[(i64, Event)]) -> Self {
        Self {
            granted: true,
            signer: Signer::Namespace,
            rotation_period: NEVER,
            slow: false,
            events: events.to_vec(),
            ticks: events.last().map_or(0, |(tick, _)| *tick) + AFTER,
        }
    }
}

fn assert_holds(
    scenarios: impl IntoIterator<Item = Scenario>,
    clocks: &[(Seconds, Seconds)],
) -> Count {
    let mut count = Count::default();
    for scenario in scenarios {
        let (explored, found) = explore(&scenario, clocks, Fault::NONE);
        assert!(found.is_empty(), "{scenario:?}: {found:#?}");
        count.add(explored);
    }
    assert!(
        count.accepted > 0 && count.accepted < count.judged,
        "{count}"
    );
    count
}

#[test]
fn single_events_under_all_clocks() {
    let scenarios = Event::ALL.into_iter().flat_map(|event| {
        let scenario = Scenario::of(&[(FIRST, event)]);
        let ungranted = Scenario {
            granted: false,
            ..scenario.clone()
        };
        [scenario, ungranted]
    });
    let count = assert_holds(scenarios, &clocks(LEEWAY, TICK));
    println!("{count}");
    assert_eq!(count.keys, 2);
}

/// Every pair of these first events with every second one, at each distance.
fn pairs(first: &[Event]) -> Count {
    // One tick more than the delay and the leeway, then moments at which a closed key verifies, and is gone.
    let distances = [0, 1, 3, 4, 5, 6, 7, 8, 9, 16];
    let pairs = first
        .iter()
        .flat_map(|first| Event::ALL.map(|second| (*first, second)));
    let scenarios = pairs.flat_map(|(first, second)| {
        distances.map(|distance| Scenario::of(&[(FIRST, first), (FIRST + distance, second)]))
    });
    assert_holds(scenarios, &CORNERS)
}

#[test]
fn pairs_of_events_the_first_half() {
    let count = pairs(&Event::ALL[..6]);
    println!("{count}");
    assert!(count.keys >= 3);
}

#[test]
fn pairs_of_events_the_second_half() {
    let count = pairs(&Event::ALL[6..]);
    println!("{count}");
    assert!(count.keys >= 3);
}

#[test]
fn three_events_that_begin_with_a_rotation() {
    let events = [
        Event::Lengthen,
        Event::LoseNewest,
        Event::RevokeNewest,
        Event::Rotate,
        Event::Shorten,
    ];
    let pairs = events.map(|second| events.map(|third| (second, third)));
    let distances = [0, 1, 4, 6].map(|x| [0, 1, 4, 6].map(|y| (x, y)));
    let scenarios = pairs.into_iter().flatten().flat_map(|(second, third)| {
        distances.into_iter().flatten().map(move |(x, y)| {
            let begin = (FIRST, Event::Rotate);
            Scenario::of(&[begin, (FIRST + x, second), (FIRST + x + y, third)])
        })
    });
    let count = assert_holds(scenarios, &CORNERS);
    println!("{count}");
    assert!(count.keys >= 4);
}

#[test]
fn events_around_scheduled_rotations() {
    let scenarios = Event::ALL.into_iter().flat_map(|event| {
        (FIRST..FIRST + 20).map(move |tick| Scenario {
            rotation_period: 10 * TICK + DELAY,
            ticks: 40,
            ..Scenario::of(&[(tick, event)])
        })
    });
    let count = assert_holds(scenarios, &CORNERS);
    println!("{count}");
    assert!(count.keys >= 3);
}
