//! What fails of a tenant's endpoint: it holds up nothing else, and is said where it belongs.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, Service};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use mintage_crds::status::{READY, find};
use mintage_crds::{Application, Tenant};
use mintage_tests::cluster::within;
use serde_json::{Value, json};

use super::convergence::silence;
use super::endpoints::{PODS, acme, with_endpoints};
use super::scene::{PATIENCE, Scene};

fn of<K>(scene: &Scene, namespace: &str) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(scene.client.clone(), namespace)
}

/// An application of `identity/acme`.
async fn application(scene: &Scene, at: &str) -> Result<()> {
    let reference = json!({"name": "acme", "namespace": "identity"});
    let machine = json!({"tenantRef": reference, "type": "Machine"});
    scene.application(at, machine).await?;
    Ok(())
}

/// Waits until an application says whether it is ready; its message.
async fn application_says(scene: &Scene, at: (&str, &str), status: &str) -> Result<String> {
    let api: Api<Application> = of(scene, at.0);
    within(PATIENCE, &format!("{at:?} says {status}"), async || {
        let said = api.get(at.1).await?.status.unwrap_or_default();
        let ready = find(&said.conditions, READY).cloned();
        let ready = ready.filter(|ready| ready.status == status);
        ready
            .map(|ready| ready.message)
            .ok_or_else(|| anyhow::anyhow!("{said:?}"))
    })
    .await
}

fn api(name: &str) -> Value {
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": format!("https://{name}.test"), "signingAlgorithm": "ES256",
        "scopes": [{"name": "read"}],
    })
}

#[tokio::test]
async fn what_cannot_be_made_for_an_endpoint_holds_up_neither_keys_nor_other_applications()
-> Result<()> {
    let test = "what_cannot_be_made_for_an_endpoint_holds_up_neither_keys_nor_other_applications";
    let Some(scene) = Scene::start(&format!("operator::endpoint_troubles::{test}")).await? else {
        return Ok(());
    };
    let _operator = scene.operator(&with_endpoints()).await?;
    for namespace in ["aaa", "identity"] {
        scene.namespace(namespace, &json!({})).await?;
    }
    scene.opted_in("shop").await?;
    // Somebody had these names before.
    let theirs = json!({"metadata": {"name": PODS}, "spec": {"ports": [{"port": 80}]}});
    let services: Api<Service> = of(&scene, "identity");
    let params = PostParams::default();
    services
        .create(&params, &serde_json::from_value(theirs)?)
        .await?;
    let theirs = json!({"metadata": {"name": "mintage-client.first"}});
    let secrets: Api<Secret> = of(&scene, "aaa");
    secrets
        .create(&params, &serde_json::from_value(theirs)?)
        .await?;

    scene
        .tenant("identity/acme", acme(&json!({"enabled": true})))
        .await?;
    let tenant_says = async |type_, status, reason| {
        scene
            .tenant_says("identity/acme", type_, status, reason)
            .await
    };
    let said = tenant_says("Degraded", "True", "Trouble").await?;
    ensure!(
        said.contains(PODS) && said.contains("delete or rename"),
        "{said}"
    );
    let said = tenant_says("EndpointReady", "False", "NotMade").await?;
    ensure!(said.contains(PODS), "{said}");
    tenant_says("Ready", "False", "NotApplied").await?;

    application(&scene, "aaa/first").await?;
    application(&scene, "shop/second").await?;
    let said = application_says(&scene, ("aaa", "first"), "False").await?;
    ensure!(said.contains("mintage-client.first"), "{said}");
    application_says(&scene, ("shop", "second"), "True").await?;
    let second = scene.secret("shop", "mintage-client.second").await?;
    ensure!(second.is_some(), "its Secret is not there");
    // It fails again and again by now; what is new of the tenant is there at once, and not with the next try.
    for name in ["one", "two", "three"] {
        scene.audience(&format!("shop/{name}"), api(name)).await?;
        scene.audience_ready(&format!("shop/{name}")).await?;
    }
    let said = tenant_says("Degraded", "True", "Trouble").await?;
    ensure!(
        said.contains(PODS) && said.contains("mintage-client.first"),
        "{said}"
    );

    let params = DeleteParams::default();
    services.delete(PODS, &params).await?;
    secrets.delete("mintage-client.first", &params).await?;
    let tenants: Api<Tenant> = of(&scene, "identity");
    within(PATIENCE * 3, "all of it is made", async || {
        let status = tenants.get("acme").await?.status.unwrap_or_default();
        let ready = find(&status.conditions, READY);
        ensure!(
            ready.is_some_and(|ready| ready.status == "True"),
            "{status:?}"
        );
        let degraded = find(&status.conditions, "Degraded");
        ensure!(
            degraded.is_some_and(|said| said.status == "False"),
            "{status:?}"
        );
        Ok(())
    })
    .await?;
    application_says(&scene, ("aaa", "first"), "True").await?;
    tenant_says("EndpointReady", "False", "NotServing").await?;
    silence(&scene, std::time::Duration::from_secs(2)).await
}

