//! Pods without a current sidecar, as their Tenant's condition.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use mintage_operator::inject::{HASH, SKIPPED};
use mintage_tests::cluster::{Event, free_port, within};
use mintage_tests::operator::Options;
use serde_json::{Value, json};

use super::convergence::silence;
use super::scene::{PATIENCE, Scene};

const ACME: &str = "identity/acme";
const CONDITION: &str = "SidecarsCurrent";

async fn pod(pods: &Api<Pod>, name: &str, mut spec: Value) -> Result<Pod> {
    spec["containers"] = json!([{"name": "app", "image": "example.test/app:1"}]);
    let pod = json!({"metadata": {"name": name}, "spec": spec});
    let pod = serde_json::from_value(pod)?;
    Ok(pods.create(&PostParams::default(), &pod).await?)
}

fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(name).map(String::as_str)
}

#[tokio::test]
async fn a_tenant_says_which_pods_have_no_current_sidecar() -> Result<()> {
    let test = "operator::stale::a_tenant_says_which_pods_have_no_current_sidecar";
    let Some(scene) = Scene::start(test).await? else {
        return Ok(());
    };
    scene.namespace("identity", &json!({})).await?;
    let tenant = json!({"domain": "acme.test", "allowedNamespaces": {"from": "All"}, "signing": {"propagationDelay": "1s"}});
    scene.tenant(ACME, tenant).await?;
    scene.namespace("shop", &json!({})).await?;
    let port = free_port()?;
    let enabled = json!({"matchLabels": {"mintage.dev/injection": "enabled"}});
    let options = scene.webhook(port, enabled).await?;
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), "shop");
    pod(&pods, "early", json!({})).await?;
    let mut operator = scene.operator(&options).await?;
    scene.webhook_trusted().await?;
    scene
        .tenant_says(ACME, CONDITION, "True", "AllCurrent")
        .await?;

    // Its namespace opts in, and the pod has no sidecar.
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let label = json!({"metadata": {"labels": {"mintage.dev/injection": "enabled"}}});
    namespaces
        .patch("shop", &PatchParams::default(), &Patch::Merge(&label))
        .await?;
    let message = scene
        .tenant_says(ACME, CONDITION, "False", "StalePods")
        .await?;
    for text in [
        "1 pod has",
        "1 missing",
        "shop/early",
        "kubectl rollout restart",
    ] {
        ensure!(message.contains(text), "{message}");
    }

    // One that gets a sidecar, and one of the node's own: neither lacks any.
    within(PATIENCE, "the API server trusts the webhook", async || {
        pod(&pods, "late", json!({})).await.map(drop)
    })
    .await?;
    ensure!(annotation(&pods.get("late").await?, HASH).is_some());
    let made = pod(&pods, "node", json!({"hostNetwork": true})).await?;
    ensure!(
        annotation(&made, SKIPPED) == Some("host-namespace"),
        "{made:?}"
    );
    scene.event("shop", "InjectionSkipped").await?;
    pods.delete("early", &DeleteParams::default().grace_period(0))
        .await?;
    let message = scene
        .tenant_says(ACME, CONDITION, "True", "AllCurrent")
        .await?;
    ensure!(message.is_empty(), "{message}");
    let missing = "mintage_operator_pods_stale{reason=\"missing\"}";
    ensure!(operator.metric(missing).await? == Some(0.0));
    silence(&scene, Duration::from_secs(3)).await?;

    // The next leader says the same from the start.
    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );
    let mark = scene.plane.audit_mark();
    let mut next = scene.operator(&options).await?;
    next.leads().await?;
    silence(&scene, Duration::from_secs(3)).await?;
    let log = scene.plane.audit_since(mark)?;
    let is_status = |event: &&Event| event.resource == "tenants" && event.subresource == "status";
    let written: Vec<_> = log.iter().filter(is_status).collect();
    ensure!(written.is_empty(), "{written:?}");
    ensure!(next.terminate().await? == Some(0), "{}", next.log()?);

    // Without a webhook nobody is to have a sidecar.
    let _without = scene.operator(&Options::default()).await?;
    let tenants: Api<mintage_crds::Tenant> = Api::namespaced(scene.client.clone(), "identity");
    within(PATIENCE, "the condition is gone", async || {
        let status = tenants.get("acme").await?.status.unwrap_or_default();
        let types: Vec<_> = status
            .conditions
            .iter()
            .map(|one| one.type_.as_str())
            .collect();
        ensure!(types == ["Ready", "Degraded"], "{types:?}");
        Ok(())
    })
    .await
}
