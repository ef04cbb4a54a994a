//! F2, F3, F9: the API server goes away, forgets where the watches were, and two who both believe to lead.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::Api;
use kube::api::DeleteParams;
use mintage_crds::ApiAudience;
use mintage_tests::cluster::within;
use mintage_tests::operator::Options;
use serde_json::json;

use super::convergence::silence;
use super::scene::{PATIENCE, Scene};

async fn scene(name: &str) -> Result<Option<Scene>> {
    Scene::with_shop(&format!("operator::outages::{name}")).await
}

fn api(number: u32) -> serde_json::Value {
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": format!("https://a{number}.test"),
        "signingAlgorithm": "ES256",
        "scopes": [{"name": "read"}],
        "grants": [{"workload": {"namespace": "shop", "serviceAccount": "app"}, "scopes": ["read"]}],
    })
}

#[tokio::test]
async fn the_api_server_goes_and_comes_and_etcd_forgets() -> Result<()> {
    let Some(scene) = scene("the_api_server_goes_and_comes_and_etcd_forgets").await? else {
        return Ok(());
    };
    let mut operator = scene.operator(&Options::default()).await?;
    scene.audience("shop/a1", api(1)).await?;
    scene.audience("shop/a2", api(2)).await?;
    scene.audience_ready("shop/a2").await?;
    let before = scene.managed().await?;

    scene.plane.stop_api_server()?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    scene.plane.start_api_server().await?;
    // What is deleted while the watches are down, or before they have come back, is noticed.
    let audiences: Api<ApiAudience> = Api::namespaced(scene.client.clone(), "shop");
    within(PATIENCE, "the API server takes a deletion", async || {
        audiences.delete("a1", &DeleteParams::default()).await?;
        Ok(())
    })
    .await?;
    scene.plane.compact_etcd().await?;
    scene.audience("shop/a3", api(3)).await?;
    scene.audience_ready("shop/a3").await?;
    operator.ready().await?;
    silence(&scene, Duration::from_secs(3)).await?;
    let after = scene.managed().await?;
    let names = |all: &[(String, String)]| {
        all.iter()
            .map(|(place, _)| place.clone())
            .collect::<Vec<_>>()
    };
    ensure!(
        names(&before)
            .iter()
            .all(|place| names(&after).contains(place)),
        "{before:?} {after:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_leader_that_was_paused_past_its_lease_writes_nothing() -> Result<()> {
    let Some(scene) = scene("a_leader_that_was_paused_past_its_lease_writes_nothing").await? else {
        return Ok(());
    };
    let options = Options::with(&[
        "--lease-duration",
        "3s",
        "--lease-deadline",
        "2s",
        "--lease-retry",
        "300ms",
    ]);
    let first = scene.operator(&options).await?;
    scene.audience("shop/a1", api(1)).await?;
    scene.audience_ready("shop/a1").await?;
    let second = scene.operator(&options).await?;
    ensure!(
        second.metric("mintage_operator_leader").await? == Some(0.0),
        "one leads"
    );

    first.pause()?;
    within(PATIENCE, "the second leads", async || {
        ensure!(second.metric("mintage_operator_leader").await? == Some(1.0));
        Ok(())
    })
    .await?;
    // Something that the first would do with old knowledge, and the second has done.
    scene
        .annotate(
            "identity/acme",
            json!({"mintage.dev/rotate-now": "by the second"}),
        )
        .await?;
    scene.audience("shop/a2", api(2)).await?;
    scene.audience_ready("shop/a2").await?;
    silence(&scene, Duration::from_secs(3)).await?;
    let before = scene.managed().await?;

    first.resume()?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = scene.managed().await?;
    ensure!(
        before == after,
        "the first has written:\n{before:?}\n{after:?}\n{}",
        first.log()?
    );
    let keyring = scene
        .secret("shop", "mintage-keys.identity.acme")
        .await?
        .context("no keyring")?;
    ensure!(keyring.data.is_some());
    let leading = [&first, &second];
    let mut count = 0.0;
    for operator in leading {
        count += operator
            .metric("mintage_operator_leader")
            .await?
            .unwrap_or(0.0);
    }
    ensure!((count - 1.0).abs() < 0.5, "{count} lead");
    Ok(())
}

#[tokio::test]
async fn a_leader_that_ends_hands_over_at_once() -> Result<()> {
    let Some(scene) = scene("a_leader_that_ends_hands_over_at_once").await? else {
        return Ok(());
    };
    let mut first = scene.operator(&Options::default()).await?;
    let second = scene.operator(&Options::default()).await?;
    ensure!(first.metric("mintage_operator_leader").await? == Some(1.0));
    ensure!(first.terminate().await? == Some(0), "{}", first.log()?);
    // Sooner than the Lease would have run out.
    within(Duration::from_secs(8), "the second leads", async || {
        ensure!(second.metric("mintage_operator_leader").await? == Some(1.0));
        Ok(())
    })
    .await
}
