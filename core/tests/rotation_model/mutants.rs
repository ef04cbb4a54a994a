//! The model finds what it is for: each fault, put in deliberately, is seen as the violation that it must cause.

use mintage_core::bundle::Bundle;
use mintage_core::keyring::{Key, Schedule};
use mintage_core::ledger::Term;
use mintage_core::world::AudienceAlg;
use mintage_core::{Alg, LEEWAY, Seconds, UnixTime};

use crate::explore::{Fault, Property, clocks, explore};
use crate::fixture::{MIDDLE, TICK};
use crate::operator::{Event, Scenario, Spoil};
use crate::{CORNERS, FIRST};

/// Asserts that the scenario is sound, and that with the fault this property is violated.
fn assert_caught(
    scenario: &Scenario,
    clocks: &[(Seconds, Seconds)],
    fault: Fault,
    property: Property,
) {
    let (_, found) = explore(scenario, &CORNERS, Fault::NONE);
    assert!(found.is_empty(), "{found:#?}");
    let (_, found) = explore(scenario, clocks, fault);
    assert!(
        found.iter().any(|violation| violation.property == property),
        "{found:#?}"
    );
}

/// The same for a fault in what is told to sidecars, where the clocks agree.
fn assert_spoil_caught(scenario: &Scenario, spoil: Spoil, property: Property) {
    let fault = Fault {
        spoil,
        ..Fault::NONE
    };
    assert_caught(scenario, &[(0, 0)], fault, property);
}

fn keys(bundle: &mut Bundle) -> impl Iterator<Item = &mut Key> {
    bundle.body.keys.iter_mut().map(|trusted| &mut trusted.key)
}

/// When the key of the next generation was published and begins to sign.
fn successor(keys: &[Key], of: &Key) -> Option<(UnixTime, UnixTime)> {
    let next = keys
        .iter()
        .find(|key| key.generation == of.generation + 1)?;
    Some((next.published_at, next.schedule.activate_at()?))
}

fn end_at(bundle: &mut Bundle, end: fn((UnixTime, UnixTime)) -> UnixTime) {
    let all: Vec<Key> = keys(bundle).map(|key| key.clone()).collect();
    for key in keys(bundle) {
        let moment = successor(&all, key).map(end);
        if let (Schedule::Closed { sign_until, .. }, Some(moment)) = (&mut key.schedule, moment) {
            *sign_until = moment;
        }
    }
}

#[test]
fn a_key_that_signs_as_soon_as_it_is_published() {
    let spoil: Spoil = |bundle, _, _| {
        end_at(bundle, |(published, _)| published);
        for key in keys(bundle) {
            if let Schedule::Open { activate_at } = &mut key.schedule {
                *activate_at = key.published_at;
            }
        }
    };
    let scenario = Scenario::of(&[(FIRST, Event::Rotate)]);
    assert_spoil_caught(&scenario, spoil, Property::GoodTokenRefused);
}

#[test]
fn an_old_key_removed_when_it_has_signed_last() {
    let spoil: Spoil = |bundle, now, _| {
        bundle
            .body
            .keys
            .retain(|trusted| match trusted.key.schedule {
                Schedule::Closed { sign_until, .. } => now < sign_until,
                _ => true,
            });
    };
    let scenario = Scenario::of(&[(FIRST, Event::Rotate)]);
    assert_spoil_caught(&scenario, spoil, Property::GoodTokenRefused);
}

#[test]
fn clocks_further_apart_than_the_leeway() {
    let scenario = Scenario::of(&[(FIRST, Event::Rotate)]);
    for apart in [LEEWAY + TICK, -LEEWAY - TICK] {
        let clocks = [(0, apart)];
        assert_caught(&scenario, &clocks, Fault::NONE, Property::GoodTokenRefused);
    }
}

#[test]
fn a_verdict_remembered_beyond_the_expiry() {
    let fault = Fault {
        late: TICK,
        ..Fault::NONE
    };
    let scenario = Scenario::of(&[(FIRST, Event::Rotate)]);
    assert_caught(&scenario, &[(0, 0)], fault, Property::PastExpiry);
}

#[test]
fn a_revocation_forgotten_with_an_older_bundle() {
    let fault = Fault {
        takes_older: true,
        ..Fault::NONE
    };
    // Of two bundles on their way at once, the one without the revocation may arrive last.
    let scenario = Scenario::of(&[(FIRST, Event::AddScope), (FIRST + 1, Event::RevokeSigning)]);
    assert_caught(&scenario, &[(0, 0)], fault, Property::RevokedAccepted);
}

#[test]
fn a_longer_life_that_the_key_is_not_told() {
    let spoil: Spoil = |bundle, _, _| keys(bundle).for_each(|key| key.longest_lifetime = MIDDLE);
    let scenario = Scenario::of(&[(FIRST, Event::Lengthen)]);
    assert_spoil_caught(&scenario, spoil, Property::GoodTokenRefused);
}

#[test]
fn a_grant_used_at_once() {
    let spoil: Spoil = |bundle, now, _| {
        for grants in bundle
            .body
            .issue
            .iter_mut()
            .flat_map(|api| api.grants.values_mut())
        {
            for term in grants.scopes.values_mut().chain([&mut grants.term]) {
                if let Term::Open { from } = term {
                    *from = now.min(*from);
                }
            }
        }
    };
    let grant = Scenario {
        granted: false,
        ..Scenario::of(&[(FIRST, Event::AddGrant)])
    };
    let scope = Scenario::of(&[(FIRST, Event::AddScope)]);
    for scenario in [grant, scope] {
        assert_spoil_caught(&scenario, spoil, Property::GoodTokenRefused);
    }
}

#[test]
fn a_longer_life_used_at_once() {
    let spoil: Spoil = |bundle, _, declared| {
        for api in &mut bundle.body.issue {
            api.lifetime = declared.lifetime;
        }
    };
    let scenario = Scenario::of(&[(FIRST, Event::Lengthen)]);
    assert_spoil_caught(&scenario, spoil, Property::GoodTokenRefused);
}

#[test]
fn an_algorithm_changed_at_once() {
    let spoil: Spoil = |bundle, _, declared| {
        let changed = declared.alg == AudienceAlg::Asymmetric(Alg::ES256);
        for api in bundle.body.issue.iter_mut().filter(|_| changed) {
            api.alg = Alg::ES256;
        }
    };
    let scenario = Scenario::of(&[(FIRST, Event::ChangeAlg)]);
    assert_spoil_caught(&scenario, spoil, Property::GoodTokenRefused);
}

#[test]
fn a_key_that_ends_though_its_successor_is_lost() {
    let spoil: Spoil = |bundle, _, _| end_at(bundle, |(_, activates)| activates);
    let scenario = Scenario::of(&[(FIRST, Event::Rotate), (FIRST + 2, Event::LoseNewest)]);
    assert_spoil_caught(&scenario, spoil, Property::NoKey);
}

#[test]
fn more_clocks_are_explored_than_the_corners() {
    let all = clocks(LEEWAY, TICK);
    assert_eq!(all.len(), 19);
    assert!(CORNERS.iter().all(|corner| all.contains(corner)));
}
