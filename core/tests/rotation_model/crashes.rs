//! The planner is killed in the middle of a rotation, after each of its writes, and comes back later.

use std::collections::BTreeMap;

use mintage_core::bundle::{Bundle, KeyringFile, PrivateEntry};
use mintage_core::keyring::{Key, Owner};
use mintage_core::mint::{Mint, NoOrder};
use mintage_core::plan::{Fleet, Input, Plan, State, plan};
use mintage_core::policy::Request;
use mintage_core::world::World;
use mintage_core::{Kid, LEEWAY, Namespace, Seconds};

use crate::NEVER;
use crate::fixture::{self, API, DELAY, MIDDLE, START};

/// What a turn of the planner writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Write {
    Bundles,
    Private,
    Truth,
}

/// When the rotation is asked for, and the planner killed.
const CRASH: Seconds = 100;

/// All that outlives the planner.
#[derive(Default)]
struct Stored {
    private: BTreeMap<Kid, PrivateEntry>,
    state: State,
    bundles: BTreeMap<Namespace, Bundle>,
    made: usize,
}

impl Stored {
    /// One turn of the planner, of which the given writes are done.
    fn turn(&mut self, at: Seconds, world: &World, writes: &[Write]) -> Plan {
        let mut private = self.private.clone();
        let mut fresh = BTreeMap::new();
        for _ in 0..2 {
            let input = Input {
                world,
                state: &self.state,
                fresh: &fresh,
                brought: &BTreeMap::new(),
                private: &private.keys().cloned().collect(),
                fleet: Fleet::UNKNOWN,
            };
            for name in plan(START + at, input).wanted {
                if name.0 == owner() && !fresh.contains_key(&name) {
                    let (jwk, entry) = fixture::key(name.1, self.made);
                    self.made += 1;
                    private.insert(jwk.kid.clone(), entry);
                    fresh.insert(name, jwk);
                }
            }
        }
        let input = Input {
            world,
            state: &self.state,
            fresh: &fresh,
            brought: &BTreeMap::new(),
            private: &private.keys().cloned().collect(),
            fleet: Fleet::UNKNOWN,
        };
        let plan = plan(START + at, input);
        let keys = keys(&plan.state);
        let needed = |kid: &Kid| {
            let mut keys = keys.iter();
            keys.any(|key| key.kid() == kid && key.needs_private(START + at))
        };
        private.retain(|kid, _| needed(kid));
        for write in writes {
            match write {
                Write::Bundles => {
                    let bundles = plan.bundles.iter();
                    self.bundles = bundles.map(|(at, b)| (at.1.clone(), b.clone())).collect();
                }
                Write::Private => self.private = private.clone(),
                Write::Truth => self.state = plan.state.clone(),
            }
        }
        plan
    }

    /// The key that a sidecar of `shop` signs with, when it reads what is stored.
    fn signs(&self, at: Seconds) -> Result<Kid, NoOrder> {
        let mut file = KeyringFile::new(owner());
        file.keys = self.private.values().cloned().collect();
        let body = &self.bundles[&fixture::shop()].body;
        let mint = Mint::new(body, fixture::checkout(), None, &[file]).unwrap();
        let request = Request {
            audience: Some(API),
            scope: None,
        };
        mint.order(START + at, request).map(|order| order.kid)
    }
}

fn owner() -> Owner {
    Owner::namespace(fixture::tenant_ref(), fixture::shop())
}

fn keys(state: &State) -> &[Key] {
    let mut keyrings = state.keyrings.iter();
    keyrings
        .find(|keyring| keyring.owner == owner())
        .map_or(&[], |keyring| &keyring.keys)
}

/// What came of a crash.
#[derive(Debug)]
struct Outcome {
    /// How long each later key had been readable for validators when it first signed.
    notices: Vec<Seconds>,
    /// The seconds in which there was no key.
    gaps: Vec<Seconds>,
    /// Whether the key that signs in the end is another than at first.
    rotated: bool,
}

