//! The private keys at hand: those that are stored, those that were just made, and those that are not to be relied on.

mod makers;

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::bundle::{KeyringFile, PrivateEntry};
use mintage_core::jose::Jwk;
use mintage_core::keyring::{Key, Keyring, Owner, Schedule};
use mintage_core::plan::KeyName;
use mintage_core::{Kid, TenantRef, UnixTime};

pub use makers::{Finished, Made, Makers};

/// The private keys at hand, wiped when dropped.
#[derive(Debug, Default)]
pub struct Keys {
    files: BTreeMap<Owner, KeyringFile>,
    /// Those that are in a Secret of their namespace.
    delivered: BTreeSet<Kid>,
    /// Those whose Secret somebody else deleted or changed: each is replaced, in the way of a rotation.
    lost: BTreeSet<Kid>,
    /// Those that admins bring. Their Secrets are not ours.
    brought: BTreeMap<Kid, PrivateEntry>,
    /// Made, and not yet in what is remembered.
    fresh: BTreeMap<KeyName, (Jwk, PrivateEntry)>,
}

impl Keys {
    /// Takes up a keyring as its Secret holds it. Keys that cannot be used are left out and named.
    pub fn take_up(&mut self, mut file: KeyringFile) -> Vec<Kid> {
        let mut damaged = Vec::new();
        file.keys.retain(|entry| {
            let usable = entry.open().is_ok();
            if usable {
                self.delivered.insert(entry.kid.clone());
            } else {
                damaged.push(entry.kid.clone());
            }
            usable
        });
        self.files.insert(file.owner.clone(), file);
        damaged
    }

    /// The keys that admins bring now.
    pub fn bring(&mut self, keys: impl Iterator<Item = PrivateEntry>) {
        self.brought = keys.map(|entry| (entry.kid.clone(), entry)).collect();
    }

    /// A key was made.
    pub fn add(&mut self, made: Made) {
        self.fresh.insert(made.name, (made.jwk, made.entry));
    }

    /// The keys that were made and are not remembered yet.
    pub fn fresh(&self) -> BTreeMap<KeyName, Jwk> {
        let fresh = self.fresh.iter();
        fresh
            .map(|(name, (jwk, _))| (name.clone(), jwk.clone()))
            .collect()
    }

    /// Whether a key was made that is not remembered yet.
    pub fn has_fresh(&self, name: &KeyName) -> bool {
        self.fresh.contains_key(name)
    }

    /// The keys that can be relied on. Not among them is one that should sign by now and could not be delivered in time:
    /// it may sign only after validators have known it for the propagation delay, so another takes its place.
    pub fn at_hand(&self, now: UnixTime, keyrings: &[Keyring]) -> BTreeSet<Kid> {
        let late: BTreeSet<&Kid> = keyrings
            .iter()
            .flat_map(|keyring| &keyring.keys)
            .filter(|key| is_late(now, key) && !self.delivered.contains(key.kid()))
            .map(Key::kid)
            .collect();
        let stored = self.files.values().flat_map(|file| &file.keys);
        let fresh = self.fresh.values().map(|(jwk, _)| &jwk.kid);
        stored
            .map(|entry| &entry.kid)
            .chain(fresh)
            .filter(|kid| !late.contains(*kid) && !self.lost.contains(*kid))
            .chain(self.brought.keys())
            .cloned()
            .collect()
    }

