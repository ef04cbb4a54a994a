//! Namespaces of tests.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace as Object, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};

use super::access::{ADMIN, Cluster, MASTERS};
use super::wait::eventually;

/// A namespace of a name that no other test has. In a cluster that was given, it is deleted with this value.
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Whose access deletes it, where that has to be.
    cleaner: Option<PathBuf>,
}

impl Cluster {
    /// Makes a namespace with labels, whose name begins with a word. It has its `ServiceAccount`, `default`, which no
    /// controller makes where there is none.
    pub async fn namespace(&self, word: &str, labels: &[(&str, &str)]) -> Result<Namespace> {
        let client = self.admin().await?;
        let labels = labels
            .iter()
            .map(|&(key, value)| (key.into(), value.into()));
        let object = Object {
            metadata: ObjectMeta {
                generate_name: Some(format!("{word}-")),
                labels: Some(labels.collect()),
                ..ObjectMeta::default()
            },
            ..Object::default()
        };
        let api: Api<Object> = Api::all(client.clone());
        let name = api
            .create(&PostParams::default(), &object)
            .await?
            .name_any();
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &name);
        if self.makes_accounts() {
            eventually(&format!("{name} has its ServiceAccount"), async || {
                Ok(accounts.get("default").await.map(drop)?)
            })
            .await?;
        } else {
            let mut account = ServiceAccount::default();
            account.metadata.name = Some("default".into());
            accounts.create(&PostParams::default(), &account).await?;
        }
        let cleaner = if self.is_given() {
            Some(self.kubeconfig(ADMIN, &[MASTERS])?)
        } else {
            None
        };
        Ok(Namespace { name, cleaner })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let Some(kubeconfig) = &self.cleaner else {
            return;
        };
        let Ok(Ok(kubectl)) = super::programs::program("kubectl") else {
            return;
        };
        std::process::Command::new(kubectl)
            .args(["delete", "namespace", "--wait=false", &self.name])
            .env("KUBECONFIG", kubeconfig)
            .output()
            .ok();
    }
}
