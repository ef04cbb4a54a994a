//! A control plane with an operator, and what tests ask of both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use mintage_core::managed;
use mintage_crds::status::{READY, find};
use mintage_crds::{ApiAudience, Application, CustomDomain, Tenant};
use mintage_tests::cluster::{self, ControlPlane, within};
use mintage_tests::operator::{self, Operator};
use mintage_tests::permissions::WEBHOOK;
use mintage_tests::workspace;
use serde_json::{Value, json};

/// A control plane of its own, and the kubeconfig of the operator's `ServiceAccount`.
pub struct Scene {
    pub plane: ControlPlane,
    pub client: Client,
    pub kubeconfig: PathBuf,
}

impl Scene {
    /// Starts one; `None` where there are no programs for it, and then the test is skipped.
    pub async fn start(test: &str) -> Result<Option<Self>> {
        let options = cluster::Options::default();
        let Some(plane) = cluster::private(test, options).await? else {
            return Ok(None);
        };
        let kubeconfig = operator::install_account(&plane).await?;
        let client = plane.admin().await?;
        Ok(Some(Self {
            plane,
            client,
            kubeconfig,
        }))
    }

    /// The same with the Tenant `identity/acme`, which admits every namespace, and the namespace `shop`, which opted in.
    pub async fn with_shop(test: &str) -> Result<Option<Self>> {
        let Some(scene) = Self::start(test).await? else {
            return Ok(None);
        };
        scene.namespace("identity", &json!({})).await?;
        scene.opted_in("shop").await?;
        let tenant = json!({"domain": "acme.test", "allowedNamespaces": {"from": "All"}});
        scene.tenant("identity/acme", tenant).await?;
        Ok(Some(scene))
    }

    /// Starts an operator and waits until it is ready.
    pub async fn operator(&self, options: &operator::Options) -> Result<Operator> {
        let mut operator = Operator::start(&self.kubeconfig, self.plane.folder(), options)?;
        operator.ready().await?;
        Ok(operator)
    }

    /// `kubectl apply -f`.
    pub async fn apply(&self, path: &Path) -> Result<()> {
        let path = path.to_str().context("the path is no text")?;
        let run = self
            .plane
            .kubectl(&["apply", "--server-side", "-f", path])
            .await?;
        ensure!(run.code == Some(0), "{}", run.said());
        Ok(())
    }

    /// Has the API server know the kinds of the Gateway API and of cert-manager that the operator writes.
    pub async fn foreign_kinds(&self) -> Result<()> {
        let path = workspace().join("tests/apiserver/operator/foreign.yaml");
        self.apply(&path).await?;
        let kinds = [
            "crd/httproutes.gateway.networking.k8s.io",
            "crd/certificates.cert-manager.io",
        ];
        let wait = [&["wait", "--for=condition=Established"], &kinds[..]].concat();
        self.plane.kubectl(&wait).await?.succeeded()?;
        Ok(())
    }

