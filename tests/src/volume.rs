//! What kubelet does with the projected volume of an injected pod: the Secrets of a namespace as files of a folder, all
//! swapped at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use mintage_core::TenantRef;
use mintage_core::bundle::MAX_SHARDS;
use mintage_core::managed;

/// Files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The volume of one pod.
pub struct Volume {
    client: Client,
    namespace: String,
    tenant: TenantRef,
    dir: PathBuf,
    version: u32,
    files: Files,
}

impl Volume {
    /// For a pod of a namespace under a tenant, as `identity/acme`; the folder is made.
    pub fn new(client: Client, namespace: &str, tenant: &str, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self {
            client,
            namespace: namespace.to_owned(),
            tenant: TenantRef::parse(tenant)?,
            dir: dir.to_owned(),
            version: 0,
            files: BTreeMap::new(),
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the Secrets hold now.
    pub async fn read(&self) -> Result<Files> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut files = BTreeMap::new();
        // As the pod's volume has them: the keyring is required, the shards are optional.
        let keyring = managed::keyring(&self.tenant);
        let keyring = api.get(&keyring).await.context(keyring)?;
        files.extend(contents(keyring));
        for index in 0..MAX_SHARDS {
            let shard = api.get_opt(&managed::bundle(&self.tenant, index)).await?;
            files.extend(shard.into_iter().flat_map(contents));
        }
        Ok(files)
    }

    /// The files of each Secret of the volume, by its name, in one request.
    pub async fn secrets(&self) -> Result<BTreeMap<String, Files>> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default().labels(managed::LABEL);
        let mut names: BTreeSet<_> = (0..MAX_SHARDS)
            .map(|index| managed::bundle(&self.tenant, index))
            .collect();
        names.insert(managed::keyring(&self.tenant));
        let secrets = api.list(&params).await?.items.into_iter();
        Ok(secrets
            .map(|secret| (secret.name_any(), secret))
            .filter(|(name, _)| names.contains(name))
            .map(|(name, secret)| (name, contents(secret).collect()))
            .collect())
    }

    /// Brings the folder to files that were read; whether any changed.
    pub fn write(&mut self, files: Files) -> Result<bool> {
        if files == self.files {
            return Ok(false);
        }
        self.version += 1;
        let version = format!("..{}", self.version);
        let dir = self.dir.join(&version);
        fs::create_dir(&dir)?;
        for (name, bytes) in &files {
            fs::write(dir.join(name), bytes)?;
            let link = self.dir.join(name);
            if !link.exists() {
                // A link to a file that is gone is there and does not exist.
                fs::remove_file(&link).ok();
                symlink(Path::new("..data").join(name), &link)?;
            }
        }
        let fresh = self.dir.join("..data_tmp");
        symlink(&version, &fresh)?;
        fs::rename(&fresh, self.dir.join("..data"))?;
        if self.version > 1 {
            fs::remove_dir_all(self.dir.join(format!("..{}", self.version - 1)))?;
        }
        self.files = files;
        Ok(true)
    }

    /// Brings the folder to what the Secrets hold now; whether any file changed.
    pub async fn sync(&mut self) -> Result<bool> {
        let files = self.read().await?;
        self.write(files)
    }
}

fn contents(secret: Secret) -> impl Iterator<Item = (String, Vec<u8>)> {
    let data = secret.data.unwrap_or_default();
    data.into_iter().map(|(name, bytes)| (name, bytes.0))
}
