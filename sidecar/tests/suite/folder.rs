//! A folder as kubelet keeps it: `..data` links to the current version, and names link into `..data`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use mintage_core::bundle::{Bundle, split};
use mintage_core::keyring::Owner;
use mintage_sidecar::files::{Files, KEYRING, bundle_name};
use tempfile::TempDir;

use crate::cluster::{Cluster, name};

pub struct Folder {
    dir: TempDir,
    version: usize,
}

impl Folder {
    pub fn new(files: &Files) -> Self {
        let mut folder = Self {
            dir: TempDir::new().unwrap(),
            version: 0,
        };
        folder.swap(files);
        folder
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Brings a new version, all files at once, and removes the old one.
    pub fn swap(&mut self, files: &Files) {
        let path = |name: &str| self.dir.path().join(name);
        let old = path(&format!("..{}", self.version));
        self.version += 1;
        let new = format!("..{}", self.version);
        fs::create_dir(path(&new)).unwrap();
        for (name, bytes) in files.iter() {
            fs::write(path(&new).join(name), bytes).unwrap();
            if fs::symlink_metadata(path(name)).is_err() {
                symlink(format!("..data/{name}"), path(name)).unwrap();
            }
        }
        symlink(&new, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        if old.exists() {
            fs::remove_dir_all(old).unwrap();
        }
    }
}

/// The files of a namespace, as the operator writes them.
pub fn files(cluster: &Cluster, tenant: &str, namespace: &str) -> Files {
    let mut files = Files::default();
    put_bundle(&mut files, cluster.bundle(tenant, namespace));
    let owner = Owner::namespace(name(tenant), name(namespace));
    files.insert(KEYRING, cluster.keyring_file(&owner).to_bytes());
    files
}

/// Puts a bundle into a set of files.
pub fn put_bundle(files: &mut Files, bundle: &Bundle) {
    for (index, shard) in split(bundle).unwrap().into_iter().enumerate() {
        files.insert(&bundle_name(index), shard);
    }
}

/// The same bundle in two shards.
pub fn in_two_shards(files: &Files) -> Files {
    let mut files = files.clone();
    let shard = files.get("bundle-0").unwrap().to_vec();
    let end = shard.iter().position(|byte| *byte == b'\n').unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&shard[..end]).unwrap();
    let part = &shard[end + 1..];
    let (first, second) = part.split_at(part.len() / 2);
    manifest["shards"] = 2.into();
    for (index, part) in [first, second].into_iter().enumerate() {
        manifest["index"] = index.into();
        let mut bytes = manifest.to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(part);
        files.insert(&format!("bundle-{index}"), bytes);
    }
    files
}
