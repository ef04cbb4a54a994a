//! The files that a sidecar reads, as one consistent set.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use mintage_core::bundle::{self, MAX_PART, MAX_SHARDS};
use zeroize::Zeroizing;

/// The private keys of the pod's namespace.
pub const KEYRING: &str = "keyring.json";

/// The tenant's private keys; only `mintage dev` and the tenant endpoint have them.
pub const TENANT_KEYRING: &str = "tenant-keyring.json";

/// The name of a bundle's shard.
pub fn bundle_name(index: usize) -> String {
    format!("bundle-{index}")
}

/// No file is larger: a part, and its manifest line.
const MAX_FILE: u64 = MAX_PART as u64 + 4096;

/// File names and contents; wiped from memory when dropped.
#[derive(Clone, Default, Eq)]
pub struct Files(BTreeMap<String, Zeroizing<Vec<u8>>>);

/// The contents are compared in a time that depends on their lengths alone: private keys are among them.
impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(name, bytes): (&str, &[u8])| {
            let others = other.get(name);
            others.is_some_and(|others| verify_slices_are_equal(bytes, others).is_ok())
        };
        self.0.len() == other.0.len() && self.iter().all(is_same)
    }
}

/// The folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableFiles {
    /// The folder changed each time it was read.
    #[error("{0} changed while it was read, again and again")]
    Changing(PathBuf),
    /// The operating system refuses.
    #[error("{path}: {cause}")]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file is larger than a Secret can be.
    #[error("{0} is larger than any that Mintage writes")]
    TooLarge(PathBuf),
}

impl Files {
    /// Adds or replaces a file.
    pub fn insert(&mut self, name: &str, bytes: impl Into<Zeroizing<Vec<u8>>>) {
        self.0.insert(name.to_owned(), bytes.into());
    }

    /// Removes a file.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The version of the bundle, as its first shard has it.
    pub fn bundle_version(&self) -> Option<u64> {
        bundle::version(self.get(&bundle_name(0))?).ok()
    }

    /// Puts another bundle in the place of the one that is there.
    pub fn replace_bundle(&mut self, shards: &[Vec<u8>]) {
        for index in 0..MAX_SHARDS {
            let name = bundle_name(index);
            match shards.get(index) {
                Some(shard) => self.insert(&name, shard.clone()),
                None => self.remove(&name),
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A file's content.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|bytes| bytes.as_slice())
    }

    /// Names and contents.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Reads what a sidecar's folder has, as kubelet writes it: the link `..data` names the current version, and swapping
    /// it changes all files at once. A plain folder is read as it is.
    pub fn read(dir: &Path) -> Result<Self, UnreadableFiles> {
        let shards = (0..MAX_SHARDS).map(bundle_name);
        let names = [KEYRING.to_owned(), TENANT_KEYRING.to_owned()].into_iter();
        let names: Vec<String> = names.chain(shards).collect();
        Self::read_version(dir, |_| Ok(names.clone()))
    }

    /// Reads every file of a folder, in the same way.
    pub fn read_all(dir: &Path) -> Result<Self, UnreadableFiles> {
        Self::read_version(dir, list)
    }

    fn read_version(
        dir: &Path,
        names: impl Fn(&Path) -> Result<Vec<String>, UnreadableFiles>,
    ) -> Result<Self, UnreadableFiles> {
        for _ in 0..8 {
            let version = current_version(dir);
            let from = version.as_deref().unwrap_or(dir);
            let files = names(from).and_then(|names| Self::read_named(from, names));
            // A version that was swapped away in between may have been removed while it was read.
            if current_version(dir) == version {
                return files;
            }
        }
        Err(UnreadableFiles::Changing(dir.to_owned()))
    }

    fn read_named(dir: &Path, names: Vec<String>) -> Result<Self, UnreadableFiles> {
        let mut files = Self::default();
        for name in names {
            if let Some(bytes) = read_file(&dir.join(&name))? {
                files.0.insert(name, bytes);
            }
        }
        Ok(files)
    }
}

/// The names in a folder but kubelet's own, which begin with two dots; none if it is not there.
fn list(dir: &Path) -> Result<Vec<String>, UnreadableFiles> {
    let failed = |cause: std::io::Error| UnreadableFiles::Io {
        path: dir.to_owned(),
        cause,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A key of a Secret is ASCII.
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string()
            && !name.starts_with("..")
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Where `..data` points.
fn current_version(dir: &Path) -> Option<PathBuf> {
    fs::read_link(dir.join("..data"))
        .ok()
        .map(|target| dir.join(target))
}

fn read_file(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, UnreadableFiles> {
    let read = || {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(path)?
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE => {
            Err(UnreadableFiles::TooLarge(path.to_owned()))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if std::io::Error::kind(&cause) == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(UnreadableFiles::Io {
            path: path.to_owned(),
            cause,
        }),
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
