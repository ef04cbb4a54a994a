//! Being somebody to a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::authority::Authority;
use super::folder::Folder;

/// The user that tests are when they are nobody in particular.
pub const ADMIN: &str = "mintage-tests";

/// The group that may do everything.
pub const MASTERS: &str = "system:masters";

/// A Kubernetes API, and how to become any of its users.
pub struct Cluster {
    folder: Folder,
    door: Door,
    url: String,
    /// Whether every namespace gets a `ServiceAccount`.
    accounts: bool,
    files: AtomicU32,
}

enum Door {
    /// Who has a certificate of the authority is its subject.
    Authority(Authority),
    /// The user of a kubeconfig that was given acts as the others.
    Given(Kubeconfig),
}

impl Cluster {
    /// Behind a door of ours.
    pub(super) fn ours(folder: Folder, authority: Authority, url: String, accounts: bool) -> Self {
        Self {
            folder,
            door: Door::Authority(authority),
            url,
            accounts,
            files: AtomicU32::new(0),
        }
    }

    /// The cluster of a kubeconfig's current context, whose user has to be one that may act as others.
    pub fn given(file: &Path) -> Result<Self> {
        let config = Kubeconfig::read_from(file).with_context(|| file.display().to_string())?;
        let current = config.current_context.as_ref();
        let context = config
            .contexts
            .iter()
            .find(|one| Some(&one.name) == current);
        let context = context.and_then(|one| one.context.as_ref());
        let cluster = context.and_then(|context| {
            let mut named = config.clusters.iter();
            named
                .find(|one| one.name == context.cluster)?
                .cluster
                .as_ref()
        });
        let url = cluster.and_then(|cluster| cluster.server.clone());
        let url = url.with_context(|| format!("{} has no current context", file.display()))?;
        Ok(Self {
            folder: Folder::new()?,
            door: Door::Given(config),
            url,
            accounts: true,
            files: AtomicU32::new(0),
        })
    }

    /// Where the API is.
    pub fn api_server_url(&self) -> &str {
        &self.url
    }

    /// Whether it is the cluster of [`super::KUBECONFIG`], which is there before the tests and after them.
    pub fn is_given(&self) -> bool {
        matches!(self.door, Door::Given(_))
    }

    pub(super) fn makes_accounts(&self) -> bool {
        self.accounts
    }

    /// A folder for what belongs to the cluster; it is gone when the test process is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client that may do everything.
    ///
    /// A client belongs to the runtime that it was made in, which `#[tokio::test]` makes for each test: make one in
    /// each test.
    pub async fn admin(&self) -> Result<Client> {
        self.client(ADMIN, &[MASTERS]).await
    }

    /// A client of a user.
    pub async fn client(&self, user: &str, groups: &[&str]) -> Result<Client> {
        client(self.config(user, groups)?).await
    }

    /// The path of a kubeconfig file of a user.
    pub fn kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        self.write(&self.config(user, groups)?)
    }

    /// The same for a `ServiceAccount` that is there, by a token of an hour from its `TokenRequest`.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.service_account_token(namespace, name, &[]).await?;
        self.write(&self.config_with(&json!({ "token": token }))?)
    }

    /// A client of a `ServiceAccount` that is there.
    pub async fn service_account_client(&self, namespace: &str, name: &str) -> Result<Client> {
        let token = self.service_account_token(namespace, name, &[]).await?;
        client(self.config_with(&json!({ "token": token }))?).await
    }

    /// A token of a `ServiceAccount` that is there, for audiences; for the API server where there are none.
    pub async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[&str],
    ) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences
                    .iter()
                    .map(|&audience| audience.to_owned())
                    .collect(),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let answer = accounts
            .create_token_request(name, &params, &request)
            .await?;
        Ok(answer.status.context("no status")?.token)
    }

    /// The kubeconfig of a user.
    fn config(&self, user: &str, groups: &[&str]) -> Result<Value> {
        match &self.door {
            Door::Authority(authority) => {
                let identity = |name: &str, group| -> Result<Value> {
                    let identity = authority.user(name, group)?;
                    let (certificate, key) = (base64(&identity.certificate), base64(&identity.key));
                    Ok(json!({ "client-certificate-data": certificate, "client-key-data": key }))
                };
                let entry = match groups {
                    [] => identity(user, None)?,
                    [group] => identity(user, Some(group))?,
                    // No certificate of rcgen's names several: who may do everything acts as the user.
                    _ => acting(identity(ADMIN, Some(MASTERS))?, user, groups),
                };
                self.config_with(&entry)
            }
            Door::Given(_) if (user, groups) == (ADMIN, &[MASTERS]) => self.config_with(&json!({})),
            Door::Given(_) => self.config_with(&acting(json!({}), user, groups)),
        }
    }

    /// A kubeconfig of this cluster with an entry for the user; in that of a given one, the entry is added to its own.
    fn config_with(&self, entry: &Value) -> Result<Value> {
        match &self.door {
            Door::Authority(authority) => Ok(json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "tests",
                "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": "tests" } }],
                "clusters": [{ "name": "tests", "cluster": {
                    "server": self.url, "certificate-authority-data": base64(&authority.pem),
                } }],
                "users": [{ "name": "tests", "user": entry }],
            })),
            Door::Given(config) => {
                let mut config = serde_json::to_value(config)?;
                let users = config["users"].as_array_mut().into_iter().flatten();
                for user in users {
                    // A token is somebody by itself.
                    if !entry["token"].is_null() {
                        user["user"] = json!({});
                    }
                    for (name, value) in entry.as_object().into_iter().flatten() {
                        user["user"][name] = value.clone();
                    }
                }
                Ok(config)
            }
        }
    }

    fn write(&self, config: &Value) -> Result<PathBuf> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let file = self.folder().join(format!("kubeconfig-{number}"));
        // JSON is YAML.
        fs::write(&file, config.to_string())?;
        Ok(file)
    }
}

/// A user's entry that acts as another user.
fn acting(mut entry: Value, user: &str, groups: &[&str]) -> Value {
    entry["as"] = user.into();
    entry["as-groups"] = groups.into();
    entry
}

async fn client(config: Value) -> Result<Client> {
    // The only one that is built in, whoever comes first.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let config: Kubeconfig = serde_json::from_value(config)?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
