//! A webhook in this process, and an API server that calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use mintage_core::world::{AllowedNamespaces, NamespaceInfo, Tenant, World};
use mintage_core::{Namespace as Name, UnixTime};
use mintage_operator::inject::{Settings, inject};
use mintage_operator::snapshot::Snapshot;
use mintage_operator::tls::{self, Certificates, Config, Mode, Policy};
use mintage_operator::webhook::{Inject, Metrics, Options, Server, Webhook};
use mintage_sidecar::clock::SystemClock;
use mintage_tests::cluster::{ControlPlane, Namespace, eventually, local, rule};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The Secret with the certificate.
pub const SECRET: &str = "mintage-webhook-tls";

/// Label of the namespaces in which the webhooks of one scene are asked.
const SCENE: &str = "tests.mintage.dev/scene";

/// A webhook, as `MutatingWebhookConfiguration` has it, and what answers it.
pub struct Hook {
    pub name: &'static str,
    pub inject: Inject,
    pub reinvocation: &'static str,
}

/// The real one.
pub const OURS: Hook = Hook {
    name: "ours.mintage.dev",
    inject,
    reinvocation: "IfNeeded",
};

/// A control plane with a webhook.
pub struct Scene {
    pub plane: &'static ControlPlane,
    pub client: Client,
    /// The operator's namespace.
    pub operator: Namespace,
    /// An enabled namespace of a tenant, where `restricted` is enforced.
    pub shop: Namespace,
    /// The name of the webhook configuration.
    pub configuration: String,
    pub certificates: Certificates,
    pub metrics: Arc<Metrics>,
    /// Who the operator is.
    pub user: String,
    tasks: Vec<JoinHandle<()>>,
    _end: watch::Sender<bool>,
    _snapshots: watch::Sender<Option<Arc<Snapshot>>>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Scene {
    /// The real webhook, with certificates that last.
    pub async fn usual(test: &str) -> Result<Option<Self>> {
        Self::start(test, Policy::default(), &[OURS]).await
    }

    /// Starts webhooks, and waits until API servers trust them. Without a control plane the test is skipped: return.
    pub async fn start(test: &str, policy: Policy, hooks: &[Hook]) -> Result<Option<Self>> {
        let scene = Self::begin(test, policy, hooks).await?;
        if let Some(scene) = &scene {
            scene.trusted().await?;
        }
        Ok(scene)
    }

    /// The same for webhooks whose pods are refused.
    pub async fn start_untested(test: &str, hooks: &[Hook]) -> Result<Option<Self>> {
        Self::begin(test, Policy::default(), hooks).await
    }

    async fn begin(test: &str, policy: Policy, hooks: &[Hook]) -> Result<Option<Self>> {
        let Some(plane) = local(test).await? else {
            return Ok(None);
        };
        let operator = plane.namespace("operator", &[]).await?;
        let configuration = operator.name.clone();
        let labels = [
            ("mintage.dev/injection", "enabled"),
            ("pod-security.kubernetes.io/enforce", "restricted"),
            (SCENE, configuration.as_str()),
        ];
        let shop = plane.namespace("shop", &labels).await?;
        let user = format!("operator-of-{configuration}");
        permit(plane, &user, &configuration).await?;
        let as_operator = plane.client(&user, &[]).await?;

        let config = Config {
            feed: None,
            mode: Mode::Made {
                configuration: configuration.clone(),
                policy,
            },
            names: BTreeSet::from(["127.0.0.1".to_owned()]),
            namespace: configuration.parse()?,
            secret: SECRET.parse()?,
        };
        let metrics = Arc::new(Metrics::default());
        let clock = Arc::new(SystemClock);
        let certificates = tls::follow(
            as_operator.clone(),
            &config,
            Arc::clone(&clock) as _,
            &metrics,
        );
        let keeper = tokio::spawn(tls::keep(as_operator, config, clock));

        let (end, ended) = watch::channel(false);
        let (snapshots, following) = watch::channel(Some(Arc::new(snapshot(&shop)?)));
        let (mut tasks, mut entries) = (vec![keeper], Vec::new());
        for hook in hooks {
            let options = Options {
                listen: ([127, 0, 0, 1], 0).into(),
                linger: Duration::ZERO,
            };
            let server = Server::bind(options, &certificates)?;
            entries.push(entry(hook, server.local_addr()?, &configuration));
            let webhook = Webhook {
                inject: hook.inject,
                metrics: if hook.name == OURS.name {
                    Arc::clone(&metrics)
                } else {
                    Arc::default()
                },
                settings: Arc::new(Settings::default()),
                snapshots: following.clone(),
            };
            tasks.push(tokio::spawn(server.serve(webhook, ended.clone())));
        }
        let client = plane.admin().await?;
        let object: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": { "name": configuration }, "webhooks": entries,
        }))?;
        let scene = Self {
            plane,
            client,
            operator,
            shop,
            configuration,
            certificates,
            metrics,
            user,
            tasks,
            _end: end,
            _snapshots: snapshots,
        };
        scene
            .configurations()
            .create(&PostParams::default(), &object)
            .await?;
        Ok(Some(scene))
    }

    pub fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.operator.name)
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.shop.name)
    }

    /// Waits until a pod can be made.
    pub async fn trusted(&self) -> Result<()> {
        eventually("the API server trusts the webhook", async || {
            let pod = pod(json!({}))?;
            self.dry_run(&pod).await.map(drop)
        })
        .await
    }

    /// Makes a pod, as far as the admission goes.
    pub async fn dry_run(&self, pod: &Pod) -> Result<Pod> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        Ok(self.pods().create(&params, pod).await?)
    }

    /// Makes a pod, with changes laid over it; what was stored.
    pub async fn make(&self, changes: Value) -> Result<Value> {
        let made = self
            .pods()
            .create(&PostParams::default(), &pod(changes)?)
            .await?;
        Ok(serde_json::to_value(made)?)
    }

    /// What is said to who makes a pod that is refused.
    pub async fn refusal(&self, changes: Value) -> Result<kube::core::Status> {
        match self
            .pods()
            .create(&PostParams::default(), &pod(changes)?)
            .await
        {
            Err(kube::Error::Api(status)) => Ok(*status),
            Err(other) => Err(other.into()),
            Ok(_) => anyhow::bail!("it was admitted"),
        }
    }

    /// What the API server has as the `caBundle`s.
    pub async fn bundles(&self) -> Result<Vec<String>> {
        let found = self.configurations().get(&self.configuration).await?;
        let webhooks = found.webhooks.context("no webhooks")?.into_iter();
        let bundles = webhooks.map(|one| {
            one.client_config
                .ca_bundle
                .map_or_else(Vec::new, |bytes| bytes.0)
        });
        bundles.map(|bytes| Ok(String::from_utf8(bytes)?)).collect()
    }

    /// How often the operator has written something.
    pub fn writes(&self) -> Result<usize> {
        let events = self.plane.audit()?.into_iter();
        let writes = events.filter(|event| {
            event.user == self.user && !["get", "list", "watch"].contains(&event.verb.as_str())
        });
        Ok(writes.count())
    }
}

