//! Keys of a tenant that its admin brings: every course of what can be done to them.

use crate::explore::{Count, Fault, Property, clocks, explore};
use crate::fixture::{DELAY, TICK};
use crate::operator::{Event, Scenario, Signer, Spoil};
use crate::{CORNERS, FIRST, assert_holds};
use mintage_core::LEEWAY;
use mintage_core::keyring::Schedule;

const SIGNERS: [Signer; 2] = [Signer::TenantBrought, Signer::TenantMade];

fn of(signer: Signer, events: &[(i64, Event)]) -> Scenario {
    Scenario {
        signer,
        ..Scenario::of(events)
    }
}

#[test]
fn single_events_under_all_clocks() {
    let scenarios = SIGNERS.into_iter().flat_map(|signer| {
        let events = Event::BROUGHT.into_iter();
        events.map(move |event| of(signer, &[(FIRST, event)]))
    });
    let count = assert_holds(scenarios, &clocks(LEEWAY, TICK));
    println!("{count}");
    assert_eq!(count.keys, 2);
}

fn pairs(signer: Signer) -> Count {
    let distances = [0, 1, 4, 5, 6, 8, 16];
    let pairs = Event::BROUGHT
        .into_iter()
        .flat_map(|first| Event::BROUGHT.map(|second| (first, second)));
    let scenarios = pairs.flat_map(|(first, second)| {
        distances.map(|distance| of(signer, &[(FIRST, first), (FIRST + distance, second)]))
    });
    assert_holds(scenarios, &CORNERS)
}

#[test]
fn pairs_of_events_from_brought_keys() {
    let count = pairs(Signer::TenantBrought);
    println!("{count}");
    assert!(count.keys >= 3);
}

#[test]
fn pairs_of_events_from_made_keys() {
    let count = pairs(Signer::TenantMade);
    println!("{count}");
    assert!(count.keys >= 3);
}

#[test]
fn three_events_that_begin_with_another_key() {
    let events = [
        Event::Bring,
        Event::BringBefore,
        Event::RevokeNewest,
        Event::RevokeSigning,
        Event::StartBringing,
        Event::StopBringing,
    ];
    let pairs = events.map(|second| events.map(|third| (second, third)));
    let distances = [0, 1, 4, 6].map(|x| [0, 1, 4, 6].map(|y| (x, y)));
    let scenarios = pairs.into_iter().flatten().flat_map(|(second, third)| {
        distances.into_iter().flatten().map(move |(x, y)| {
            let begin = (FIRST, Event::Bring);
            of(
                Signer::TenantBrought,
                &[begin, (FIRST + x, second), (FIRST + x + y, third)],
            )
        })
    });
    let count = assert_holds(scenarios, &CORNERS);
    println!("{count}");
    assert!(count.keys >= 4);
}

/// A made key turns by itself, a brought one does not.
#[test]
fn events_around_the_end_of_a_period() {
    let scenarios = SIGNERS.into_iter().flat_map(|signer| {
        Event::BROUGHT.into_iter().flat_map(move |event| {
            (FIRST..FIRST + 20).map(move |tick| Scenario {
                rotation_period: 10 * TICK + DELAY,
                ticks: 40,
                ..of(signer, &[(tick, event)])
            })
        })
    });
    let count = assert_holds(scenarios, &CORNERS);
    println!("{count}");
    assert!(count.keys >= 3);
}

/// The model finds what it is for.
#[test]
fn a_brought_key_that_signs_as_soon_as_it_is_there() {
    let spoil: Spoil = |bundle, _, _| {
        for trusted in &mut bundle.body.keys {
            if let Schedule::Open { activate_at } = &mut trusted.key.schedule {
                *activate_at = trusted.key.published_at;
            }
        }
    };
    let scenario = of(Signer::TenantBrought, &[(FIRST, Event::Bring)]);
    let (_, found) = explore(&scenario, &CORNERS, Fault::NONE);
    assert!(found.is_empty(), "{found:#?}");
    let fault = Fault {
        spoil,
        ..Fault::NONE
    };
    let (_, found) = explore(&scenario, &[(0, 0)], fault);
    let refused = |property| property == Property::GoodTokenRefused;
    assert!(
        found.iter().any(|found| refused(found.property)),
        "{found:#?}"
    );
}