/// Kills the planner after the first `done` writes of a rotation, and starts it again after `down` seconds.
fn crash(order: [Write; 3], done: usize, down: Seconds) -> Outcome {
    let mut world = fixture::world(NEVER, vec![fixture::grant(&["read"])]);
    let mut stored = Stored::default();
    stored.turn(0, &world, &order);
    let first = stored.signs(0).unwrap();
    world.tenants[0].rotate_request = Some("now".to_owned());
    stored.turn(CRASH, &world, &order[..done]);

    let mut due = CRASH + down.max(1);
    let mut readable: BTreeMap<Kid, Seconds> = BTreeMap::new();
    let mut notices: BTreeMap<Kid, Seconds> = BTreeMap::new();
    let mut gaps = Vec::new();
    let end = CRASH + down + 2 * DELAY + LEEWAY;
    for at in CRASH..=end {
        if at == due {
            let next = stored.turn(at, &world, &order).next_due;
            due = next.unwrap() - START;
        }
        for trusted in &stored.bundles[&fixture::orders()].body.keys {
            readable.entry(trusted.key.kid().clone()).or_insert(at);
        }
        match stored.signs(at) {
            Ok(kid) if kid == first => {}
            Ok(kid) => {
                let since = readable.get(&kid);
                let since = since.unwrap_or_else(|| panic!("{kid} signs unpublished"));
                notices.entry(kid).or_insert(at - since);
            }
            Err(NoOrder::KeyUnavailable { .. }) => gaps.push(at),
            Err(other) => panic!("{other}"),
        }
    }
    Outcome {
        notices: notices.into_values().collect(),
        gaps,
        rotated: stored.signs(end).unwrap() != first,
    }
}

/// The truth and the bundles before the private key: nobody can sign before everybody could read.
const PUBLIC_FIRST: [Write; 3] = [Write::Truth, Write::Bundles, Write::Private];

/// The private key before the truth and the bundles: no key is made in vain.
const PRIVATE_FIRST: [Write; 3] = [Write::Private, Write::Truth, Write::Bundles];

#[test]
fn with_public_parts_first_every_crash_point_resumes_with_the_whole_notice() {
    for done in 0..=3 {
        for down in [0, 1, LEEWAY, DELAY - 1, DELAY, MIDDLE, 3 * DELAY] {
            let outcome = crash(PUBLIC_FIRST, done, down);
            let case = format!("{done} writes, down for {down}: {outcome:?}");
            assert!(outcome.rotated, "{case}");
            assert_eq!(outcome.notices.len(), 1, "{case}");
            assert!(
                outcome.notices.iter().all(|notice| *notice >= DELAY),
                "{case}"
            );
            // While the planner is away nobody can replace a key that was announced and then lost. After that there is
            // one again if the old key is still believed.
            let away = done == 2 && down > DELAY;
            let believed = down <= MIDDLE;
            match (away, believed) {
                (true, true) => assert!(outcome.gaps.iter().all(|at| *at < CRASH + down), "{case}"),
                (true, false) => {}
                (false, true) => assert!(outcome.gaps.is_empty(), "{case}"),
                (false, false) => assert!(done == 1 || outcome.gaps.is_empty(), "{case}"),
            }
        }
    }
}

#[test]
fn with_the_private_part_first_nothing_unpublished_signs_but_downtime_is_lost_notice() {
    for done in 0..=3 {
        for down in [0, 1, LEEWAY, DELAY - 1] {
            let outcome = crash(PRIVATE_FIRST, done, down);
            let case = format!("{done} writes, down for {down}: {outcome:?}");
            assert!(outcome.rotated && outcome.gaps.is_empty(), "{case}");
            // With the truth written, the time until the key signs has begun, and nobody could read it meanwhile.
            let lost = if done == 2 { down.max(1) } else { 0 };
            assert_eq!(outcome.notices, [DELAY - lost], "{case}");
        }
    }
}
