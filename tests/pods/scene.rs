//! A control plane with a node, two replicas of the operator, and what tests ask of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Secret};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use mintage_core::inject::{NAMESPACE_LABEL, POD_LABEL};
use mintage_operator::inject::{CONTAINER, Settings};
use mintage_tests::cluster::{self, ControlPlane, Namespace, Nodes, free_port, within};
use mintage_tests::dev::binary;
use mintage_tests::node::{Image, Node};
use mintage_tests::operator::{self, NAMESPACE, Operator};
use mintage_tests::permissions::WEBHOOK;
use mintage_tests::skip;
use serde_json::{Value, json};

/// Long enough for a kubelet that tries again, later each time.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The tenant's keyring in a workload's namespace.
pub const KEYRING: &str = "mintage-keys.identity.acme";

/// The image of the app's containers.
const APP: &str = "mintage.test/app:1";

/// The image that the quickstart names, and that holds the namespaces of every pod.
const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// The user of the app.
pub const APP_USER: u32 = 10_001;

/// All of it.
pub struct Scene {
    pub plane: ControlPlane,
    pub node: Node,
    pub client: Client,
    /// The replica that leads first.
    pub leader: Operator,
    /// The one that answers the webhook.
    follower: Operator,
}

impl Scene {
    /// Starts it; `None` where this machine cannot have it, and then the test is skipped.
    pub async fn start(test: &str) -> Result<Option<Self>> {
        let options = cluster::Options {
            nodes: Nodes::Alone,
            ..cluster::Options::default()
        };
        let Some(plane) = cluster::private(test, options).await? else {
            return Ok(None);
        };
        if !plane.has_controllers() {
            return skip::skip(test, "there is no kube-controller-manager").map(|()| None);
        }
        let images = images()?;
        let node = Node::start(&plane, "node", PAUSE, &images, &[]);
        let (node, (leader, follower)) = tokio::try_join!(node, operators(&plane))?;
        let node = match node {
            Ok(node) => node,
            Err(reason) => return skip::skip(test, &reason).map(|()| None),
        };
        let client = plane.admin().await?;
        Ok(Some(Self {
            plane,
            node,
            client,
            leader,
            follower,
        }))
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let end = |log: Result<String>| {
            let log = log.unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n")
        };
        format!(
            "{}{}--- the operator that led, at the end of its log:\n{}\n--- the other operator:\n{}",
            self.plane.logs(),
            self.node.logs(),
            end(self.leader.log()),
            end(self.follower.log()),
        )
    }

    /// A namespace of the quickstart's tenant, with sidecars, where `restricted` is enforced. Its workloads may ask for
    /// tokens for an API of theirs, which is named for it.
    pub async fn namespace(&self, word: &str) -> Result<Namespace> {
        let labels = [
            (NAMESPACE_LABEL, "enabled"),
            ("example.com/platform", "acme"),
            ("pod-security.kubernetes.io/enforce", "restricted"),
        ];
        let namespace = self.plane.namespace(word, &labels).await?;
        let name = &namespace.name;
        let audience = json!({
            "apiVersion": "mintage.dev/v1alpha1",
            "kind": "ApiAudience",
            "metadata": { "name": word },
            "spec": {
                "tenantRef": { "namespace": "identity", "name": "acme" },
                "identifier": identifier(name),
                "scopes": [{ "name": "read" }],
                "grants": [{
                    "workload": { "namespace": name, "serviceAccount": "default" },
                    "scopes": ["read"],
                }],
            },
        });
        let api: Api<mintage_crds::ApiAudience> = Api::namespaced(self.client.clone(), name);
        let audience = serde_json::from_value(audience)?;
        api.create(&PostParams::default(), &audience).await?;
        Ok(namespace)
    }

    /// The keyring of a namespace, if it is there.
    pub async fn keyring(&self, namespace: &Namespace) -> Result<Option<Secret>> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace.name);
        Ok(secrets.get_opt(KEYRING).await?)
    }

    /// Waits until a namespace can sign.
    pub async fn has_keys(&self, namespace: &Namespace) -> Result<()> {
        within(PATIENCE, "the namespace has keys", async || {
            let secret = self.keyring(namespace).await?.context("no keyring")?;
            let data = secret.data.context("no data")?;
            let ring: Value = serde_json::from_slice(&data["keyring.json"].0)?;
            ensure!(ring["keys"][0].is_object(), "the keyring is empty");
            Ok(())
        })
        .await
    }

    /// Makes a pod of the app, as soon as the webhook knows its namespace.
    pub async fn app(&self, namespace: &Namespace, name: &str) -> Result<Pod> {
        let mut pod = self.template(namespace, "serve");
        pod["metadata"]["name"] = name.into();
        let pod: Pod = serde_json::from_value(pod)?;
        let pods = self.pods(namespace);
        let made = within(PATIENCE, "the pod is admitted", async || {
            Ok(pods.create(&PostParams::default(), &pod).await?)
        });
        let made = made.await?;
        let spec = made.spec.as_ref().context("no spec")?;
        let first = spec.init_containers.iter().flatten().next();
        ensure!(
            first.is_some_and(|first| first.name == CONTAINER),
            "the webhook gave it no sidecar: {spec:?}"
        );
        Ok(made)
    }

    /// A pod of the app on the node, which `restricted` lets pass.
    pub fn template(&self, namespace: &Namespace, mode: &str) -> Value {
        json!({
            "metadata": {},
            "spec": {
                "nodeName": self.node.name(),
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": APP_USER,
                    "runAsGroup": APP_USER,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "app",
                    "image": APP,
                    "args": [mode],
                    "env": [{ "name": "APP_AUDIENCE", "value": identifier(&namespace.name) }],
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": { "drop": ["ALL"] },
                    },
                }],
            },
        })
    }

    pub fn pods(&self, namespace: &Namespace) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &namespace.name)
    }

    /// Waits until a pod is ready; the pod then.
    pub async fn ready(&self, pod: &Pod) -> Result<Pod> {
        let namespace = pod.namespace().context("no namespace")?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let name = pod.name_any();
        within(PATIENCE, &format!("pod {name} is ready"), async || {
            let pod = pods.get(&name).await?;
            let status = pod.status.as_ref().context("no status")?;
            let mut conditions = status.conditions.iter().flatten();
            let ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
            ensure!(ready, "{status:?}");
            Ok(pod)
        })
        .await
    }

    /// The lines of JSON that an app has written so far.
    pub fn said(&self, pod: &Pod) -> Result<Vec<Value>> {
        let log = self.node.log(pod, "app")?;
        let lines = log
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("the app said {line}")));
        lines.collect()
    }
}