    /// What an owner's Secret is to hold: the keys that may still sign, as far as they are at hand. Fresh ones that
    /// are remembered by now are fresh no longer.
    pub fn settle(&mut self, now: UnixTime, keyring: &Keyring) -> &KeyringFile {
        let owner = &keyring.owner;
        let before = self
            .files
            .remove(owner)
            .unwrap_or_else(|| KeyringFile::new(owner.clone()));
        let mut file = KeyringFile::new(owner.clone());
        for key in &keyring.keys {
            let name = (owner.clone(), key.alg());
            if self
                .fresh
                .get(&name)
                .is_some_and(|(jwk, _)| jwk.kid == *key.kid())
                && let Some((_, entry)) = self.fresh.remove(&name)
            {
                if key.needs_private(now) {
                    file.keys.push(entry);
                }
                continue;
            }
            let brought = self.brought.get(key.kid());
            let known = before.keys.iter().find(|entry| entry.kid == *key.kid());
            let known = brought.or(known);
            let deliver =
                brought.is_some() || self.delivered.contains(key.kid()) || !is_late(now, key);
            if let (true, true, Some(entry)) = (key.needs_private(now), deliver, known) {
                file.keys.push(entry.clone());
            }
        }
        let is_open = |kid: &Kid| {
            let open = |key: &Key| matches!(key.schedule, Schedule::Open { .. });
            keyring.keys.iter().any(|key| key.kid() == kid && open(key))
        };
        // Once another takes its place it is as good as any that ends.
        let ended = before.keys.iter().map(|entry| &entry.kid);
        for kid in ended.filter(|kid| !is_open(kid)) {
            self.lost.remove(kid);
        }
        self.files.entry(owner.clone()).or_insert(file)
    }

    /// An owner's Secret holds its keys.
    pub fn deliver(&mut self, owner: &Owner) {
        let keys = self
            .files
            .get(owner)
            .into_iter()
            .flat_map(|file| &file.keys);
        self.delivered.extend(keys.map(|entry| entry.kid.clone()));
    }

    /// Somebody else deleted or changed an owner's Secret.
    pub fn lose(&mut self, owner: &Owner) {
        let keys = self
            .files
            .get(owner)
            .into_iter()
            .flat_map(|file| &file.keys);
        for entry in keys {
            self.lost.insert(entry.kid.clone());
        }
    }

    /// Forgets a tenant's owners of whom nothing is remembered any more.
    pub fn keep_only(&mut self, tenant: &TenantRef, keyrings: &BTreeMap<&Owner, &Keyring>) {
        let from = Owner::tenant(tenant.clone());
        let gone: Vec<Owner> = self
            .files
            .range(from..)
            .map(|(owner, _)| owner)
            .take_while(|owner| owner.tenant == *tenant)
            .filter(|owner| !keyrings.contains_key(owner))
            .cloned()
            .collect();
        for owner in gone {
            for entry in self
                .files
                .remove(&owner)
                .into_iter()
                .flat_map(|file| file.keys)
            {
                self.delivered.remove(&entry.kid);
                self.lost.remove(&entry.kid);
            }
        }
    }
}

