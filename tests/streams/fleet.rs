//! Sidecars that only follow.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use mintage_core::bundle::{Bundle, join};
use mintage_core::keyring::State;
use mintage_core::{TenantRef, managed};
use mintage_crds::{ApiAudience, Tenant};
use mintage_sidecar::feed::{self, Inlet, Outlet, Standing};
use mintage_sidecar::metrics::Metrics;
use mintage_tests::cluster::within;
use mintage_tests::permissions::WEBHOOK;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The tenant: its namespace and its name.
pub const TENANT: (&str, &str) = ("identity", "acme");

/// So many namespaces share the pods.
const NAMESPACES: usize = 10;

/// So many requests at once.
const AT_ONCE: usize = 24;

/// All of them.
pub struct Fleet {
    sidecars: Vec<Sidecar>,
    bundles: BTreeMap<String, Bundle>,
    heard: mpsc::UnboundedReceiver<Heard>,
    tell: mpsc::UnboundedSender<Heard>,
    metrics: Arc<Metrics>,
}

/// Which sidecar has which bundle, and since when.
type Heard = (usize, Bundle, Instant);

struct Sidecar {
    namespace: String,
    ends: Option<(Inlet, Outlet)>,
}

/// A configuration that selects nothing: the operator keeps its certificate for it.
pub async fn webhook(client: &Client) -> Result<()> {
    let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
        "metadata": {"name": WEBHOOK},
        "webhooks": [{
            "name": "inject.mintage.dev",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://127.0.0.1:1/inject"},
            "namespaceSelector": {"matchLabels": {"tests.mintage.dev/none": "none"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "sideEffects": "None",
        }],
    }))?;
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    api.create(&PostParams::default(), &configuration).await?;
    Ok(())
}

impl Fleet {
    /// Makes the pods, and a folder for each with its token.
    pub async fn make(client: &Client, pods: usize, folder: &Path) -> Result<Self> {
        resources(client).await?;
        let made = futures::stream::iter((0..pods).map(|number| {
            let (client, folder) = (client.clone(), folder.join(format!("sidecar-{number}")));
            async move { one(&client, number, &folder).await }
        }));
        let sidecars = made.buffer_unordered(AT_ONCE).try_collect().await?;
        let (tell, heard) = mpsc::unbounded_channel();
        Ok(Self {
            sidecars,
            bundles: BTreeMap::new(),
            heard,
            tell,
            metrics: Arc::default(),
        })
    }

    /// Reads what the mounts would hold, once it names the stream.
    pub async fn read_bundles(&mut self, client: &Client) -> Result<()> {
        let tenant = TenantRef::parse(&format!("{}/{}", TENANT.0, TENANT.1))?;
        for number in 0..NAMESPACES {
            let name = namespace(number);
            let api: Api<Secret> = Api::namespaced(client.clone(), &name);
            let patience = Duration::from_mins(2);
            let bundle = within(patience, "the bundle names the stream", async || {
                let secret = api.get(&managed::bundle(&tenant, 0)).await?;
                let data = secret.data.context("no data")?;
                let bundle: Bundle = join(&[data.get("bundle-0").map(|bytes| &*bytes.0)])?;
                ensure!(bundle.body.feed.is_some());
                Ok(bundle)
            })
            .await?;
            self.bundles.insert(name, bundle);
        }
        Ok(())
    }

