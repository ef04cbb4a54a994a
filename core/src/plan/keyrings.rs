//! Which keyrings there are to be, and their next step.

use std::collections::{BTreeMap, BTreeSet};

use super::admission::labels;
use super::applications::endpoint_signs;
use super::brought::{self, MOST_SPENT, Notes};
use super::served::{MANAGEMENT_LIFETIME, Served, ServedTenant};
use super::{Input, KeyName, Rotation};
use crate::jose::Jwk;
use crate::keyring::{self, Key, Keyring, Observed, Owner, Policy};
use crate::world::{Issuance, Tenant};
use crate::{Alg, Kid, Namespace, ObjectName, Seconds, TenantRef, Uid, UnixTime};

#[derive(Default)]
pub(super) struct Keyrings {
    pub all: Vec<Keyring>,
    pub wanted: BTreeSet<KeyName>,
    pub brought: BTreeMap<TenantRef, Vec<Kid>>,
    pub notes: Notes,
    pub next_due: Option<UnixTime>,
}

/// A keyring that ought to be.
struct Due<'a> {
    policy: Policy,
    tenant_uid: &'a Uid,
    namespace_uid: Option<&'a Uid>,
    /// Where its keys are brought.
    secret: Option<&'a ObjectName>,
}

/// What is seen of all keyrings.
struct Outside<'a> {
    now: UnixTime,
    input: Input<'a>,
    tenants: BTreeMap<&'a TenantRef, &'a Tenant>,
    served: BTreeSet<&'a TenantRef>,
    rotations: BTreeMap<&'a TenantRef, Vec<&'a Rotation>>,
    /// Where an owner's keys are believed, besides its own namespace.
    believers: BTreeMap<(&'a TenantRef, &'a Namespace), BTreeSet<&'a Namespace>>,
}

pub(super) fn settle<'a>(
    now: UnixTime,
    served: &'a Served<'_>,
    input: Input<'a>,
    rotations: &'a [Rotation],
) -> Keyrings {
    let mut due = wanted_keyrings(served);
    let delays: BTreeMap<&TenantRef, Seconds> = served
        .tenants
        .iter()
        .map(|entry| (&entry.tenant.at, entry.tenant.propagation_delay))
        .collect();
    let mut outside = Outside {
        now,
        input,
        tenants: input.world.tenants.iter().map(|of| (&of.at, of)).collect(),
        served: delays.keys().copied().collect(),
        rotations: BTreeMap::new(),
        believers: BTreeMap::new(),
    };
    if !input.fleet.heard.is_empty() {
        outside.believers = believers(served);
    }
    for rotation in rotations.iter().filter(|rotation| rotation.at <= now) {
        let all = outside.rotations.entry(&rotation.tenant).or_default();
        all.push(rotation);
    }

    let mut result = Keyrings {
        brought: input.state.brought.clone(),
        ..Keyrings::default()
    };
    for keyring in &input.state.keyrings {
        let mut keyring = keyring.clone();
        let same_life = due
            .get(&keyring.owner)
            .is_some_and(|due| due.is_of(&keyring) || due.adopts(&keyring, input));
        let due = if same_life {
            due.remove(&keyring.owner)
        } else {
            None
        };
        let due = match due {
            Some(due) => {
                keyring.tenant_uid.clone_from(due.tenant_uid);
                due
            }
            None => Due::resting(&keyring, &outside).unwrap_or_else(|| {
                // Of another life of the tenant or namespace, or not wanted any more: it signs nothing, and verifies as
                // long as its tokens live.
                Due::ended(&keyring, delays.get(&keyring.owner.tenant).copied())
            }),
        };
        result.take_step(&outside, &keyring, &due);
    }
    for (owner, due) in due {
        let keyring = Keyring {
            owner,
            tenant_uid: due.tenant_uid.clone(),
            namespace_uid: due.namespace_uid.cloned(),
            keys: Vec::new(),
        };
        result.take_step(&outside, &keyring, &due);
    }
    result.forget_brought(&outside);
    result
}

