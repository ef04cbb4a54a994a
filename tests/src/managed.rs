//! The Secrets that the operator keeps for workloads.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use mintage_core::bundle::KeyringFile;
use mintage_core::managed;

/// Those of one content, as `keyring` or `bundle`.
pub async fn secrets(client: &Client, content: &str) -> Result<Vec<Secret>> {
    let api: Api<Secret> = Api::all(client.clone());
    let label = format!("{}={content}", managed::LABEL);
    Ok(api.list(&ListParams::default().labels(&label)).await?.items)
}

/// The names of the private keys, by the Secrets that hold them.
pub async fn private_keys(client: &Client) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut keys = BTreeMap::new();
    for secret in secrets(client, "keyring").await? {
        let place = format!(
            "{}/{}",
            secret.namespace().unwrap_or_default(),
            secret.name_any()
        );
        let data = secret.data.unwrap_or_default();
        let bytes = data.into_values().next().context("an empty keyring")?;
        let file = KeyringFile::parse(&bytes.0).with_context(|| place.clone())?;
        let names = file.keys.iter().map(|key| key.kid.to_string());
        keys.insert(place, names.collect());
    }
    Ok(keys)
}
