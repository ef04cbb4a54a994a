//! Attack 35: pods that try to be left out by what they say of themselves.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use mintage_tests::cluster::rule;
use serde_json::json;

use super::scene::{Scene, initial, pod};

#[tokio::test]
async fn attack_35_no_label_value_but_false_leaves_a_pod_out() -> Result<()> {
    let test = "injection::labels::attack_35_no_label_value_but_false_leaves_a_pod_out";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    for value in ["False", "no", "0", "", "disabled", "true"] {
        let labels = json!({ "mintage.dev/inject": value, "mintage.dev/injection": "disabled", "mintage.dev/injected": "true" });
        let made = scene
            .make(json!({ "metadata": { "labels": labels } }))
            .await?;
        ensure!(initial(&made)? == ["mintage-sidecar"], "{value:?}");
    }
    let labels = json!({ "mintage.dev/inject": "false" });
    let made = scene
        .make(json!({ "metadata": { "labels": labels } }))
        .await?;
    ensure!(
        made["spec"].get("initContainers").is_none(),
        "who says so gets none: {made:#}"
    );
    Ok(())
}

#[tokio::test]
async fn attack_35_a_pod_that_claims_to_be_deleted_or_elsewhere_is_no_exception() -> Result<()> {
    let test =
        "injection::labels::attack_35_a_pod_that_claims_to_be_deleted_or_elsewhere_is_no_exception";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let deleted = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0 } });
    let made = scene.make(deleted).await?;
    ensure!(initial(&made)? == ["mintage-sidecar"], "{made:#}");
    let elsewhere = json!({ "metadata": { "namespace": "default" } });
    let refusal = scene.refusal(elsewhere).await?;
    ensure!(refusal.code == 400, "{refusal:?}");
    Ok(())
}

/// Whoever may make pods in a namespace may not take its label away, which is what turns injection off.
#[tokio::test]
async fn attack_35_the_namespaces_label_is_not_the_pods_owners() -> Result<()> {
    let test = "injection::labels::attack_35_the_namespaces_label_is_not_the_pods_owners";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let user = format!("owner-of-{}", scene.shop);
    let pods = [rule("", &["pods"], &["create"])];
    scene
        .plane
        .allow(&user, Some(&scene.shop.name), &pods)
        .await?;
    let client = scene.plane.client(&user, &[]).await?;
    let own: Api<k8s_openapi::api::core::v1::Pod> =
        Api::namespaced(client.clone(), &scene.shop.name);
    let made = own.create(&PostParams::default(), &pod(json!({}))?).await?;
    ensure!(initial(&serde_json::to_value(made)?)? == ["mintage-sidecar"]);

    let patch =
        Patch::Merge(json!({ "metadata": { "labels": { "mintage.dev/injection": null } } }));
    let params = PatchParams::default();
    let refused = Api::<Namespace>::all(client)
        .patch(&scene.shop.name, &params, &patch)
        .await;
    ensure!(
        matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403),
        "{refused:?}"
    );
    let admin = Api::<Namespace>::all(scene.client.clone());
    admin.patch(&scene.shop.name, &params, &patch).await?;
    Ok(())
}