    /// Makes a namespace.
    pub async fn namespace(&self, name: &str, labels: &Value) -> Result<()> {
        let object = json!({"metadata": {"name": name, "labels": labels}});
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &serde_json::from_value(object)?)
            .await?;
        Ok(())
    }

    /// Makes a namespace whose pods get sidecars.
    pub async fn opted_in(&self, name: &str) -> Result<()> {
        self.namespace(name, &json!({"mintage.dev/injection": "enabled"}))
            .await
    }

    /// Creates or changes a Tenant, as `identity/acme`.
    pub async fn tenant(&self, at: &str, spec: Value) -> Result<Tenant> {
        self.put("Tenant", at, spec).await
    }

    /// Creates or changes an `ApiAudience`.
    pub async fn audience(&self, at: &str, spec: Value) -> Result<ApiAudience> {
        self.put("ApiAudience", at, spec).await
    }

    /// Creates or changes a `CustomDomain`.
    pub async fn domain(&self, at: &str, spec: Value) -> Result<CustomDomain> {
        self.put("CustomDomain", at, spec).await
    }

    /// Creates or changes an `Application`.
    pub async fn application(&self, at: &str, spec: Value) -> Result<Application> {
        self.put("Application", at, spec).await
    }

    async fn put<K>(&self, kind: &str, at: &str, spec: Value) -> Result<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let (namespace, name) = at.split_once('/').context("write <namespace>/<name>")?;
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let object = json!({
            "apiVersion": "mintage.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        });
        let params = PatchParams::apply("tests").force();
        Ok(api.patch(name, &params, &Patch::Apply(&object)).await?)
    }

    /// Sets annotations of a Tenant.
    pub async fn annotate(&self, at: &str, annotations: Value) -> Result<()> {
        let (namespace, name) = at.split_once('/').context("write <namespace>/<name>")?;
        let api: Api<Tenant> = Api::namespaced(self.client.clone(), namespace);
        let patch = json!({"metadata": {"annotations": annotations}});
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    /// Makes the webhook's configuration as the chart has it, for the namespaces that a selector selects; how an operator
    /// is started that serves it on a port.
    pub async fn webhook(&self, port: u16, namespaces: Value) -> Result<operator::Options> {
        let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": {"name": WEBHOOK},
            "webhooks": [{
                "name": "inject.mintage.dev",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": format!("https://127.0.0.1:{port}/inject")},
                "namespaceSelector": namespaces,
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "sideEffects": "None",
            }],
        }))?;
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &configuration).await?;
        Ok(operator::Options::with(&[
            "--webhook-listen",
            &format!("127.0.0.1:{port}"),
            "--webhook-host",
            "127.0.0.1",
            "--webhook-configuration",
            WEBHOOK,
        ]))
    }

    /// Waits until the webhook's configuration has an authority to trust.
    pub async fn webhook_trusted(&self) -> Result<()> {
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        within(PATIENCE, "the caBundle is written", async || {
            let found = serde_json::to_value(api.get(WEBHOOK).await?)?;
            let bundle = &found["webhooks"][0]["clientConfig"]["caBundle"];
            ensure!(bundle.is_string(), "{bundle}");
            Ok(())
        })
        .await
    }

    /// Waits until a Tenant has a condition with a status and a reason; its message.
    pub async fn tenant_says(
        &self,
        at: &str,
        type_: &str,
        status: &str,
        reason: &str,
    ) -> Result<String> {
        let (namespace, name) = at.split_once('/').context("write <namespace>/<name>")?;
        let api: Api<Tenant> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("Tenant {at} says {type_}={status} {reason}");
        within(PATIENCE, &what, async || {
            let found = api.get(name).await?.status.context("it has no status")?;
            let condition = find(&found.conditions, type_).context("it has no such condition")?;
            ensure!(
                condition.status == status && condition.reason == reason,
                "{condition:?}"
            );
            Ok(condition.message.clone())
        })
        .await
    }

    /// Waits for an Event in a namespace.
    pub async fn event(&self, namespace: &str, reason: &str) -> Result<()> {
        within(PATIENCE, &format!("an Event says {reason}"), async || {
            let arguments = ["get", "events", "-n", namespace, "-o", "json"];
            let said = self.plane.kubectl(&arguments).await?;
            let events: Value = serde_json::from_str(said.succeeded()?)?;
            let mut events = events["items"].as_array().context("no list")?.iter();
            ensure!(events.any(|event| event["reason"] == reason), "{events:?}");
            Ok(())
        })
        .await
    }

    /// A Secret, if it is there.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        Ok(api.get_opt(name).await?)
    }

    /// Every Secret that the operator made: `<namespace>/<name>` and its version.
    pub async fn managed(&self) -> Result<Vec<(String, String)>> {
        let api: Api<Secret> = Api::all(self.client.clone());
        let params = kube::api::ListParams::default().labels(managed::LABEL);
        let secrets = api.list(&params).await?.items.into_iter();
        Ok(secrets
            .map(|secret| {
                let place = format!(
                    "{}/{}",
                    secret.namespace().unwrap_or_default(),
                    secret.name_any()
                );
                (place, secret.resource_version().unwrap_or_default())
            })
            .collect())
    }

    /// Waits until a Tenant is ready.
    pub async fn tenant_ready(&self, at: &str) -> Result<()> {
        let (namespace, name) = at.split_once('/').context("write <namespace>/<name>")?;
        let api: Api<Tenant> = Api::namespaced(self.client.clone(), namespace);
        within(PATIENCE, &format!("Tenant {at} is ready"), async || {
            let tenant = api.get(name).await?;
            let status = tenant.status.clone().context("it has no status")?;
            ready(
                &status.conditions,
                status.observed_generation,
                tenant.metadata.generation,
            )
        })
        .await
    }

    /// Waits until an `ApiAudience` is ready.
    pub async fn audience_ready(&self, at: &str) -> Result<()> {
        let (namespace, name) = at.split_once('/').context("write <namespace>/<name>")?;
        let api: Api<ApiAudience> = Api::namespaced(self.client.clone(), namespace);
        within(
            PATIENCE,
            &format!("ApiAudience {at} is ready"),
            async || {
                let audience = api.get(name).await?;
                let status = audience.status.clone().context("it has no status")?;
                ready(
                    &status.conditions,
                    status.observed_generation,
                    audience.metadata.generation,
                )
            },
        )
        .await
    }

    /// Waits until an `ApiAudience` says that it is not ready, for a reason.
    pub async fn audience_refused(&self, at: &str, reason: &str) -> Result<String> {
        let (namespace, name) = at.split_once('/').context("write <namespace>/<name>")?;
        let api: Api<ApiAudience> = Api::namespaced(self.client.clone(), namespace);
        within(
            PATIENCE,
            &format!("ApiAudience {at} says {reason}"),
            async || {
                let status = api.get(name).await?.status.context("it has no status")?;
                let ready = find(&status.conditions, READY).context("it has no Ready")?;
                ensure!(
                    ready.status == "False" && ready.reason == reason,
                    "{ready:?}"
                );
                Ok(ready.message.clone())
            },
        )
        .await
    }
}

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

fn ready(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    observed: Option<i64>,
    generation: Option<i64>,
) -> Result<()> {
    let ready = find(conditions, READY).context("it has no Ready")?;
    ensure!(
        ready.status == "True",
        "{}: {}",
        ready.reason,
        ready.message
    );
    ensure!(
        observed == generation,
        "of generation {observed:?}, not {generation:?}"
    );
    Ok(())
}
