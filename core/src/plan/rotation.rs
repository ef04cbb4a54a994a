//! New keys before their time, and keys that are refused: what admins ask for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::State;
use super::deletion::{self, Deletions};
use crate::keyring::{Key, Keyring, Owner, Schedule};
use crate::world::{Tenant, World};
use crate::{Kid, Namespace, TenantRef, UnixTime};

/// A rotation that an admin asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// The tenant whose keys, and whose namespaces' keys, are replaced.
    pub tenant: TenantRef,
    /// The one namespace whose keys under the tenant are replaced; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// The annotation's value; another value is another request. `None` for one that was asked for by
    /// [`State::rotate`] and is forgotten once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// When it was first seen: keys published before are replaced.
    pub at: UnixTime,
}

impl Rotation {
    /// Whether it is about an owner's keys.
    pub(super) fn covers(&self, owner: &Owner) -> bool {
        owner.tenant == self.tenant
            && (self.namespace.is_none() || owner.namespace == self.namespace)
    }

    /// Whether it must be remembered: an annotation's as long as the annotation is there, any other until every key it
    /// is about has a successor.
    pub(super) fn stands(&self, keyrings: &[Keyring]) -> bool {
        let waits =
            |key: &Key| matches!(key.schedule, Schedule::Open { .. }) && key.published_at < self.at;
        self.request.is_some()
            || keyrings
                .iter()
                .filter(|ring| self.covers(&ring.owner))
                .any(|ring| ring.keys.iter().any(waits))
    }

    /// A rotation from now on; from the next second if one of the keys was published in this one, which could not be
    /// told from the key that is to replace it.
    fn begin<'a>(mut self, now: UnixTime, keyrings: impl IntoIterator<Item = &'a Keyring>) -> Self {
        let mut keys = keyrings
            .into_iter()
            .filter(|ring| self.covers(&ring.owner))
            .flat_map(|ring| &ring.keys);
        let busy = keys.any(|key| key.published_at >= now);
        self.at = if busy { now + 1 } else { now };
        self
    }
}

/// The rotations that stand: those seen before, and new requests.
pub(super) fn settle(
    now: UnixTime,
    world: &World,
    before: &State,
    deletions: &Deletions,
) -> Vec<Rotation> {
    let mut known: BTreeMap<(&TenantRef, &str), &Rotation> = BTreeMap::new();
    for rotation in &before.rotations {
        if let Some(request) = &rotation.request {
            known.insert((&rotation.tenant, request), rotation);
        }
    }
    let mut by_tenant: BTreeMap<&TenantRef, Vec<&Keyring>> = BTreeMap::new();
    let any = world
        .tenants
        .iter()
        .any(|tenant| tenant.rotate_request.is_some());
    for keyring in before.keyrings.iter().filter(|_| any) {
        let rings = by_tenant.entry(&keyring.owner.tenant).or_default();
        rings.push(keyring);
    }
    let stay = |tenant: &&Tenant| !deletion::goes(deletions, &tenant.at);
    let requests = world.tenants.iter().filter(stay).filter_map(|tenant| {
        let request = tenant.rotate_request.as_ref()?;
        if let Some(rotation) = known.get(&(&tenant.at, request)) {
            return Some((*rotation).clone());
        }
        let rotation = Rotation {
            tenant: tenant.at.clone(),
            namespace: None,
            request: Some(request.clone()),
            at: now,
        };
        let keyrings = by_tenant.get(&tenant.at).into_iter().flatten().copied();
        Some(rotation.begin(now, keyrings))
    });
    let asked = before
        .rotations
        .iter()
        .filter(|rotation| rotation.request.is_none());
    requests.chain(asked.cloned()).collect()
}

impl State {
    /// Asks for new keys of a tenant and its namespaces, or of one of its namespaces. The next plan wants them; nobody
    /// notices, as with any rotation. Asking again before that changes nothing.
    pub fn rotate(&mut self, now: UnixTime, tenant: &TenantRef, namespace: Option<&Namespace>) {
        let rotation = Rotation {
            tenant: tenant.clone(),
            namespace: namespace.cloned(),
            request: None,
            at: now,
        };
        let same = |known: &Rotation| {
            known.request.is_none()
                && known.tenant == rotation.tenant
                && known.namespace == rotation.namespace
        };
        if !self.rotations.iter().any(same) {
            let rotation = rotation.begin(now, &self.keyrings);
            self.rotations.push(rotation);
        }
    }

    /// Refuses a key from now on, for good; whose it is, or `None` if there is no such key. The next plan wants a key in
    /// its place and tells validators.
    pub fn revoke(&mut self, now: UnixTime, kid: &Kid) -> Option<&Owner> {
        let mut found = None;
        for ring in &mut self.keyrings {
            for key in ring.keys.iter_mut().filter(|key| key.kid() == kid) {
                *key = key.clone().revoke(now);
                found = Some(&ring.owner);
            }
        }
        found
    }
}
