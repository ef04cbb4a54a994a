//! What a pod gets: the sidecar's container, its volume, and the environment of the app.
//!
//! Whatever the API server would set by default is said here, so that it finds nothing to add and a second look at the
//! pod finds what the first one wrote.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::bundle::MAX_SHARDS;
use mintage_core::inject::PodWishes;
use mintage_core::{Issuer, TenantRef, managed};
use mintage_sidecar::{central, feed, files};
use serde_json::{Value, json};

use super::settings::Settings;
use super::{CONTAINER, VOLUME};

/// Where the sidecar finds its files.
const FOLDER: &str = "/var/run/mintage";

/// The audience of the token that shows the operator which pod asks: for no other service.
pub const TOKEN_AUDIENCE: &str = "mintage.dev";

/// How long a token lives, in seconds; kubelet renews it at four fifths.
const TOKEN_LIFE: u32 = 3600;

/// Readable, and writable by nobody.
const FILE_MODE: u32 = 0o444;

/// What is to be injected, besides what all sidecars have alike.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipe {
    /// The tenant.
    pub tenant: TenantRef,
    /// The issuer that the pod's tokens name.
    pub issuer: Issuer,
    /// Whether the tenant has an endpoint, which signs Central tokens.
    pub endpoint: bool,
    /// What the pod asks for.
    pub wishes: PodWishes,
}

impl Recipe {
    /// The sidecar of a workload.
    pub fn container(&self, settings: &Settings, workload: &str) -> Value {
        json!({
            "name": CONTAINER,
            "image": settings.image,
            "imagePullPolicy": settings.image_pull_policy,
            // A native sidecar: it starts before the app's containers, ends after them, and holds up no Job.
            "restartPolicy": "Always",
            "env": self.sidecar_env(settings, workload),
            "ports": [{ "name": "mintage-admin", "containerPort": settings.ports.admin, "protocol": "TCP" }],
            // The app's containers start once there is a bundle to answer from.
            "startupProbe": probe(settings, "/readyz", 1, settings.start_seconds),
            "livenessProbe": probe(settings, "/healthz", 10, 3),
            "readinessProbe": probe(settings, "/readyz", 5, 3),
            "resources": settings.resources,
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] },
                "privileged": false,
                "readOnlyRootFilesystem": true,
                "runAsGroup": settings.uid,
                "runAsNonRoot": true,
                "runAsUser": settings.uid,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{ "name": VOLUME, "mountPath": FOLDER, "readOnly": true }],
        })
    }

    fn sidecar_env(&self, settings: &Settings, workload: &str) -> Value {
        let accept = self.wishes.accept.iter().map(AsRef::as_ref);
        let accept = accept.collect::<Vec<&str>>().join(",");
        let domain = self.wishes.domain.as_ref().map(ToString::to_string);
        let variables = [
            ("MINTAGE_WORKLOAD", Some(workload.to_owned())),
            (
                "MINTAGE_ACCEPT_AUDIENCES",
                Some(accept).filter(|names| !names.is_empty()),
            ),
            ("MINTAGE_DOMAIN", domain),
            ("MINTAGE_DIR", Some(FOLDER.to_owned())),
            ("MINTAGE_LISTEN", Some(settings.workload_api().to_string())),
            ("MINTAGE_ADMIN_LISTEN", Some(settings.admin().to_string())),
            (
                "MINTAGE_EXT_AUTHZ_LISTEN",
                Some(settings.ext_authz().to_string()),
            ),
            ("MINTAGE_THREADS", Some(settings.threads.to_string())),
            ("MINTAGE_LOG_LEVEL", Some(settings.log_level.clone())),
            ("MINTAGE_OTLP_ENDPOINT", settings.otlp_endpoint.clone()),
        ];
        let given = variables
            .into_iter()
            .filter_map(|(name, value)| Some(json!({ "name": name, "value": value? })));
        given.collect()
    }

    /// The sidecar's files. The keyring must be there before the pod starts; of the bundle's shards there are as many as
    /// it needs. Each token is for one service alone: the operator's stream, and the tenant's endpoint, whose audience is the issuer
    /// that the sidecar asks it as.
    pub fn volume(&self) -> Value {
        let secret = |name: String, file: &str, optional: bool| {
            json!({ "secret": {
                "name": name,
                "items": [{ "key": file, "path": file }],
                "optional": optional,
            } })
        };
        let mut sources = vec![secret(
            managed::keyring(&self.tenant),
            files::KEYRING,
            false,
        )];
        for index in 0..MAX_SHARDS {
            let name = managed::bundle(&self.tenant, index);
            sources.push(secret(name, &files::bundle_name(index), true));
        }
        let token = |audience: &str, file: &str| {
            json!({ "serviceAccountToken": {
                "audience": audience,
                "expirationSeconds": TOKEN_LIFE,
                "path": file,
            } })
        };
        sources.push(token(TOKEN_AUDIENCE, feed::TOKEN));
        if self.endpoint {
            sources.push(token(self.issuer.as_str(), central::TOKEN));
        }
        json!({ "name": VOLUME, "projected": { "defaultMode": FILE_MODE, "sources": sources } })
    }

    /// A name for all that is injected, besides the workload: another one is due when this changes.
    pub fn hash(&self, settings: &Settings) -> String {
        let all = json!([
            self.tenant,
            self.container(settings, ""),
            self.volume(),
            env(&settings.workload_api().to_string(), self.issuer.as_str()),
        ]);
        let digest = digest(&SHA256, all.to_string().as_bytes());
        URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
    }
}

/// What the app's containers are told: names and values.
pub type Env = [(&'static str, String); 5];

/// What the app's containers are told of a workload API and an issuer.
pub fn env(workload_api: &str, issuer: &str) -> Env {
    let url = |path: &str| format!("http://{workload_api}{path}");
    [
        ("MINTAGE_URL", url("")),
        ("MINTAGE_TOKEN_ENDPOINT", url("/oauth/token")),
        ("MINTAGE_INTROSPECTION_ENDPOINT", url("/introspect")),
        ("MINTAGE_JWKS_URI", url("/.well-known/jwks.json")),
        ("MINTAGE_ISSUER", issuer.to_owned()),
    ]
}

fn probe(settings: &Settings, path: &str, period: u32, failures: u32) -> Value {
    json!({
        "httpGet": { "path": path, "port": settings.ports.admin, "scheme": "HTTP" },
        "failureThreshold": failures.max(1),
        "periodSeconds": period,
        "successThreshold": 1,
        "timeoutSeconds": 2,
    })
}
