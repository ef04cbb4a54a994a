//! The matrix of who reaches over whose border: attacks 33, 34, 38 and 39 by real RBAC users, each attempt with one beside
//! it that must work.
//!
//! ```text
//!  tenant admin ── identity   Tenants, CustomDomains     ┐
//!  API owner    ── orders     ApiAudiences               ├ each also Secrets, pods and statuses, in their namespace only
//!  workload owner ─ shop      ApiAudiences               ┘
//! ```
//!
//! Attack 37 does not apply to the operator: it reviews no token, as `mintage_crds::permissions` shows.

mod borders;
mod forgery;
mod grants;
mod secrecy;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use mintage_tests::cluster::{eventually, rule};
use mintage_tests::operator::{NAMESPACE, Operator, Options};
use mintage_tests::volume::Volume;
use serde_json::{Value, json};

use super::scene::Scene;
use crate::release::{refused, secret};

/// The keyring of a namespace under tenant identity/acme.
const KEYS: &str = "mintage-keys.identity.acme";

/// Where each of the cast is at home.
const TENANT_ADMIN: &str = "identity";
const API_OWNER: &str = "orders";
const WORKLOAD_OWNER: &str = "shop";
const HOMES: [&str; 3] = [TENANT_ADMIN, API_OWNER, WORKLOAD_OWNER];

/// A tenant, two APIs of different namespaces, a client in a third, and the operator.
struct Cast {
    scene: Scene,
    operator: Operator,
}

impl Cast {
    async fn start(test: &str) -> Result<Option<Self>> {
        let Some(scene) = Scene::start(&format!("operator::matrix::{test}")).await? else {
            return Ok(None);
        };
        scene.namespace("identity", &json!({})).await?;
        for namespace in ["orders", "payments", "shop"] {
            scene.opted_in(namespace).await?;
        }
        let operator = scene.operator(&Options::default()).await?;
        let spec = json!({
            "domain": "acme.test",
            "allowedNamespaces": {"from": "All"},
            "signing": {"propagationDelay": "1s"},
        });
        scene.tenant("identity/acme", spec).await?;
        let orders = audience("orders", &[("shop", "app", &["read"])]);
        scene.audience("orders/orders", orders).await?;
        // Its own pods only, so that the namespace has a key for the algorithm.
        let payments = audience("payments", &[("payments", "batch", &["read"])]);
        scene.audience("payments/payments", payments).await?;
        scene.audience_ready("orders/orders").await?;
        scene.audience_ready("payments/payments").await?;
        for home in HOMES {
            let verbs = ["create", "delete", "get", "list", "patch", "update"];
            let ours: &[&str] = match home {
                TENANT_ADMIN => &["customdomains", "tenants"],
                _ => &["apiaudiences"],
            };
            let statuses: Vec<String> = ours.iter().map(|kind| format!("{kind}/status")).collect();
            let statuses: Vec<&str> = statuses.iter().map(String::as_str).collect();
            let rules = [
                rule("", &["pods", "secrets"], &verbs),
                rule("mintage.dev", ours, &verbs),
                rule("mintage.dev", &statuses, &verbs),
            ];
            scene.plane.allow(&user(home), Some(home), &rules).await?;
        }
        Ok(Some(Self { scene, operator }))
    }

    /// The one of the cast who is at home there.
    async fn owner(&self, home: &str) -> Result<Client> {
        self.scene.plane.client(&user(home), &[]).await
    }

    /// The chart's policies, as Helm renders them for this operator.
    async fn policies(&self) -> Result<()> {
        let account = format!("serviceAccount.name={}", mintage_tests::operator::ACCOUNT);
        let arguments = [
            "template",
            "mintage",
            "charts/mintage",
            "--namespace",
            NAMESPACE,
            "--set",
            &account,
            "--show-only",
            "templates/admissionpolicies.yaml",
        ];
        let rendered = self.scene.plane.helm(&arguments).await?;
        let file = self.scene.plane.folder().join("policies.yaml");
        std::fs::write(&file, rendered.succeeded()?)?;
        self.scene.apply(&file).await?;
        let api: Api<Secret> = Api::namespaced(self.scene.client.clone(), "default");
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        for (policy, planted) in [
            (
                "mintage-managed-secrets",
                secret("a", &[("mintage.dev/managed", "keyring")]),
            ),
            ("mintage-secret-names", secret("mintage-keys.a.b", &[])),
        ] {
            eventually(&format!("{policy} holds"), async || {
                refused(api.create(&dry, &planted).await, policy)
            })
            .await?;
        }
        Ok(())
    }

    /// The volume of a pod of a namespace, up to date.
    async fn volume(&self, namespace: &str, dir: &std::path::Path) -> Result<Volume> {
        let path = dir.join(namespace);
        let client = self.scene.client.clone();
        let mut volume = Volume::new(client, namespace, "identity/acme", &path)?;
        volume.sync().await?;
        Ok(volume)
    }
}

fn user(home: &str) -> String {
    format!("owner-of-{home}")
}

/// An API by name, and who may have which of its scopes.
fn audience(name: &str, grants: &[(&str, &str, &[&str])]) -> Value {
    let grants: Vec<Value> = grants
        .iter()
        .map(|(namespace, account, scopes)| {
            json!({
                "workload": {"namespace": namespace, "serviceAccount": account},
                "scopes": scopes,
            })
        })
        .collect();
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": format!("https://{name}.test"),
        "signingAlgorithm": "ES256",
        "scopes": [{"name": "read"}, {"name": "write"}],
        "grants": grants,
    })
}

/// Makes sure that RBAC refused.
fn forbidden<T>(outcome: kube::Result<T>, what: &str) -> Result<()> {
    match outcome {
        Ok(_) => bail!("{what} was allowed"),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
        Err(other) => Err(other).context(what.to_owned()),
    }
}

/// Makes sure that a sidecar has no such token to give, for a reason.
async fn no_token(app: &mintage_tests::pod::Sidecar, audience: &str, rule: &str) -> Result<()> {
    let answer = app.ask(audience).await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status != 200 && text.contains(rule), "{status}: {text}");
    Ok(())
}