/// Whether a key that was published ahead of its time should sign by now. The first key of an owner signs from the
/// moment on in which it is published: there is nobody who could have missed it.
fn is_late(now: UnixTime, key: &Key) -> bool {
    match key.schedule {
        Schedule::Open { activate_at } => activate_at > key.published_at && now >= activate_at,
        Schedule::Closed { .. } | Schedule::Revoked { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use mintage_core::jose::{Pkcs8, PrivateKey};
    use mintage_core::{Alg, Namespace, Uid};

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn owner() -> Owner {
        Owner::namespace(
            TenantRef::parse("identity/acme").unwrap(),
            Namespace::parse("shop").unwrap(),
        )
    }

    fn made() -> Made {
        let pkcs8 = Pkcs8::generate(Alg::ES256).unwrap();
        let jwk = PrivateKey::from_pkcs8(Alg::ES256, &pkcs8)
            .unwrap()
            .jwk()
            .clone();
        Made {
            name: (owner(), Alg::ES256),
            entry: PrivateEntry {
                kid: jwk.kid.clone(),
                alg: Alg::ES256,
                pkcs8,
            },
            jwk,
        }
    }

    fn ring(keys: &[(&Jwk, UnixTime, UnixTime)]) -> Keyring {
        let key = |(jwk, published_at, activate_at): &(&Jwk, UnixTime, UnixTime)| Key {
            jwk: (*jwk).clone(),
            generation: 1,
            published_at: *published_at,
            first_activate_at: None,
            longest_lifetime: 3600,
            schedule: Schedule::Open {
                activate_at: *activate_at,
            },
        };
        Keyring {
            owner: owner(),
            tenant_uid: Uid::parse("t").unwrap(),
            namespace_uid: None,
            keys: keys.iter().map(key).collect(),
        }
    }

    #[test]
    fn a_fresh_key_is_kept_until_it_is_remembered() {
        let mut keys = Keys::default();
        let made = made();
        let (kid, jwk) = (made.jwk.kid.clone(), made.jwk.clone());
        keys.add(made);
        assert!(keys.at_hand(NOW, &[]).contains(&kid));
        assert!(keys.settle(NOW, &ring(&[])).keys.is_empty());
        assert!(keys.fresh().values().any(|fresh| fresh.kid == kid));

        let file = keys.settle(NOW, &ring(&[(&jwk, NOW, NOW)]));
        assert_eq!(file.keys.len(), 1);
        assert!(keys.fresh().is_empty());
        assert!(keys.at_hand(NOW, &[]).contains(&kid));
    }

    #[test]
    fn a_key_that_comes_too_late_is_not_delivered() {
        let mut keys = Keys::default();
        let made = made();
        let (kid, jwk) = (made.jwk.kid.clone(), made.jwk.clone());
        keys.add(made);
        let ring = ring(&[(&jwk, NOW, NOW + 300)]);
        keys.settle(NOW, &ring);
        assert!(
            keys.at_hand(NOW + 299, std::slice::from_ref(&ring))
                .contains(&kid)
        );
        assert_eq!(keys.settle(NOW + 299, &ring).keys.len(), 1);
        assert!(
            !keys
                .at_hand(NOW + 300, std::slice::from_ref(&ring))
                .contains(&kid)
        );
        assert!(keys.settle(NOW + 300, &ring).keys.is_empty());
    }

    #[test]
    fn a_key_that_was_delivered_in_time_signs() {
        let mut keys = Keys::default();
        let made = made();
        let (kid, jwk) = (made.jwk.kid.clone(), made.jwk.clone());
        keys.add(made);
        let ring = ring(&[(&jwk, NOW, NOW + 300)]);
        keys.settle(NOW, &ring);
        keys.deliver(&owner());
        assert!(
            keys.at_hand(NOW + 300, std::slice::from_ref(&ring))
                .contains(&kid)
        );
        assert_eq!(keys.settle(NOW + 300, &ring).keys.len(), 1);
    }

    #[test]
    fn a_key_whose_secret_was_deleted_is_replaced_and_stays_until_then() {
        let mut keys = Keys::default();
        let made = made();
        let (kid, jwk) = (made.jwk.kid.clone(), made.jwk.clone());
        keys.add(made);
        let open = ring(&[(&jwk, NOW, NOW)]);
        keys.settle(NOW, &open);
        keys.deliver(&owner());
        keys.lose(&owner());
        assert!(
            !keys
                .at_hand(NOW, std::slice::from_ref(&open))
                .contains(&kid)
        );
        assert_eq!(
            keys.settle(NOW, &open).keys.len(),
            1,
            "its Secret is restored"
        );

        let mut closed = open;
        closed.keys[0].schedule = Schedule::Closed {
            activate_at: NOW,
            sign_until: NOW + 300,
        };
        assert_eq!(keys.settle(NOW + 1, &closed).keys.len(), 1);
        assert!(keys.at_hand(NOW + 1, &[closed]).contains(&kid));
    }

    #[test]
    fn a_damaged_key_is_left_out_and_named() {
        let mut keys = Keys::default();
        let (good, bad) = (made(), made());
        let bad_kid = bad.entry.kid.clone();
        let mut swapped = good.entry.clone();
        swapped.kid = bad_kid.clone();
        let file = KeyringFile {
            keys: vec![good.entry.clone(), swapped],
            ..KeyringFile::new(owner())
        };
        assert_eq!(keys.take_up(file), [bad_kid]);
        assert_eq!(keys.at_hand(NOW, &[]), BTreeSet::from([good.entry.kid]));
    }
}