impl Keyrings {
    fn take_step(&mut self, outside: &Outside<'_>, keyring: &Keyring, due: &Due<'_>) {
        let owner = &keyring.owner;
        let given = if due.secret.is_some() {
            outside.input.brought
        } else {
            outside.input.fresh
        };
        let fresh = keys_of(owner, given);
        let none = BTreeSet::new();
        let revoke = outside.tenants.get(&owner.tenant);
        let revoke = revoke.map_or(&none, |tenant| &tenant.revoke_keys);
        // A namespace's keys are always made.
        let brought_before = outside.input.state.brought.get(&owner.tenant);
        let brought_before = brought_before.filter(|_| owner.namespace.is_none());
        let brought_before: BTreeSet<Kid> = brought_before.into_iter().flatten().cloned().collect();
        let heard = outside.heard(owner);
        let step = keyring::step(
            outside.now,
            keyring,
            &due.policy,
            Observed {
                fresh: &fresh,
                brought_before: &brought_before,
                private: outside.input.private,
                revoke,
                rotate_before: outside.rotate_before(owner),
                heard,
            },
        );
        let next = keyring::next_due(outside.now, &step.keys, &due.policy, heard);
        self.next_due = self.next_due.into_iter().chain(next).min();
        let wanted = step.wanted.into_iter();
        self.wanted.extend(wanted.map(|alg| (owner.clone(), alg)));
        if let Some(secret) = due.secret {
            let known = self.brought.entry(owner.tenant.clone()).or_default();
            let revoked = fresh.values().map(|jwk| &jwk.kid);
            let revoked = revoked.filter(|kid| revoke.contains(*kid));
            brought::remember(known, step.keys.iter().map(Key::kid).chain(revoked));
            let notes = step.complaints.iter();
            let notes = notes.map(|(alg, what)| brought::say(secret, *alg, *what, &step.keys));
            self.notes.insert(owner.tenant.clone(), notes.collect());
        }
        if !step.keys.is_empty() {
            self.all.push(Keyring {
                keys: step.keys,
                ..keyring.clone()
            });
        }
    }

    /// Forgets the keys that were brought to tenants of which nothing is left, and those of long ago.
    fn forget_brought(&mut self, outside: &Outside<'_>) {
        for (tenant, kids) in &mut self.brought {
            if kids.len() <= MOST_SPENT {
                continue;
            }
            let owner = Owner::tenant(tenant.clone());
            let offered = keys_of(&owner, outside.input.brought);
            let rings = self.all.iter().filter(|ring| ring.owner == owner);
            let believed = rings.flat_map(|ring| &ring.keys).map(Key::kid);
            let matter: BTreeSet<&Kid> = believed
                .chain(offered.values().map(|jwk| &jwk.kid))
                .collect();
            brought::forget(kids, MOST_SPENT, |kid| matter.contains(kid));
        }
        let gone = |tenant: &TenantRef| !outside.tenants.contains_key(tenant);
        let mut kept = BTreeSet::new();
        if self.brought.keys().any(gone) {
            kept.extend(self.all.iter().map(|ring| &ring.owner.tenant));
        }
        self.brought
            .retain(|tenant, kids| !kids.is_empty() && (!gone(tenant) || kept.contains(tenant)));
    }
}

impl Outside<'_> {
    /// The last rotation that was asked for of an owner's keys.
    fn rotate_before(&self, owner: &Owner) -> Option<UnixTime> {
        let rotations = self.rotations.get(&owner.tenant)?.iter();
        rotations
            .filter(|rotation| rotation.covers(owner))
            .map(|rotation| rotation.at)
            .max()
    }

    /// When the oldest news was made that any sidecar goes by which is told of an owner's keys.
    fn heard(&self, owner: &Owner) -> Option<UnixTime> {
        let heard = &self.input.fleet.heard;
        let Some(namespace) = &owner.namespace else {
            let all = heard
                .iter()
                .filter(|((tenant, _), _)| *tenant == owner.tenant);
            return all.map(|(_, at)| *at).min();
        };
        let believers = self.believers.get(&(&owner.tenant, namespace));
        let told = believers.into_iter().flatten().copied().chain([namespace]);
        told.filter_map(|told| heard.get(&(owner.tenant.clone(), told.clone())))
            .min()
            .copied()
    }
}

/// The namespaces of the audiences that were granted to each namespace.
fn believers<'a>(
    served: &'a Served<'_>,
) -> BTreeMap<(&'a TenantRef, &'a Namespace), BTreeSet<&'a Namespace>> {
    let mut believers: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for tenant in &served.tenants {
        for audience in &tenant.audiences {
            for workload in audience.ledger.grants.keys() {
                believers
                    .entry((&tenant.tenant.at, &workload.namespace))
                    .or_default()
                    .insert(&audience.audience.at.namespace);
            }
        }
    }
    believers
}

impl<'a> Due<'a> {
    fn is_of(&self, keyring: &Keyring) -> bool {
        *self.tenant_uid == keyring.tenant_uid
            && self.namespace_uid == keyring.namespace_uid.as_ref()
    }