#[tokio::test]
async fn a_claim_that_was_made_larger_stays_so() -> Result<()> {
    let test = "operator::endpoint_troubles::a_claim_that_was_made_larger_stays_so";
    let Some(scene) = Scene::start(test).await? else {
        return Ok(());
    };
    let mut operator = scene.operator(&with_endpoints()).await?;
    scene.namespace("identity", &json!({})).await?;
    let tenant = acme(&json!({"enabled": true}));
    scene.tenant("identity/acme", tenant).await?;
    scene.tenant_ready("identity/acme").await?;

    // What has a class that allows for it and is bound may be made larger, and never smaller again.
    let volume = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "grows"},
            "provisioner": "nobody.test", "allowVolumeExpansion": true,
        },
        {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "volume"},
            "spec": {
                "storageClassName": "grows", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "claimRef": {"namespace": "identity", "name": PODS}, "hostPath": {"path": "/nowhere"},
            },
        },
    ]});
    let file = scene.plane.folder().join("volume.json");
    std::fs::write(&file, volume.to_string())?;
    scene.apply(&file).await?;
    let claims: Api<PersistentVolumeClaim> = of(&scene, "identity");
    let params = PatchParams::default();
    let class = json!({"spec": {"storageClassName": "grows"}});
    claims.patch(PODS, &params, &Patch::Merge(class)).await?;
    within(PATIENCE, "the claim is bound", async || {
        let status = claims.get(PODS).await?.status.unwrap_or_default();
        ensure!(status.phase.as_deref() == Some("Bound"), "{status:?}");
        Ok(())
    })
    .await?;
    let grown = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    claims.patch(PODS, &params, &Patch::Merge(grown)).await?;
    silence(&scene, std::time::Duration::from_secs(2)).await?;

    operator.terminate().await?;
    let _next = scene.operator(&with_endpoints()).await?;
    let more = json!({"enabled": true, "trustedProxies": ["10.0.0.0/8"], "ingress": {}});
    scene.tenant("identity/acme", acme(&more)).await?;
    let ingresses: Api<k8s_openapi::api::networking::v1::Ingress> = of(&scene, "identity");
    within(PATIENCE, "what comes after the claim is made", async || {
        ingresses.get(PODS).await?;
        Ok(())
    })
    .await?;
    let deployment: Deployment = of(&scene, "identity").get(PODS).await?;
    ensure!(deployment.metadata.generation == Some(1));
    let claim = serde_json::to_value(claims.get(PODS).await?)?;
    ensure!(
        claim["spec"]["resources"]["requests"]["storage"] == "2Gi",
        "{claim}"
    );
    let said = scene
        .tenant_says("identity/acme", "Degraded", "False", "AsExpected")
        .await?;
    ensure!(said.is_empty(), "{said}");
    Ok(())
}
