//! Names that have one holder (F6, attack 39), and Secrets that are not ours (attack 34).

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use mintage_crds::status::{READY, find};
use mintage_crds::{ApiAudience, Tenant};
use mintage_tests::cluster::within;
use mintage_tests::operator::Options;
use serde_json::json;

use super::convergence::{silence, writes};
use super::scene::{PATIENCE, Scene};

fn identifier(name: &str) -> serde_json::Value {
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": "https://orders.test",
        "signingAlgorithm": "ES256",
        "displayName": name,
    })
}

#[tokio::test]
async fn of_two_who_claim_an_identifier_the_first_has_it_also_after_it_was_deleted() -> Result<()> {
    let name = "operator::names::of_two_who_claim_an_identifier_the_first_has_it_also_after_it_was_deleted";
    let Some(scene) = Scene::start(name).await? else {
        return Ok(());
    };
    scene.namespace("identity", &json!({})).await?;
    scene.namespace("orders", &json!({})).await?;
    scene.namespace("squatter", &json!({})).await?;
    scene
        .tenant(
            "identity/acme",
            json!({"domain": "acme.test", "allowedNamespaces": {"from": "All"}}),
        )
        .await?;
    let mut operator = scene.operator(&Options::default()).await?;
    scene.audience("orders/orders", identifier("first")).await?;
    scene.audience_ready("orders/orders").await?;
    scene
        .audience("squatter/orders", identifier("second"))
        .await?;
    let message = scene
        .audience_refused("squatter/orders", "Conflict")
        .await?;
    ensure!(
        message.contains("ApiAudience orders/orders"),
        "it says with whom: {message}"
    );

    // Quiet: under one write a minute.
    silence(&scene, std::time::Duration::from_secs(2)).await?;
    let mark = scene.plane.audit_mark();
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    ensure!(writes(&scene.plane.audit_since(mark)?).is_empty());

    // Deleting the holder hands nothing to who waits, also across a restart.
    let audiences: Api<ApiAudience> = Api::namespaced(scene.client.clone(), "orders");
    audiences.delete("orders", &DeleteParams::default()).await?;
    operator.terminate().await?;
    let _next = scene.operator(&Options::default()).await?;
    scene
        .audience_refused("squatter/orders", "Conflict")
        .await?;
    scene
        .audience("orders/orders", identifier("first again"))
        .await?;
    scene.audience_ready("orders/orders").await?;
    scene
        .audience_refused("squatter/orders", "Conflict")
        .await?;
    Ok(())
}

#[tokio::test]
async fn of_two_tenants_that_claim_a_domain_one_has_it() -> Result<()> {
    let Some(scene) =
        Scene::start("operator::names::of_two_tenants_that_claim_a_domain_one_has_it").await?
    else {
        return Ok(());
    };
    scene.namespace("identity", &json!({})).await?;
    scene.namespace("other", &json!({})).await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene
        .tenant("identity/acme", json!({"domain": "login.test"}))
        .await?;
    scene.tenant_ready("identity/acme").await?;
    scene
        .tenant("other/acme", json!({"domain": "login.test"}))
        .await?;
    let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), "other");
    within(
        PATIENCE,
        "the second says Conflict and with whom",
        async || {
            let status = tenants.get("acme").await?.status.unwrap_or_default();
            let ready = find(&status.conditions, READY);
            ensure!(
                ready.is_some_and(|ready| ready.reason == "Conflict"
                    && ready.message.contains("Tenant identity/acme")),
                "{ready:?}"
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_secret_that_is_not_ours_is_never_taken_over() -> Result<()> {
    let Some(scene) =
        Scene::start("operator::names::a_secret_that_is_not_ours_is_never_taken_over").await?
    else {
        return Ok(());
    };
    scene.namespace("identity", &json!({})).await?;
    scene.opted_in("shop").await?;
    scene.opted_in("orders").await?;
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "shop");
    let planted = json!({
        "metadata": {"name": "mintage-keys.identity.acme"},
        "stringData": {"keyring.json": "mine"},
    });
    let planted = secrets
        .create(&PostParams::default(), &serde_json::from_value(planted)?)
        .await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene
        .tenant(
            "identity/acme",
            json!({"domain": "acme.test", "allowedNamespaces": {"from": "All"}}),
        )
        .await?;
    let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), "identity");
    within(
        PATIENCE,
        "the Tenant says which Secret is in the way",
        async || {
            let status = tenants.get("acme").await?.status.unwrap_or_default();
            let degraded = find(&status.conditions, "Degraded");
            ensure!(
                degraded.is_some_and(|one| one.status == "True"
                    && one
                        .message
                        .contains("Secret shop/mintage-keys.identity.acme")
                    && one.message.contains("delete or rename it")),
                "{degraded:?}"
            );
            Ok(())
        },
    )
    .await?;
    let now = secrets.get("mintage-keys.identity.acme").await?;
    ensure!(
        now.metadata.resource_version == planted.metadata.resource_version,
        "it was touched"
    );

    // Nobody else waits for that: the other namespace has its keyring.
    let other: Api<Secret> = Api::namespaced(scene.client.clone(), "orders");
    ensure!(other.get_opt("mintage-keys.identity.acme").await?.is_some());
    secrets
        .delete("mintage-keys.identity.acme", &DeleteParams::default())
        .await?;
    within(PATIENCE, "it is made once the way is free", async || {
        let secret = secrets.get("mintage-keys.identity.acme").await?;
        ensure!(secret.metadata.labels.is_some());
        Ok(())
    })
    .await
}