/// What `tls` says that it needs, and nothing else.
async fn permit(plane: &ControlPlane, user: &str, configuration: &str) -> Result<()> {
    let named = |group: &str, resource: &str, name: &str, verbs: &[&str]| {
        let mut rule = rule(group, &[resource], verbs);
        rule.resource_names = Some(vec![name.to_owned()]);
        rule
    };
    let in_namespace = [
        named("", "secrets", SECRET, &["get", "list", "watch", "update"]),
        rule("", &["secrets"], &["create"]),
    ];
    plane
        .allow(user, Some(configuration), &in_namespace)
        .await?;
    let group = "admissionregistration.k8s.io";
    let verbs = ["get", "list", "watch", "patch"];
    let everywhere = [named(
        group,
        "mutatingwebhookconfigurations",
        configuration,
        &verbs,
    )];
    plane.allow(user, None, &everywhere).await
}

fn entry(hook: &Hook, address: SocketAddr, scene: &str) -> Value {
    json!({
        "name": hook.name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": { "url": format!("https://{address}/inject") },
        "failurePolicy": "Fail",
        "namespaceSelector": { "matchLabels": { SCENE: scene, "mintage.dev/injection": "enabled" } },
        "objectSelector": { "matchExpressions": [
            { "key": "mintage.dev/inject", "operator": "NotIn", "values": ["false"] },
        ] },
        "reinvocationPolicy": hook.reinvocation,
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    })
}

/// A pod that `restricted` lets pass, with changes laid over it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the changes stand as a literal where they are used"
)]
pub fn pod(changes: Value) -> Result<Pod> {
    let mut pod = json!({
        "metadata": { "generateName": "app-" },
        "spec": {
            "securityContext": { "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [container("app")],
        },
    });
    json_patch::merge(&mut pod, &changes);
    Ok(serde_json::from_value(pod)?)
}

/// A container that `restricted` lets pass.
pub fn container(name: &str) -> Value {
    json!({
        "name": name,
        "image": "app:1",
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
    })
}

/// One tenant for all, and the namespace.
fn snapshot(shop: &Namespace) -> Result<Snapshot> {
    let info = NamespaceInfo {
        labels: BTreeMap::from([("mintage.dev/injection".to_owned(), "enabled".to_owned())]),
        opted_in: true,
        uid: "uid-shop".parse()?,
    };
    let tenant = Tenant {
        allow_non_rsa: false,
        allowed: AllowedNamespaces::All,
        at: "identity/acme".parse()?,
        created: UnixTime(0),
        default_audience: None,
        deleting: false,
        domain: "acme.test".parse()?,
        endpoint: None,
        key_secret: None,
        max_bundle_age: 86_400,
        propagation_delay: 300,
        release_claims: BTreeSet::new(),
        revoke_keys: BTreeSet::new(),
        rotate_request: None,
        rotation_period: 86_400,
        uid: "uid-acme".parse()?,
        unreadable: Vec::new(),
    };
    let namespaces = BTreeMap::from([(shop.name.parse::<Name>()?, info)]);
    let world = World {
        namespaces,
        tenants: vec![tenant],
        ..World::default()
    };
    Ok(Snapshot {
        world: Arc::new(world),
        ..Snapshot::default()
    })
}

/// The names of a pod's init containers.
pub fn initial(pod: &Value) -> Result<Vec<&str>> {
    let initial = pod["spec"]["initContainers"]
        .as_array()
        .context("no init containers")?;
    initial
        .iter()
        .map(|one| one["name"].as_str().context("no name"))
        .collect()
}

/// A Secret that is somebody else's.
pub async fn occupy(secrets: &Api<Secret>) -> Result<Secret> {
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    let made = secrets.create(&PostParams::default(), &secret).await?;
    ensure!(made.data.is_none(), "it is empty");
    Ok(made)
}