    /// Whether the keyring of an earlier life goes on in this one: the tenant was restored from a backup, and its admin
    /// brings the same key.
    fn adopts(&self, keyring: &Keyring, input: Input<'_>) -> bool {
        let owner = &keyring.owner;
        self.secret.is_some()
            && keys_of(owner, input.brought)
                .values()
                .any(|jwk| keyring.keys.iter().any(|key| *key.kid() == jwk.kid))
            && !input
                .state
                .keyrings
                .iter()
                .any(|other| other.owner == *owner && self.is_of(other))
    }

    /// A tenant's own keyring while the tenant is not served for a while: a key that its admin goes on bringing stays,
    /// since it could not come back. It signs nothing that anybody would be told of.
    fn resting(keyring: &'a Keyring, outside: &Outside<'a>) -> Option<Self> {
        let owner = &keyring.owner;
        let tenant = outside.tenants.get(&owner.tenant)?;
        let secret = tenant.key_secret.as_ref()?;
        let is_own = owner.namespace.is_none() && keyring.tenant_uid == tenant.uid;
        (is_own && !outside.served.contains(&owner.tenant)).then(|| Self {
            policy: Policy {
                algs: BTreeMap::new(),
                propagation_delay: tenant.propagation_delay,
                rotation_period: tenant.rotation_period,
                brings: true,
            },
            tenant_uid: &tenant.uid,
            namespace_uid: None,
            secret: Some(secret),
        })
    }

    fn ended(keyring: &'a Keyring, delay: Option<Seconds>) -> Self {
        Self {
            policy: Policy {
                algs: BTreeMap::new(),
                propagation_delay: delay.unwrap_or(0),
                rotation_period: Seconds::MAX,
                brings: false,
            },
            tenant_uid: &keyring.tenant_uid,
            namespace_uid: keyring.namespace_uid.as_ref(),
            secret: None,
        }
    }
}

/// The keys of one owner.
fn keys_of(owner: &Owner, keys: &BTreeMap<KeyName, Jwk>) -> BTreeMap<Alg, Jwk> {
    if keys.is_empty() {
        return BTreeMap::new();
    }
    let find = |alg: Alg| Some((alg, keys.get(&(owner.clone(), alg))?.clone()));
    Alg::ALL.into_iter().filter_map(find).collect()
}

fn wanted_keyrings<'a>(served: &'a Served<'_>) -> BTreeMap<Owner, Due<'a>> {
    let mut due = BTreeMap::new();
    for entry in &served.tenants {
        let tenant = entry.tenant;
        let (central, local) = wanted_algs(entry);
        let mut add = |namespace: Option<(&Namespace, &'a Uid)>, algs, secret: Option<_>| {
            let owner = Owner {
                tenant: tenant.at.clone(),
                namespace: namespace.map(|(namespace, _)| namespace.clone()),
            };
            let ring = Due {
                policy: Policy {
                    algs,
                    propagation_delay: tenant.propagation_delay,
                    rotation_period: tenant.rotation_period,
                    brings: secret.is_some(),
                },
                tenant_uid: &tenant.uid,
                namespace_uid: namespace.map(|(_, uid)| uid),
                secret,
            };
            due.insert(owner, ring);
        };
        add(None, central, tenant.key_secret.as_ref());
        for (namespace, algs) in local {
            if let Some(uid) = serves(served, tenant, namespace) {
                add(Some((namespace, uid)), algs, None);
            }
        }
    }
    due
}

type Algs = BTreeMap<Alg, Seconds>;

/// The algorithms that keys are wanted for, of the tenant itself and of each namespace.
fn wanted_algs<'a>(entry: &'a ServedTenant<'_>) -> (Algs, BTreeMap<&'a Namespace, Algs>) {
    let tenant = entry.tenant;
    // Every tenant signs Management API tokens.
    let mut central = Algs::from([(Alg::RS256, MANAGEMENT_LIFETIME)]);
    let mut local: BTreeMap<&Namespace, Algs> = BTreeMap::new();
    for entry in &entry.audiences {
        let lifetime = entry.audience.lifetime;
        let lengthen = |algs: &mut Algs, alg: Alg| {
            algs.entry(alg)
                .and_modify(|known| *known = lifetime.max(*known))
                .or_insert(lifetime);
        };
        let grantees = entry.ledger.grants.keys();
        for (issuance, alg) in entry.ledger.signers() {
            if endpoint_signs(tenant, issuance, alg) {
                lengthen(&mut central, alg);
            }
            match issuance {
                Issuance::Central => lengthen(&mut central, alg),
                Issuance::Local => grantees
                    .clone()
                    .for_each(|id| lengthen(local.entry(&id.namespace).or_default(), alg)),
            }
        }
    }
    (central, local)
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
