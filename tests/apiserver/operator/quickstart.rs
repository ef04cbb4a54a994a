//! The folder that `mintage dev` runs, applied to a cluster.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::quickstart;
use mintage_tests::volume::Volume;

use super::scene::Scene;
use mintage_tests::pod::Sidecar;

#[tokio::test]
async fn the_quickstart_becomes_ready_and_its_pods_can_speak() -> Result<()> {
    let Some(scene) =
        Scene::start("operator::quickstart::the_quickstart_becomes_ready_and_its_pods_can_speak")
            .await?
    else {
        return Ok(());
    };
    let mut operator = scene
        .operator(&mintage_tests::operator::Options::default())
        .await?;
    scene.apply(&quickstart()).await?;
    for tenant in ["identity/acme", "identity/globex"] {
        scene.tenant_ready(tenant).await?;
    }
    scene.audience_ready("orders/orders").await?;

    let listed = scene.plane.kubectl(&["get", "mintage", "-A"]).await?;
    ensure!(
        listed.out.contains("acme.localhost:7743"),
        "{}",
        listed.said()
    );
    let waited = scene
        .plane
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "tenant/acme",
            "-n",
            "identity",
            "--timeout=10s",
        ])
        .await?;
    ensure!(waited.code == Some(0), "{}", waited.said());

    // The Secrets as kubelet would mount them, one sidecar on each side.
    let dir = tempfile::tempdir()?;
    let mut shop = Volume::new(
        scene.client.clone(),
        "shop",
        "identity/acme",
        &dir.path().join("shop"),
    )?;
    shop.sync().await?;
    let mut orders = Volume::new(
        scene.client.clone(),
        "orders",
        "identity/acme",
        &dir.path().join("orders"),
    )?;
    orders.sync().await?;
    let checkout = Sidecar::start(shop.dir(), "shop/checkout", &[]).await?;
    let api = Sidecar::start(orders.dir(), "orders/api", &["--accept", "orders"]).await?;
    let token = checkout.token("https://orders.example.com").await?;
    let answer = api.validate(&token).await?;
    ensure!(answer.status() == 200, "{answer:?}");

    // Keys that cannot speak for another namespace: each has its own.
    let kids = |volume: &[u8]| -> Result<BTreeSet<String>> {
        let file: serde_json::Value = serde_json::from_slice(volume)?;
        let keys = file["keys"].as_array().context("no keys")?.iter();
        Ok(keys
            .filter_map(|key| key["kid"].as_str().map(str::to_owned))
            .collect())
    };
    let [shop, orders] = [shop.read().await?, orders.read().await?];
    let [shop, orders] = [kids(&shop["keyring.json"])?, kids(&orders["keyring.json"])?];
    ensure!(
        !shop.is_empty() && shop.is_disjoint(&orders),
        "{shop:?} {orders:?}"
    );

    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );
    Ok(())
}
