//! Plans, and the keys that they want.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mintage_core::keyring::{Key, Schedule};
use mintage_core::plan::{Fleet, Input, Plan, State, plan};
use mintage_core::world::World;
use mintage_core::{Kid, TenantRef};
use tokio::time::{Instant, sleep_until};

use super::Engine;
use crate::feed::Propagation;
use crate::snapshot::{Snapshot, Snapshots};
use crate::tls::FeedAt;

/// How long a turn waits for keys that it wants. Few are made in less. Of hundreds this many seconds' worth come at once:
/// each of them changes the bundles of all who are to believe it, and those are written once for all.
const PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// Plans, and again with the keys that were made for it.
    pub(super) async fn plan_with_keys(&mut self, world: &Arc<World>, snapshot: &Snapshot) -> Plan {
        let mut plan = self.plan(world, snapshot).await;
        // A key that is refused from now on is refused at once: its successor may take seconds to make.
        let patience = if revokes(&plan, &self.state) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let patience = Instant::now() + patience;
        // At most three times: for the keys, and for a rotation that came due meanwhile.
        for _ in 0..3 {
            if !self.make_keys(&plan, snapshot, patience).await {
                break;
            }
            // Two plans of a large cluster take twice the memory.
            drop(plan);
            plan = self.plan(world, snapshot).await;
        }
        plan
    }

    /// Plans beside the loop: it may take a while, and the Lease is renewed meanwhile.
    ///
    /// Each plan reads the clock anew: a key is published when the plan with it is made, not before.
    async fn plan(&mut self, world: &Arc<World>, snapshot: &Snapshot) -> Plan {
        let now = self.context.clock.now();
        let (world, state) = (Arc::clone(world), Arc::clone(&self.state));
        let fresh = self.keys.fresh();
        let brought = self.brought_keys.clone();
        let private = self.keys.at_hand(now, &state.keyrings);
        let fleet = self.fleet(snapshot);
        let begun = Instant::now();
        let planned = tokio::task::spawn_blocking(move || {
            let input = Input {
                world: &world,
                state: &state,
                fresh: &fresh,
                brought: &brought,
                private: &private,
                fleet: &fleet,
            };
            plan(now, input)
        });
        let plan = planned.await.expect("planning does not panic");
        self.context.witness.planned(&plan, now, begun.elapsed());
        plan
    }

    /// What is known of the sidecars that run; nothing where they have no stream.
    fn fleet(&self, snapshot: &Snapshot) -> Fleet {
        let FeedAt::Known(Some(feed)) = self.context.feed_at.borrow().clone() else {
            return Fleet::default();
        };
        Fleet {
            feed: Some(feed),
            heard: self.context.feed.heard(snapshot),
        }
    }

    /// How far the newest bundles have come; nothing where sidecars have no stream.
    pub(super) fn propagation(&self, snapshot: &Snapshot) -> BTreeMap<TenantRef, Propagation> {
        match &*self.context.feed_at.borrow() {
            FeedAt::Known(Some(_)) => self.context.feed.propagation(snapshot),
            _ => BTreeMap::new(),
        }
    }

    /// Has the keys made that a plan wants; whether any came in time. A change that admins make ends the wait.
    async fn make_keys(&mut self, plan: &Plan, snapshot: &Snapshot, patience: Instant) -> bool {
        let wanted = plan.wanted.iter().filter(|name| {
            !self.keys.has_fresh(name) && !self.truth.damaged().contains_key(&name.0.tenant)
        });
        self.makers.want(wanted.cloned().collect());
        let mut snapshots = self.context.snapshots.clone();
        let mut shutdown = self.shutdown.clone();
        let mut came = false;
        while self.makers.is_busy() {
            let begun = Instant::now();
            tokio::select! {
                Some((name, made)) = self.finished.recv() => {
                    came |= made.is_ok();
                    self.context.witness.made_key(begun.elapsed());
                    self.key_finished(&name, made);
                }
                () = another_world(&mut snapshots, &snapshot.world) => break,
                _ = shutdown.wait_for(|asked| *asked) => break,
                () = sleep_until(patience) => break,
                else => break,
            }
        }
        came
    }
}

/// Whether a plan revokes a key that was not revoked before.
fn revokes(plan: &Plan, before: &State) -> bool {
    let known: BTreeSet<&Kid> = revoked(before).collect();
    revoked(&plan.state).any(|kid| !known.contains(kid))
}

fn revoked(state: &State) -> impl Iterator<Item = &Kid> {
    let keys = state.keyrings.iter().flat_map(|ring| &ring.keys);
    let revoked = keys.filter(|key| matches!(key.schedule, Schedule::Revoked { .. }));
    revoked.map(Key::kid)
}

/// Waits until the watches show another world than this one.
async fn another_world(snapshots: &mut Snapshots, world: &Arc<World>) {
    while snapshots.changed().await.is_ok() {
        let now = snapshots.borrow_and_update();
        if now
            .as_ref()
            .is_some_and(|now| !Arc::ptr_eq(&now.world, world))
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use mintage_core::jose::{Jwk, Material};
    use mintage_core::keyring::{Keyring, Owner};
    use mintage_core::world::World;
    use mintage_core::{Alg, Uid, UnixTime};

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn key(x: &str) -> Key {
        let material = Material::Okp {
            crv: "Ed25519".into(),
            x: x.into(),
        };
        Key {
            jwk: Jwk::new(material, Alg::EdDSA),
            generation: 1,
            published_at: NOW,
            longest_lifetime: 3600,
            schedule: Schedule::Open { activate_at: NOW },
            first_activate_at: None,
        }
    }

    fn state(keys: &[Key]) -> State {
        let ring = Keyring {
            owner: Owner::tenant(TenantRef::parse("identity/acme").unwrap()),
            tenant_uid: Uid::parse("t").unwrap(),
            namespace_uid: None,
            keys: keys.to_vec(),
        };
        State {
            keyrings: vec![ring],
            ..State::default()
        }
    }

    /// One is forgotten in the same plan that revokes another: their number stays.
    #[test]
    fn a_new_revocation_is_told_from_those_of_before() {
        let (one, other) = (key("b25l"), key("b3RoZXI"));
        let before = state(&[one.clone().revoke(NOW), other.clone()]);
        let plan = |keys: &[Key]| Plan {
            state: state(keys),
            ..plan(NOW, Input::first(&World::default()))
        };
        assert!(!revokes(
            &plan(&[one.clone().revoke(NOW), other.clone()]),
            &before
        ));
        assert!(!revokes(&plan(std::slice::from_ref(&other)), &before));
        assert!(revokes(&plan(&[other.revoke(NOW)]), &before));
    }
}
