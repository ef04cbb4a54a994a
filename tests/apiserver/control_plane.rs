//! The control plane is a Kubernetes: its version, its controllers, and the tools around it.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Resource as _, ResourceExt as _};
use mintage_crds::Tenant;
use mintage_tests::cluster::{self, ControlPlane, eventually};
use mintage_tests::{skip, workspace};
use serde_json::json;

#[tokio::test]
async fn the_api_server_is_of_the_version_that_is_pinned() -> Result<()> {
    let test = "control_plane::the_api_server_is_of_the_version_that_is_pinned";
    let Some(plane) = cluster::local(test).await? else {
        return Ok(());
    };
    if std::env::var_os("KUBEBUILDER_ASSETS").is_some() {
        return skip::skip(test, "KUBEBUILDER_ASSETS has a version of its own");
    }
    let pins = std::fs::read_to_string(workspace().join("tests/cluster/kubernetes/go.mod"))?;
    let pinned = pins
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "));
    let pinned = pinned
        .and_then(|rest| rest.split(' ').next())
        .context("no pin")?;
    let version = plane.admin().await?.apiserver_version().await?;
    ensure!(
        version.git_version == pinned,
        "{version:?}, and {pinned} is pinned"
    );
    Ok(())
}

/// The shared control plane with controllers; without them the test is skipped.
async fn with_controllers(test: &str) -> Result<Option<&'static ControlPlane>> {
    let plane = cluster::local(test).await?;
    match plane {
        Some(plane) if !plane.has_controllers() => {
            skip::skip(test, "there is no kube-controller-manager").map(|()| None)
        }
        plane => Ok(plane),
    }
}

#[tokio::test]
async fn what_a_tenant_owns_goes_with_it_and_a_namespace_ends() -> Result<()> {
    let test = "control_plane::what_a_tenant_owns_goes_with_it_and_a_namespace_ends";
    let Some(plane) = with_controllers(test).await? else {
        return Ok(());
    };
    let client = plane.admin().await?;
    let namespace = plane.namespace("owners", &[]).await?;
    let tenants: Api<Tenant> = Api::namespaced(client.clone(), &namespace.name);
    let tenant: Tenant = serde_json::from_value(json!({
        "apiVersion": "mintage.dev/v1alpha1", "kind": "Tenant",
        "metadata": { "name": "owner" }, "spec": { "domain": "owner.example.com" },
    }))?;
    let params = PostParams::default();
    let tenant = tenants.create(&params, &tenant).await?;
    let owner: OwnerReference = tenant.controller_owner_ref(&()).context("no owner")?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace.name);
    let mut map = ConfigMap::default();
    map.metadata.name = Some("owned".into());
    map.metadata.owner_references = Some(vec![owner]);
    maps.create(&params, &map).await?;

    tenants.delete("owner", &DeleteParams::default()).await?;
    eventually("the owned ConfigMap is gone", async || {
        ensure!(maps.get_opt("owned").await?.is_none(), "it is there");
        Ok(())
    })
    .await?;

    let namespaces: Api<Namespace> = Api::all(client);
    namespaces
        .delete(&namespace.name, &DeleteParams::default())
        .await?;
    eventually("the namespace is gone", async || {
        let found = namespaces.get_opt(&namespace.name).await?;
        ensure!(
            found.is_none(),
            "{:?}",
            found.and_then(|found| found.status)
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_deployment_makes_pods() -> Result<()> {
    let test = "control_plane::a_deployment_makes_pods";
    let Some(plane) = with_controllers(test).await? else {
        return Ok(());
    };
    let client = plane.admin().await?;
    let namespace = plane.namespace("pods", &[]).await?;
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "app" },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": "app" } },
            "template": {
                "metadata": { "labels": { "app": "app" } },
                "spec": { "containers": [{ "name": "app", "image": "app" }] },
            },
        },
    }))?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace.name);
    deployments
        .create(&PostParams::default(), &deployment)
        .await?;
    let pods: Api<Pod> = Api::namespaced(client, &namespace.name);
    eventually("there are two pods, with a token each", async || {
        let pods = pods.list(&ListParams::default().labels("app=app")).await?;
        ensure!(pods.items.len() == 2, "there are {}", pods.items.len());
        for pod in &pods {
            let spec = pod.spec.as_ref().context("no spec")?;
            let volumes = spec.volumes.iter().flatten();
            let projected = volumes.filter(|volume| volume.projected.is_some()).count();
            ensure!(projected == 1, "{} has {projected} tokens", pod.name_any());
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_tools_for_charts_are_there() -> Result<()> {
    let test = "control_plane::the_tools_for_charts_are_there";
    let Some(cluster) = cluster::shared(test).await? else {
        return Ok(());
    };
    for name in ["helm", "helm-unittest", "kubeconform"] {
        if let Err(reason) = cluster::command_line(name)? {
            return skip::skip(test, &format!("{name}: {reason}"));
        }
    }
    let helm = cluster.helm(&["version", "--short"]).await?;
    ensure!(helm.succeeded()?.starts_with("v4."), "{}", helm.said());
    let releases = cluster.helm(&["list", "--all-namespaces"]).await?;
    ensure!(
        releases.succeeded()?.starts_with("NAME"),
        "{}",
        releases.said()
    );
    let config = cluster.kubeconfig("nobody", &[])?;
    for (name, argument) in [("kubeconform", "-v"), ("helm-unittest", "--help")] {
        cluster
            .tool(name, &config, &[argument])
            .await?
            .succeeded()?;
    }
    Ok(())
}
