//! What is to be in a tenant's namespace for its endpoint: a Deployment and what goes with it.

use std::collections::BTreeSet;

use mintage_core::bundle::MAX_SHARDS;
use mintage_core::endpoint::Config;
use mintage_core::{Domain, ObjectName, managed};
use mintage_crds::domain::IssuerRef;
use mintage_crds::login::{Endpoint, StoreType};
use serde_json::{Value, json};

use super::{Kind, outside};
use crate::inject::{PullPolicy, Resources};

/// What the pods of all endpoints have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of the sidecar, whose binary has the role.
    pub image: String,
    /// When nodes fetch it.
    pub pull_policy: PullPolicy,
    /// What a pod asks for and may take.
    pub resources: Resources,
    /// The user and group that it runs as.
    pub user: i64,
    /// Whether workloads get tokens: each endpoint has one, then, by which it asks the API server about theirs.
    pub reviews: bool,
    /// Whether the cluster has the Gateway API.
    pub gateway_api: bool,
    /// Whether the cluster has cert-manager.
    pub cert_manager: bool,
}

impl Settings {
    /// The kinds of objects that endpoints are made of in this cluster.
    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Kind::BUILT_IN.to_vec();
        kinds.extend(self.gateway_api.then_some(Kind::HttpRoute));
        kinds.extend(self.cert_manager.then_some(Kind::Certificate));
        kinds
    }
}

/// An object that is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// All of it that the operator owns.
    pub body: Value,
}

impl Object {
    /// Its name.
    pub fn name(&self) -> &str {
        self.body["metadata"]["name"].as_str().unwrap_or_default()
    }
}

/// The ports of a pod.
const TLS: u16 = 7743;
const PROXIES: u16 = 7744;
const ADMIN: u16 = 7601;

/// The folders of a pod.
const DIR: &str = "/var/run/mintage";
const SECRETS: &str = "/var/run/mintage-secrets";
const DATA: &str = "/var/lib/mintage";
const REVIEWER: &str = "/var/run/mintage-reviewer";

/// What the volume of the embedded store holds at first; most sessions and refresh tokens take a few hundred bytes.
const STORAGE: &str = "1Gi";

/// How many seconds a pod that is to end goes on as before: meanwhile proxies and nodes hear that it is to be asked no more.
const LINGER: u32 = 5;

/// How many it has then: 20 for requests under way, and 12 for a database to let go.
const GRACE: u32 = 40;

/// Label of everything that belongs to a tenant's endpoint, and of its pods; its value is the tenant's name.
pub const LABEL: &str = "mintage.dev/endpoint";

/// The objects of an endpoint; the owner is its Tenant, with which they go. `issued` are the domains whose certificates
/// cert-manager makes.
pub fn objects(
    wishes: &Endpoint,
    issued: &[(Domain, IssuerRef)],
    config: &Config,
    owner: &Value,
    settings: &Settings,
) -> Vec<Object> {
    let place = Place {
        tenant: &config.tenant.name,
        namespace: config.tenant.namespace.as_str(),
        owner,
    };
    let embedded = wishes.store.type_ == StoreType::Embedded;
    let mut all = vec![
        place.object(Kind::NetworkPolicy, &network_policy(&place)),
        place.object(Kind::Service, &service(&place)),
    ];
    if embedded {
        let claim = json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": STORAGE } },
        });
        all.push(place.object(Kind::PersistentVolumeClaim, &claim));
    }
    if wishes.replicas > 1 {
        // One that cannot become ready, as without its database, is not to hold a node up for ever.
        let budget = json!({
            "maxUnavailable": 1,
            "selector": place.selector(),
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        });
        all.push(place.object(Kind::PodDisruptionBudget, &budget));
    }
    let pods = deployment(&place, wishes, config, settings);
    all.push(place.object(Kind::Deployment, &pods));
    all.extend(outside::objects(&place, wishes, issued, config, settings));
    all.sort_by_key(|object| object.kind);
    all
}

/// Whose, and where.
pub(super) struct Place<'a> {
    pub tenant: &'a ObjectName,
    namespace: &'a str,
    owner: &'a Value,
}

impl Place<'_> {
    fn labels(&self) -> Value {
        json!({
            LABEL: self.tenant,
            "app.kubernetes.io/name": "mintage-endpoint",
            "app.kubernetes.io/instance": self.tenant,
            "app.kubernetes.io/managed-by": managed::FIELD_MANAGER,
        })
    }

    /// It never changes: that of a Deployment cannot.
    fn selector(&self) -> Value {
        json!({ "matchLabels": { LABEL: self.tenant } })
    }

    pub(super) fn object(&self, kind: Kind, spec: &Value) -> Object {
        self.named(kind, &managed::endpoint_pods(self.tenant), spec)
    }

    pub(super) fn named(&self, kind: Kind, name: &str, spec: &Value) -> Object {
        let body = json!({
            "apiVersion": kind.resource().api_version,
            "kind": kind.name(),
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": self.labels(),
                "ownerReferences": [self.owner],
            },
            "spec": spec,
        });
        Object { kind, body }
    }
}

fn network_policy(place: &Place<'_>) -> Value {
    let ports = [TLS, PROXIES, ADMIN].map(|port| json!({ "port": port, "protocol": "TCP" }));
    json!({
        "podSelector": place.selector(),
        "policyTypes": ["Ingress"],
        "ingress": [{ "ports": ports }],
    })
}

