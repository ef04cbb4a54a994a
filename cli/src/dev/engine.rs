//! Observe, plan, apply: the operator's cycle with a folder in place of the API server.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use mintage_core::bundle::{self, Bundle, KeyringFile, PrivateEntry};
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey};
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::plan::{Fleet, Input, KeyName, Plan, State, plan};
use mintage_core::world::World;
use mintage_core::{Kid, Namespace, TenantRef, UnixTime};
use mintage_sidecar::clock::Clock;
use mintage_sidecar::files::{self, Files};

use super::inbox::Request;
use super::store::{Store, StoredKeyring};
use crate::progress::Progress;

/// The state between turns, in memory and in the folder.
pub struct Engine {
    store: Store,
    state: State,
    private: BTreeMap<Owner, KeyringFile>,
}

impl Engine {
    /// Takes up the state of the last run. The texts say what of it was damaged.
    pub fn open(store: Store) -> Result<(Self, Vec<String>)> {
        let state = Store::read_state(store.dir())?.unwrap_or_default();
        let mut private = BTreeMap::new();
        let mut complaints = Vec::new();
        for keyring in &state.keyrings {
            let owner = &keyring.owner;
            match store.read_keyring(owner) {
                StoredKeyring::Found { file, damaged } => {
                    for kid in damaged {
                        complaints.push(format!("private key {kid} of {owner} is damaged; a new key takes its place, and tokens under the old one stay good"));
                    }
                    private.insert(owner.clone(), file);
                }
                StoredKeyring::Damaged(cause) => complaints
                    .push(format!("the keyring of {owner} is damaged ({cause}); new keys take the place of its keys, and tokens under those stay good")),
                StoredKeyring::Missing => {}
            }
        }
        Ok((
            Self {
                store,
                state,
                private,
            },
            complaints,
        ))
    }

    /// The state folder.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The private keys of an owner, if it has any.
    pub fn keyring(&self, owner: &Owner) -> Option<&KeyringFile> {
        self.private.get(owner)
    }

    /// Carries out what is asked of the keys, and keeps that it was; the next turn makes what follows from it. The inner
    /// error says what is wrong with the request.
    pub fn carry_out(&mut self, now: UnixTime, request: &Request) -> Result<Result<(), String>> {
        let mut state = self.state.clone();
        if let Err(reason) = request.carry_out(now, &mut state) {
            return Ok(Err(reason));
        }
        self.store.write_state(&state)?;
        self.state = state;
        Ok(Ok(()))
    }

    /// One turn: plans, makes the keys that are wanted, and keeps the outcome. Private keys are kept before the state
    /// that publishes them, so a crash in between leaves keys that nobody was told of.
    ///
    /// A key's `propagationDelay` counts from the plan that publishes it, and making keys takes time. So each plan reads
    /// the clock anew: else a key whose making took longer than the delay would sign before anybody was told of it.
    pub fn turn(&mut self, clock: &impl Clock, world: &World) -> Result<Plan> {
        let mut made: BTreeMap<KeyName, (Jwk, PrivateEntry)> = BTreeMap::new();
        let stored: BTreeSet<Kid> = self
            .private
            .values()
            .flat_map(|file| &file.keys)
            .map(|entry| entry.kid.clone())
            .collect();
        // Once to learn which keys are wanted, once with them, once more for a rotation that came due meanwhile; after
        // that a key would never be enough.
        for _ in 0..3 {
            let now = clock.now();
            let fresh = made
                .iter()
                .map(|(name, (jwk, _))| (name.clone(), jwk.clone()))
                .collect();
            let private = stored
                .iter()
                .chain(made.values().map(|(jwk, _)| &jwk.kid))
                .cloned()
                .collect();
            let input = Input {
                world,
                state: &self.state,
                fresh: &fresh,
                brought: &BTreeMap::new(),
                private: &private,
                fleet: Fleet::UNKNOWN,
            };
            let plan = plan(now, input);
            if plan.wanted.is_empty() {
                self.keep(now, &plan, made)?;
                return Ok(plan);
            }
            made.extend(make_keys(&plan.wanted)?);
        }
        bail!("the plan asks for keys again after they were made")
    }

    fn keep(
        &mut self,
        now: UnixTime,
        plan: &Plan,
        made: BTreeMap<KeyName, (Jwk, PrivateEntry)>,
    ) -> Result<()> {
        let mut made: BTreeMap<Kid, PrivateEntry> = made
            .into_values()
            .map(|(jwk, entry)| (jwk.kid, entry))
            .collect();
        let mut private = BTreeMap::new();
        for keyring in &plan.state.keyrings {
            let before = self.private.get(&keyring.owner);
            let file = private_part(now, keyring, before, &mut made);
            if before != Some(&file) {
                self.store.write_keyring(&file)?;
            }
            private.insert(keyring.owner.clone(), file);
        }
        if self.state != plan.state {
            self.store.write_state(&plan.state)?;
        }
        self.private = private;
        self.state = plan.state.clone();
        Ok(())
    }