    /// Has all of them follow.
    pub fn follow(&mut self) {
        for (number, sidecar) in self.sidecars.iter_mut().enumerate() {
            let Some((inlet, outlet)) = sidecar.ends.take() else {
                continue;
            };
            let Inlet {
                mut pushed,
                standing,
            } = inlet;
            standing.send_replace(standing_on(&self.bundles[&sidecar.namespace]));
            tokio::spawn(feed::follow(outlet, Arc::clone(&self.metrics)));
            let tell = self.tell.clone();
            tokio::spawn(async move {
                while pushed.changed().await.is_ok() {
                    let at = Instant::now();
                    let news = pushed.borrow_and_update().clone();
                    let Some(news) = news else { continue };
                    let shards: Vec<Option<&[u8]>> = news
                        .shards
                        .iter()
                        .map(|shard| Some(shard.as_slice()))
                        .collect();
                    // What cannot be read is never acknowledged, and that is found.
                    let Ok(bundle): Result<Bundle, _> = join(&shards) else {
                        continue;
                    };
                    standing.send_replace(standing_on(&bundle));
                    if tell.send((number, bundle, at)).is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// The key of the tenant itself.
    pub fn tenant_kid(&self) -> Option<String> {
        let mut keys = self.bundles.values().flat_map(|bundle| &bundle.body.keys);
        let own = keys.find(|trusted| trusted.namespace.is_none());
        own.map(|trusted| trusted.key.kid().to_string())
    }

    /// How long after a moment each of them had a bundle in which a key is revoked, sorted.
    pub async fn heard(
        &mut self,
        kid: &str,
        since: Instant,
        patience: Duration,
    ) -> Result<Vec<Duration>> {
        let mut times = BTreeMap::new();
        while times.len() < self.sidecars.len() {
            let next = timeout_at(since + patience, self.heard.recv()).await;
            let next = next.with_context(|| format!("only {} have heard", times.len()))?;
            let (number, bundle, at) = next.context("nobody is left to tell")?;
            let is_revoked = bundle.body.keys.iter().any(|trusted| {
                trusted.key.kid().as_str() == kid
                    && trusted.key.state(bundle.renewed_at) == State::Revoked
            });
            if is_revoked {
                times
                    .entry(number)
                    .or_insert_with(|| at.duration_since(since));
            }
        }
        let mut times: Vec<_> = times.into_values().collect();
        times.sort();
        Ok(times)
    }
}

fn standing_on(bundle: &Bundle) -> Standing {
    Standing {
        tenant: Some(bundle.body.tenant.clone()),
        version: bundle.version,
        renewed_at: bundle.renewed_at,
        refused: None,
        feed: bundle.body.feed.clone(),
    }
}

fn namespace(number: usize) -> String {
    format!("n{}", number % NAMESPACES)
}

async fn resources(client: &Client) -> Result<()> {
    let params = PostParams::default();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let labels = json!({"mintage.dev/injection": "enabled"});
    let names = (0..NAMESPACES).map(namespace).chain([TENANT.0.to_owned()]);
    for name in names {
        let object = json!({"metadata": {"name": name, "labels": labels}});
        namespaces
            .create(&params, &serde_json::from_value(object)?)
            .await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
        let account = json!({"metadata": {"name": "app"}});
        accounts
            .create(&params, &serde_json::from_value(account)?)
            .await?;
    }
    let tenant = json!({"domain": "acme.test", "allowedNamespaces": {"from": "All"}});
    put::<Tenant>(client, "Tenant", TENANT, tenant).await?;
    for number in 0..NAMESPACES {
        let name = namespace(number);
        let audience = json!({
            "tenantRef": {"namespace": TENANT.0, "name": TENANT.1},
            "identifier": format!("https://{name}.test"),
            "scopes": [{"name": "read"}],
            "grants": [{"workload": {"namespace": name, "serviceAccount": "app"}, "scopes": ["read"]}],
        });
        put::<ApiAudience>(client, "ApiAudience", (&name, "api"), audience).await?;
    }
    Ok(())
}

async fn put<K>(client: &Client, kind: &str, at: (&str, &str), spec: Value) -> Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), at.0);
    let object = json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": at.1},
        "spec": spec,
    });
    let params = PatchParams::apply("tests").force();
    api.patch(at.1, &params, &Patch::Apply(&object)).await?;
    Ok(())
}

/// A pod that counts as injected, and its token in a folder.
async fn one(client: &Client, number: usize, folder: &Path) -> Result<Sidecar> {
    let (namespace, name) = (namespace(number), format!("app-{number}"));
    let pod = json!({
        "metadata": {
            "name": name,
            "annotations": {
                "mintage.dev/injection-hash": "simulated",
                "mintage.dev/injected-tenant": format!("{}/{}", TENANT.0, TENANT.1),
            },
        },
        "spec": {"serviceAccountName": "app", "containers": [{"name": "app", "image": "app"}]},
    });
    let params = PostParams::default();
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let pod = pods.create(&params, &serde_json::from_value(pod)?).await?;
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pod.uid()});
    let request: TokenRequest = serde_json::from_value(json!({
        "spec": {"audiences": ["mintage.dev"], "expirationSeconds": 3600, "boundObjectRef": bound},
    }))?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let answer = accounts
        .create_token_request("app", &params, &request)
        .await?;
    let token = answer.status.context("no token")?.token;
    std::fs::create_dir(folder)?;
    std::fs::write(folder.join(feed::TOKEN), token)?;
    Ok(Sidecar {
        namespace,
        ends: Some(feed::ends(folder)),
    })
}