/// The status of a container of a pod, an initial one or not.
pub fn container<'a>(pod: &'a Pod, name: &str) -> Result<&'a ContainerStatus> {
    let status = pod.status.as_ref().context("no status")?;
    let initial = status.init_container_statuses.iter().flatten();
    let mut all = initial.chain(status.container_statuses.iter().flatten());
    let found = all.find(|one| one.name == name);
    found.with_context(|| format!("no status of container {name} in {status:?}"))
}

/// That the app had its token judged as it should be.
pub fn called(line: &Value, pod: &Pod) -> Result<()> {
    let client = format!("{}/default", pod.namespace().context("no namespace")?);
    let wanted = json!({
        "event": "called",
        "active": true,
        "client": client,
        "scope": "read",
        "issuer": "https://acme.localhost:7743/",
        "forged": false,
    });
    ensure!(*line == wanted, "the app said {line}");
    Ok(())
}

fn identifier(namespace: &str) -> String {
    format!("https://{namespace}.example.com")
}

fn images() -> Result<[Image; 3]> {
    let image = |name: &str, program: PathBuf, arguments: &[&str], user| Image {
        name: name.to_owned(),
        program,
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        user,
    };
    let app = || PathBuf::from(env!("CARGO_BIN_EXE_pods-app"));
    // The sidecar's under the name that pods are given.
    let settings = Settings::default();
    Ok([
        image(PAUSE, app(), &["pause"], 65_535),
        image(APP, app(), &["serve"], APP_USER),
        image(&settings.image, binary("mintage-sidecar")?, &[], 65_532),
    ])
}

/// Two replicas, of which the first leads and the second is asked for sidecars.
async fn operators(plane: &ControlPlane) -> Result<(Operator, Operator)> {
    let account = operator::install_account(plane).await?;
    let ports = [free_port()?, free_port()?];
    let configuration = webhook(ports[1])?;
    let api: Api<MutatingWebhookConfiguration> = Api::all(plane.admin().await?);
    api.create(&PostParams::default(), &configuration).await?;
    let mut leader = replica(plane, &account, ports[0])?;
    leader.ready().await?;
    leader.leads().await?;
    let mut follower = replica(plane, &account, ports[1])?;
    follower.ready().await?;
    within(PATIENCE, "the webhook can be trusted", async || {
        let webhooks = api.get(WEBHOOK).await?.webhooks.unwrap_or_default();
        let trusted = webhooks
            .iter()
            .all(|one| one.client_config.ca_bundle.is_some());
        ensure!(trusted, "no caBundle");
        Ok(())
    })
    .await?;
    Ok((leader, follower))
}

fn replica(plane: &ControlPlane, account: &Path, port: u16) -> Result<Operator> {
    let listen = format!("127.0.0.1:{port}");
    let options = operator::Options::with(&[
        "--webhook-listen",
        &listen,
        "--webhook-host",
        "127.0.0.1",
        "--webhook-configuration",
        WEBHOOK,
    ]);
    Operator::start(account, plane.folder(), &options)
}

/// The configuration of the chart, with a URL.
fn webhook(port: u16) -> Result<MutatingWebhookConfiguration> {
    let entry = |name: &str, namespaces: Value, pods: Value| {
        let excluded = json!({
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": [NAMESPACE, "kube-node-lease", "kube-public", "kube-system"],
        });
        json!({
            "name": name,
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "url": format!("https://127.0.0.1:{port}/inject") },
            "failurePolicy": "Fail",
            "namespaceSelector": { "matchExpressions": [namespaces, excluded] },
            "objectSelector": { "matchExpressions": [pods] },
            "reinvocationPolicy": "IfNeeded",
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
            "sideEffects": "None",
            "timeoutSeconds": 5,
        })
    };
    let term = |key: &str, operator: &str, value: &str| json!({ "key": key, "operator": operator, "values": [value] });
    Ok(serde_json::from_value(json!({
        "metadata": { "name": WEBHOOK },
        "webhooks": [
            entry(
                "namespace.inject.mintage.dev",
                term(NAMESPACE_LABEL, "In", "enabled"),
                term(POD_LABEL, "NotIn", "false"),
            ),
            entry(
                "pod.inject.mintage.dev",
                term(NAMESPACE_LABEL, "NotIn", "enabled"),
                term(POD_LABEL, "In", "true"),
            ),
        ],
    }))?)
}
