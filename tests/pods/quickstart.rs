//! The pods of the README's manifests.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Binding, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_crds::Tenant;
use mintage_crds::status::{READY, find};
use mintage_operator::inject::CONTAINER;
use mintage_tests::cluster::within;
use mintage_tests::quickstart;
use serde_json::json;

use super::scene::{PATIENCE, Scene, container};

/// Its Deployments.
const DEPLOYMENTS: [(&str, &str); 3] =
    [("orders", "api"), ("payments", "api"), ("shop", "checkout")];

/// `kubectl apply -f examples/quickstart`, until its tenant is ready.
pub async fn apply(scene: &Scene) -> Result<()> {
    let path = quickstart();
    let path = path.to_str().context("the path is no text")?;
    let arguments = ["apply", "--server-side", "-f", path];
    scene.plane.kubectl(&arguments).await?.succeeded()?;
    let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), "identity");
    within(PATIENCE, "the tenant is ready", async || {
        let status = tenants.get("acme").await?.status.context("no status")?;
        let ready = find(&status.conditions, READY).context("it has no Ready")?;
        ensure!(ready.status == "True", "{}", ready.message);
        Ok(())
    })
    .await
}

/// They run, each with a sidecar that is ready.
pub async fn its_pods_run(scene: &Scene) -> Result<()> {
    within(PATIENCE, "the quickstart's pods run", async || {
        for (namespace, name) in DEPLOYMENTS {
            let pods: Api<Pod> = Api::namespaced(scene.client.clone(), namespace);
            for pod in pods.list(&ListParams::default()).await?.items {
                schedule(scene, &pods, &pod).await?;
            }
            let deployments: Api<Deployment> = Api::namespaced(scene.client.clone(), namespace);
            let status = deployments.get(name).await?.status.context("no status")?;
            ensure!(
                status.available_replicas == Some(1),
                "{namespace}/{name}: {status:?}"
            );
            let pods = pods.list(&ListParams::default()).await?.items;
            let pod = pods.first().context("no pod")?;
            ensure!(
                container(pod, CONTAINER)?.ready,
                "{namespace}/{name} has no sidecar"
            );
        }
        Ok(())
    })
    .await
}

/// What a scheduler does that has one node.
async fn schedule(scene: &Scene, pods: &Api<Pod>, pod: &Pod) -> Result<()> {
    if pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some())
    {
        return Ok(());
    }
    let name = pod.name_any();
    let binding: Binding = serde_json::from_value(json!({
        "metadata": { "name": name },
        "target": { "apiVersion": "v1", "kind": "Node", "name": scene.node.name() },
    }))?;
    let params = PostParams::default();
    let _: k8s_openapi::apimachinery::pkg::apis::meta::v1::Status = pods
        .create_subresource("binding", &name, &params, &binding)
        .await?;
    Ok(())
}
