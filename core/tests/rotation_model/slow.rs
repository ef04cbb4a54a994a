//! Some sidecar never says that it has heard of a key: the key is put off, again and again up to the limit, and whoever
//! hears of that late, or not before it is over, is none the worse for it.

use mintage_core::LEEWAY;
use mintage_core::keyring::Schedule;

use crate::explore::{Count, Fault, Property, clocks, explore};
use crate::fixture::{DELAY, TICK};
use crate::operator::{Event, Scenario, Spoil};
use crate::{CORNERS, FIRST, assert_holds};

fn slow(events: &[(i64, Event)]) -> Scenario {
    let scenario = Scenario::of(events);
    Scenario {
        slow: true,
        ticks: scenario.ticks + DELAY / TICK,
        ..scenario
    }
}

#[test]
fn single_events_under_all_clocks() {
    let scenarios = Event::ALL.into_iter().map(|event| slow(&[(FIRST, event)]));
    let count = assert_holds(scenarios, &clocks(LEEWAY, TICK));
    println!("{count}");
    assert_eq!(count.keys, 2);
}

fn after_a_rotation(seconds: &[Event]) -> Count {
    let distances = [0, 1, 3, 4, 5, 6, 7, 9, 11];
    let scenarios = seconds.iter().flat_map(|second| {
        let begin = (FIRST, Event::Rotate);
        distances.map(|distance| slow(&[begin, (FIRST + distance, *second)]))
    });
    assert_holds(scenarios, &CORNERS)
}

#[test]
fn a_rotation_and_another_event() {
    let count = after_a_rotation(&Event::ALL);
    println!("{count}");
    assert!(count.keys >= 3);
}

#[test]
fn scheduled_rotations() {
    let scenario = Scenario {
        rotation_period: 10 * TICK + DELAY,
        ticks: 45,
        ..slow(&[])
    };
    let count = assert_holds([scenario], &clocks(LEEWAY, TICK));
    println!("{count}");
    assert!(count.keys >= 3);
}

/// The fault is found: a key that was put off, and of which nobody is told when it was to sign at first.
#[test]
fn a_key_that_is_believed_from_its_later_beginning_only() {
    let spoil: Spoil = |bundle, _, _| {
        for trusted in &mut bundle.body.keys {
            trusted.key.first_activate_at = None;
        }
    };
    let scenario = slow(&[(FIRST, Event::Rotate)]);
    let (_, found) = explore(
        &scenario,
        &[(0, 0)],
        Fault {
            spoil,
            ..Fault::NONE
        },
    );
    let refused = |property| property == Property::GoodTokenRefused;
    assert!(found.iter().any(|one| refused(one.property)), "{found:#?}");
}

/// And that the scenarios are not empty: a key is put off in them.
#[test]
fn a_key_is_put_off() {
    let spoil: Spoil = |bundle, _, _| {
        let keys = bundle.body.keys.iter().map(|trusted| &trusted.key);
        for key in keys.filter(|key| key.generation == 2) {
            let (Some(first), Schedule::Open { activate_at }) =
                (key.first_activate_at, key.schedule)
            else {
                continue;
            };
            assert_eq!(first, key.published_at + DELAY);
            assert!(first < activate_at && activate_at <= key.published_at + 2 * DELAY);
            // Whoever sees this sees a token refused.
            bundle.body.keys.clear();
            return;
        }
    };
    let scenario = slow(&[(FIRST, Event::Rotate)]);
    let (_, found) = explore(
        &scenario,
        &[(0, 0)],
        Fault {
            spoil,
            ..Fault::NONE
        },
    );
    assert!(!found.is_empty());
}