    /// What the sidecar of a pod would find in its volume, and the tenant's own keys beside.
    pub fn files(
        &self,
        bundle: &Bundle,
        tenant: &TenantRef,
        namespace: &Namespace,
    ) -> Result<Files> {
        let shards = bundle::split(bundle)?;
        let mut files = Files::default();
        for (index, shard) in shards.into_iter().enumerate() {
            files.insert(&files::bundle_name(index), shard);
        }
        let own = Owner::namespace(tenant.clone(), namespace.clone());
        for (name, owner) in [
            (files::KEYRING, own),
            (files::TENANT_KEYRING, Owner::tenant(tenant.clone())),
        ] {
            // A namespace without a grant has no keys, and needs none.
            let empty = KeyringFile::new(owner.clone());
            files.insert(
                name,
                self.private
                    .get(&owner)
                    .unwrap_or(&empty)
                    .to_bytes()
                    .to_vec(),
            );
        }
        Ok(files)
    }
}

/// The private keys that may still sign; those of retiring keys are forgotten.
fn private_part(
    now: UnixTime,
    keyring: &Keyring,
    before: Option<&KeyringFile>,
    made: &mut BTreeMap<Kid, PrivateEntry>,
) -> KeyringFile {
    let signs = keyring.keys.iter().filter(|key| key.needs_private(now));
    let find = |kid: &Kid| {
        before
            .and_then(|file| file.keys.iter().find(|entry| entry.kid == *kid))
            .cloned()
    };
    let keys = signs
        .filter_map(|key| made.remove(key.kid()).or_else(|| find(key.kid())))
        .collect();
    KeyringFile {
        keys,
        ..KeyringFile::new(keyring.owner.clone())
    }
}

/// Makes keys, several at a time: an RSA key takes about 70 ms.
fn make_keys(wanted: &BTreeSet<KeyName>) -> Result<BTreeMap<KeyName, (Jwk, PrivateEntry)>> {
    let wanted: Vec<&KeyName> = wanted.iter().collect();
    let share = wanted
        .len()
        .div_ceil(std::thread::available_parallelism().map_or(1, usize::from));
    let progress = Progress::begin("making keys", wanted.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = wanted
            .chunks(share)
            .map(|names| {
                let make = |name: &&KeyName| {
                    let made = make_key(name);
                    progress.advance();
                    made
                };
                scope.spawn(move || names.iter().map(make).collect::<Result<Vec<_>>>())
            })
            .collect();
        let mut made = BTreeMap::new();
        for worker in workers {
            made.extend(
                worker
                    .join()
                    .map_err(|_| anyhow::anyhow!("making a key failed"))??,
            );
        }
        Ok(made)
    })
}

fn make_key(name: &KeyName) -> Result<(KeyName, (Jwk, PrivateEntry))> {
    let alg = name.1;
    let pkcs8 = Pkcs8::generate(alg)?;
    let jwk = PrivateKey::from_pkcs8(alg, &pkcs8)?.jwk().clone();
    let entry = PrivateEntry {
        kid: jwk.kid.clone(),
        alg,
        pkcs8,
    };
    Ok((name.clone(), (jwk, entry)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::dev::folder::{self, Folder};

    /// Each look at it finds an hour gone by.
    struct Hours(AtomicI64);

    impl Clock for Hours {
        fn now(&self) -> UnixTime {
            UnixTime(self.0.fetch_add(3600, Ordering::SeqCst))
        }
    }

    #[test]
    fn a_key_that_took_long_to_make_is_published_when_it_is_made() {
        let quickstart = Path::new("../examples/quickstart");
        let manifests = folder::read(quickstart, None).unwrap();
        let world = Folder::observe(&manifests, std::iter::empty(), 2)
            .unwrap()
            .world;
        let dir = tempfile::tempdir().unwrap();
        let (mut engine, _) = Engine::open(Store::open(dir.path()).unwrap()).unwrap();

        let asked = UnixTime(1_800_000_000);
        let plan = engine
            .turn(&Hours(AtomicI64::new(asked.0)), &world)
            .unwrap();
        let published: BTreeSet<UnixTime> = plan
            .state
            .keyrings
            .iter()
            .flat_map(|keyring| &keyring.keys)
            .map(|key| key.published_at)
            .collect();
        assert_eq!(published, BTreeSet::from([asked + 3600]));
    }
}
