//! An application's client secret, and the one that takes its place.

use anyhow::{Context as _, Result, ensure};
use kube::Api;
use mintage_crds::Application;
use mintage_tests::cluster::within;
use serde_json::{Value, json};

use super::endpoints::{entries, made, set_up_with, tenant, with_endpoints};
use super::scene::{PATIENCE, Scene};

/// The status of the client secret of `shop/batch`.
async fn secret_status(scene: &Scene) -> Result<Value> {
    let api: Api<Application> = Api::namespaced(scene.client.clone(), "shop");
    let status = api.get("batch").await?.status.context("no status")?;
    Ok(serde_json::to_value(status.client_secret)?)
}

#[tokio::test]
async fn a_client_secret_is_rotated_after_the_endpoint_has_heard_of_the_next_one() -> Result<()> {
    let test = "operator::client_secrets::a_client_secret_is_rotated_after_the_endpoint_has_heard_of_the_next_one";
    let Some(scene) = Scene::start(test).await? else {
        return Ok(());
    };
    let operator = scene.operator(&with_endpoints()).await?;
    tenant(&scene, &json!({"enabled": true})).await?;
    made(&scene).await?;
    let first = set_up_with(&scene, "shop/batch").await?;
    assert_eq!(secret_status(&scene).await?, json!({"generation": 1}));

    let reference = json!({"name": "acme", "namespace": "identity"});
    let secret = |generation: u32, accept_previous: &str| json!({"tenantRef": reference, "type": "Machine", "clientSecret": {"generation": generation, "acceptPrevious": accept_previous}});
    scene.application("shop/batch", secret(2, "1h")).await?;
    within(PATIENCE, "the endpoint is told of both", async || {
        let status = secret_status(&scene).await?;
        ensure!(
            status["generation"] == 1 && status["nextFrom"].is_string(),
            "{status}"
        );
        let told = entries(&scene, "identity", "mintage-endpoint-0.acme").await?;
        ensure!(
            told["endpoint-0"].contains("\"otherSecrets\":{\"2\":"),
            "{told:?}"
        );
        Ok(())
    })
    .await?;
    assert_eq!(set_up_with(&scene, "shop/batch").await?, first);

    // Another leader knows of it.
    drop(operator);
    let _operator = scene.operator(&with_endpoints()).await?;
    scene.application("shop/batch", secret(3, "0s")).await?;
    within(PATIENCE, "the secret is another one", async || {
        let status = secret_status(&scene).await?;
        ensure!(status == json!({"generation": 3}), "{status}");
        let now = entries(&scene, "shop", "mintage-client.batch").await?;
        ensure!(now["CLIENT_SECRET"] != first["CLIENT_SECRET"]);
        ensure!(now["CLIENT_ID"] == first["CLIENT_ID"]);
        let told = entries(&scene, "identity", "mintage-endpoint-0.acme").await?;
        ensure!(!told["endpoint-0"].contains("otherSecrets"), "{told:?}");
        Ok(())
    })
    .await?;
    scene.event("shop", "SecretRotated").await?;

    let back = scene.application("shop/batch", secret(2, "0s")).await;
    let refused = format!(
        "{:?}",
        back.err().context("an earlier generation is taken")?
    );
    ensure!(refused.contains("a secret does not come back"), "{refused}");
    Ok(())
}
