//! Which keyrings there are to be, and their next step.

use std::collections::{BTreeMap, BTreeSet};

use super::admission::labels;
use super::served::{MANAGEMENT_LIFETIME, Served};
use super::{Input, KeyName, Rotation, key_policy};
use crate::keyring::{self, Keyring, Observed, Owner, Policy};
use crate::world::{Issuance, Tenant};
use crate::{Alg, Kid, Namespace, Seconds, Uid, UnixTime};

pub(super) struct Keyrings {
    pub all: Vec<Keyring>,
    pub wanted: BTreeSet<KeyName>,
    pub next_due: Option<UnixTime>,
}

/// A keyring that ought to be.
struct Due {
    policy: Policy,
    tenant_uid: Uid,
    namespace_uid: Option<Uid>,
}

pub(super) fn settle(
    now: UnixTime,
    served: &Served<'_>,
    input: Input<'_>,
    rotations: &[Rotation],
) -> Keyrings {
    let mut due = wanted_keyrings(served);
    let mut result = Keyrings {
        all: Vec::new(),
        wanted: BTreeSet::new(),
        next_due: None,
    };
    let revoke: BTreeSet<Kid> = input
        .world
        .tenants
        .iter()
        .flat_map(|tenant| tenant.revoke_keys.clone())
        .collect();
    let mut take_step = |keyring: &Keyring, policy: &Policy| {
        let fresh: BTreeMap<Alg, _> = input
            .fresh
            .iter()
            .filter(|((owner, _), _)| *owner == keyring.owner)
            .map(|((_, alg), jwk)| (*alg, jwk.clone()))
            .collect();
        let asked = rotations
            .iter()
            .filter(|rotation| rotation.covers(&keyring.owner) && rotation.at <= now);
        let rotate_before = asked.map(|rotation| rotation.at).max();
        let observed = Observed {
            fresh: &fresh,
            private: input.private,
            revoke: &revoke,
            rotate_before,
        };
        let step = keyring::step(now, keyring, policy, observed);
        let next = keyring::next_due(now, &step.keys, policy);
        result.next_due = result.next_due.into_iter().chain(next).min();
        result.wanted.extend(
            step.wanted
                .into_iter()
                .map(|alg| (keyring.owner.clone(), alg)),
        );
        if !step.keys.is_empty() {
            result.all.push(Keyring {
                keys: step.keys,
                ..keyring.clone()
            });
        }
    };

    for keyring in &input.state.keyrings {
        let same_life = due.get(&keyring.owner).is_some_and(|due| {
            due.tenant_uid == keyring.tenant_uid && due.namespace_uid == keyring.namespace_uid
        });
        let policy = if same_life {
            due.remove(&keyring.owner).map(|due| due.policy)
        } else {
            None
        };
        // Of another life of the tenant or namespace, or not wanted any more: it signs nothing, and verifies as long as
        // its tokens live.
        let delay = served
            .tenants
            .iter()
            .find(|entry| entry.tenant.at == keyring.owner.tenant);
        let delay = delay.map_or(0, |entry| entry.tenant.propagation_delay);
        let ended = Policy {
            algs: BTreeMap::new(),
            propagation_delay: delay,
            rotation_period: Seconds::MAX,
        };
        take_step(keyring, &policy.unwrap_or(ended));
    }
    for (owner, due) in due {
        let keyring = Keyring {
            owner,
            tenant_uid: due.tenant_uid,
            namespace_uid: due.namespace_uid,
            keys: Vec::new(),
        };
        take_step(&keyring, &due.policy);
    }
    result
}

fn wanted_keyrings(served: &Served<'_>) -> BTreeMap<Owner, Due> {
    let mut due = BTreeMap::new();
    for entry in &served.tenants {
        let tenant = entry.tenant;
        // Every tenant signs Management API tokens.
        let mut central = BTreeMap::from([(Alg::RS256, MANAGEMENT_LIFETIME)]);
        let mut local: BTreeMap<&Namespace, BTreeMap<Alg, Seconds>> = BTreeMap::new();
        for entry in served
            .audiences
            .iter()
            .filter(|entry| entry.audience.tenant == tenant.at)
        {
            let lifetime = entry.audience.lifetime;
            let lengthen = |algs: &mut BTreeMap<Alg, Seconds>, alg: Alg| {
                algs.entry(alg)
                    .and_modify(|known| *known = lifetime.max(*known))
                    .or_insert(lifetime);
            };
            let grantees = || {
                entry
                    .ledger
                    .grants
                    .keys()
                    .map(|workload| &workload.namespace)
            };
            for (issuance, alg) in entry.ledger.signers() {
                match issuance {
                    Issuance::Central => lengthen(&mut central, alg),
                    Issuance::Local => grantees()
                        .for_each(|namespace| lengthen(local.entry(namespace).or_default(), alg)),
                }
            }
        }
        let policy = key_policy(tenant, central);
        let own = Due {
            policy,
            tenant_uid: tenant.uid.clone(),
            namespace_uid: None,
        };
        due.insert(Owner::tenant(tenant.at.clone()), own);
        for (namespace, algs) in local {
            if let Some(namespace_uid) = serves(served, tenant, namespace) {
                let policy = key_policy(tenant, algs);
                let ring = Due {
                    policy,
                    tenant_uid: tenant.uid.clone(),
                    namespace_uid: Some(namespace_uid.clone()),
                };
                due.insert(Owner::namespace(tenant.at.clone(), namespace.clone()), ring);
            }
        }
    }
    due
}

/// The UID of a namespace that exists, wants keys and is admitted by the tenant.
pub(super) fn serves<'a>(
    served: &Served<'a>,
    tenant: &Tenant,
    namespace: &Namespace,
) -> Option<&'a Uid> {
    let info = served.world.namespaces.get(namespace)?;
    (info.opted_in && tenant.allows(namespace, labels(served.world, namespace)))
        .then_some(&info.uid)
}
