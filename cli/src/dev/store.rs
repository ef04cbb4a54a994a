//! What `mintage dev` keeps between runs: the state of the plan, the private keys, and the certificate authority.
//!
//! ```text
//! .mintage/
//!   .gitignore                      everything in here stays out of git
//!   state.json                      names, promises, public keys (core's `State`)
//!   keys/<namespace>/….json         private keys, one file for each owner, as Secrets hold them in a cluster
//!   ca.pem                          the public part of the local certificate authority
//!   tls/                            its private part
//!   dev.json                        where the running `mintage dev` listens
//!   requests/                       what `mintage keys rotate` and `revoke` ask of it
//!   lock                            held while one runs
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use mintage_core::Kid;
use mintage_core::bundle::KeyringFile;
use mintage_core::keyring::Owner;
use mintage_core::plan::State;

/// The folder, locked for this process.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Holds the lock as long as the store lives.
    _lock: File,
}

/// A private keyring as found.
#[derive(Debug)]
pub enum StoredKeyring {
    /// It is there; keys that cannot be used were left out and are named.
    Found {
        /// What is usable.
        file: KeyringFile,
        /// What is not.
        damaged: BTreeSet<Kid>,
    },
    /// It is there and cannot be read at all.
    Damaged(String),
    /// It is not there.
    Missing,
}

impl Store {
    /// Opens or makes the folder.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::try_open(dir)?.ok_or_else(|| {
            anyhow!(
                "another `mintage dev` uses {}; stop it, let it serve the second workload too (--also), or choose another folder with --state-dir",
                dir.display()
            )
        })
    }

    /// Opens or makes the folder, unless somebody else uses it.
    pub fn try_open(dir: &Path) -> Result<Option<Self>> {
        let context = || {
            format!(
                "cannot use {} for the state; choose another folder with --state-dir",
                dir.display()
            )
        };
        make_dir(dir).with_context(context)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(dir.join("lock"));
        let lock = lock.with_context(context)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).with_context(context),
        }
        let store = Self {
            dir: dir.to_owned(),
            _lock: lock,
        };
        store.write(".gitignore", b"*\n", 0o600)?;
        Ok(Some(store))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The state of the last run, if there is one. It needs no lock, since states are replaced as a whole.
    pub fn read_state(dir: &Path) -> Result<Option<State>> {
        let path = dir.join("state.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!(
                    "{} is damaged; restore it, or delete {} to start afresh with new keys (every token made so far is then refused)",
                    path.display(),
                    dir.display()
                )
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps a state.
    pub fn write_state(&self, state: &State) -> Result<()> {
        self.write("state.json", &serde_json::to_vec_pretty(state)?, 0o600)
    }

    /// Reads the private keys of an owner.
    pub fn read_keyring(&self, owner: &Owner) -> StoredKeyring {
        let bytes = match fs::read(self.dir.join(keyring_path(owner))) {
            Ok(bytes) => zeroize::Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return StoredKeyring::Missing,
            Err(error) => return StoredKeyring::Damaged(error.to_string()),
        };
        match KeyringFile::parse(&bytes) {
            Ok(file) if file.owner != *owner => {
                StoredKeyring::Damaged("it belongs to another owner".to_owned())
            }
            Ok(mut file) => {
                let unusable = |entry: &mintage_core::bundle::PrivateEntry| entry.open().is_err();
                let damaged = file
                    .keys
                    .iter()
                    .filter(|entry| unusable(entry))
                    .map(|entry| entry.kid.clone())
                    .collect();
                file.keys.retain(|entry| !unusable(entry));
                StoredKeyring::Found { file, damaged }
            }
            Err(error) => StoredKeyring::Damaged(error.to_string()),
        }
    }

    /// Keeps the private keys of an owner.
    pub fn write_keyring(&self, file: &KeyringFile) -> Result<()> {
        self.write(&keyring_path(&file.owner), &file.to_bytes(), 0o600)
    }

    /// Reads a file; `None` if it is not there.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {}", self.dir.join(path).display()))
            }
        }
    }

    /// Writes a file of the folder, whole or not at all.
    pub fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        write_whole(&self.dir.join(path), bytes, mode)
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, path: &str) {
        // Left behind it does no harm: the next run writes it anew.
        drop(fs::remove_file(self.dir.join(path)));
    }
}

/// Writes a file whole or not at all: a new file beside it, synced, then renamed over it.
pub fn write_whole(target: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let write = || -> Result<()> {
        let parent = target.parent().ok_or_else(|| anyhow!("no parent folder"))?;
        make_dir(parent)?;
        let temporary = target.with_extension("new");
        let replaced =
            write_new(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, target));
        if let Err(error) = replaced {
            // Half of a file would take the room that is short.
            drop(fs::remove_file(&temporary));
            return Err(error.into());
        }
        File::open(parent)?.sync_all()?;
        Ok(())
    };
    write().map_err(|error| {
        let hint = if is_full(&error) {
            ": free some space there, or choose another folder with --state-dir"
        } else {
            ""
        };
        let target = target.display();
        error.context(format!("cannot write {target}; nothing was changed{hint}"))
    })
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn is_full(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref().map(std::io::Error::kind);
    matches!(
        kind,
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    )
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// As the Secrets are named in a cluster; neither tenants nor namespaces have dots in their names.
fn keyring_path(owner: &Owner) -> String {
    let tenant = &owner.tenant;
    match &owner.namespace {
        None => format!(
            "keys/{}/mintage-tenant-keys.{}.json",
            tenant.namespace, tenant.name
        ),
        Some(namespace) => format!(
            "keys/{namespace}/mintage-keys.{}.{}.json",
            tenant.namespace, tenant.name
        ),
    }
}