fn service(place: &Place<'_>) -> Value {
    json!({
        "selector": { LABEL: place.tenant },
        "ports": [
            { "name": "https", "port": 443, "targetPort": "https", "protocol": "TCP" },
            { "name": "proxies", "port": 80, "targetPort": "proxies", "protocol": "TCP" },
        ],
    })
}

fn deployment(place: &Place<'_>, wishes: &Endpoint, config: &Config, settings: &Settings) -> Value {
    let embedded = wishes.store.type_ == StoreType::Embedded;
    // Two pods cannot have the one file open; with a database the next one is ready before the last one goes.
    let strategy = if embedded {
        json!({ "type": "Recreate" })
    } else {
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } })
    };
    let spread = json!([{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": place.selector(),
    }]);
    let mut labels = place.labels();
    // It has keys of its own, and is no workload of the tenant.
    labels["mintage.dev/inject"] = "false".into();
    json!({
        "replicas": wishes.replicas,
        "strategy": strategy,
        "selector": place.selector(),
        "template": {
            "metadata": { "labels": labels },
            "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": settings.user,
                    "runAsGroup": settings.user,
                    "fsGroup": settings.user,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "terminationGracePeriodSeconds": LINGER + GRACE,
                "topologySpreadConstraints": spread,
                "containers": [container(wishes, config, settings)],
                "volumes": volumes(place, wishes, config, settings),
            },
        },
    })
}

fn container(wishes: &Endpoint, config: &Config, settings: &Settings) -> Value {
    let store = match database(wishes) {
        Some(name) => {
            json!({ "name": "MINTAGE_STORE_FILE", "value": format!("{SECRETS}/{name}/url") })
        }
        None => json!({ "name": "MINTAGE_STORE", "value": format!("sqlite:{DATA}/endpoint.db") }),
    };
    let mut env = vec![store];
    let mut mounts = vec![json!({ "name": "told", "mountPath": DIR, "readOnly": true })];
    mounts.extend(secrets(wishes, config).into_iter().map(|name| {
        json!({
            "name": volume_of(name),
            "mountPath": format!("{SECRETS}/{name}"),
            "readOnly": true,
        })
    }));
    if database(wishes).is_none() {
        mounts.push(json!({ "name": "data", "mountPath": DATA }));
    }
    if settings.reviews {
        env.push(json!({ "name": "MINTAGE_TOKEN_REVIEWS", "value": "true" }));
        env.push(json!({ "name": "MINTAGE_SERVICE_ACCOUNT_DIR", "value": REVIEWER }));
        mounts.push(json!({ "name": "reviewer", "mountPath": REVIEWER, "readOnly": true }));
    }
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": { "path": path, "port": "admin" },
            "periodSeconds": period,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        })
    };
    json!({
        "name": "endpoint",
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "args": ["endpoint"],
        "env": env,
        "ports": [
            { "name": "https", "containerPort": TLS, "protocol": "TCP" },
            { "name": "proxies", "containerPort": PROXIES, "protocol": "TCP" },
            { "name": "admin", "containerPort": ADMIN, "protocol": "TCP" },
        ],
        "lifecycle": { "preStop": { "sleep": { "seconds": LINGER } } },
        "livenessProbe": probe("/healthz", 10, 3),
        "readinessProbe": probe("/readyz", 2, 2),
        "resources": settings.resources,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    })
}

/// The Secret with the address of the database, if there is one.
fn database(wishes: &Endpoint) -> Option<&str> {
    wishes
        .store
        .url_secret_ref
        .as_ref()
        .map(|secret| secret.name.as_str())
}

/// The Secrets of the tenant's namespace that the pods mount.
fn secrets<'a>(wishes: &'a Endpoint, config: &'a Config) -> BTreeSet<&'a str> {
    let named = config.secrets().into_iter().map(ObjectName::as_str);
    named.chain(database(wishes)).collect()
}

/// A volume's name has 63 characters and no dots; that of a Secret may have more, and some.
fn volume_of(secret: &str) -> String {
    managed::short_name("secret", secret)
}

fn volumes(
    place: &Place<'_>,
    wishes: &Endpoint,
    config: &Config,
    settings: &Settings,
) -> Vec<Value> {
    let shards = (0..MAX_SHARDS).map(|index| {
        json!({ "secret": {
            "name": managed::endpoint(place.tenant, index),
            "optional": index > 0,
        }})
    });
    let keys = json!({ "secret": {
        "name": managed::tenant_keyring(place.tenant),
        "items": [{ "key": "keyring.json", "path": "tenant-keyring.json" }],
    }});
    let master = json!({ "secret": { "name": managed::master(place.tenant) } });
    let sources: Vec<Value> = shards.chain([keys, master]).collect();
    let told = json!({
        "name": "told",
        "projected": { "defaultMode": 0o440, "sources": sources },
    });
    let mut volumes = vec![told];
    volumes.extend(secrets(wishes, config).into_iter().map(|name| {
        json!({
            "name": volume_of(name),
            "secret": { "secretName": name, "optional": true, "defaultMode": 0o440 },
        })
    }));
    if database(wishes).is_none() {
        let claim = json!({ "claimName": managed::endpoint_pods(place.tenant) });
        volumes.push(json!({ "name": "data", "persistentVolumeClaim": claim }));
    }
    if settings.reviews {
        volumes.push(json!({
            "name": "reviewer",
            "secret": {
                "secretName": managed::reviewer(place.tenant),
                "optional": true,
                "defaultMode": 0o440,
            },
        }));
    }
    volumes
}
