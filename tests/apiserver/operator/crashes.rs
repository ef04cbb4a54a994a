//! F1: the operator dies before or after each of its writes, and the next one goes on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::operator::{Operator, Options};
use mintage_tests::pod::Sidecar;
use mintage_tests::volume::Volume;
use serde_json::json;

use super::scene::Scene;

/// A Lease that is soon over: a crash does not give it back.
fn quick() -> Options {
    Options::with(&[
        "--lease-duration",
        "2s",
        "--lease-deadline",
        "1500ms",
        "--lease-retry",
        "200ms",
    ])
}

/// Tenant, API and namespaces of one round; the names tell the rounds apart.
async fn declare(scene: &Scene, round: u32) -> Result<()> {
    let (shop, orders) = (format!("shop-{round}"), format!("orders-{round}"));
    // Each round has a tenant and namespaces of its own, or each would have more to write than the one before.
    let labels = json!({"mintage.dev/injection": "enabled", "round": round.to_string()});
    scene.namespace(&shop, &labels).await?;
    scene.namespace(&orders, &labels).await?;
    scene
        .tenant(
            &format!("identity/t{round}"),
            json!({
                "domain": format!("t{round}.test"),
                "allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"round": round.to_string()}}},
                "signing": {"propagationDelay": "2s"},
            }),
        )
        .await?;
    scene
        .audience(
            &format!("{orders}/orders"),
            json!({
                "tenantRef": {"name": format!("t{round}"), "namespace": "identity"},
                "identifier": "https://orders.test",
                "signingAlgorithm": "ES256",
                "scopes": [{"name": "read"}],
                "grants": [{"workload": {"namespace": shop, "serviceAccount": "app"}, "scopes": ["read"]}],
            }),
        )
        .await?;
    Ok(())
}

/// Whether the workload gets a token that the API accepts.
async fn works(scene: &Scene, round: u32) -> Result<()> {
    let tenant = format!("identity/t{round}");
    let dir = tempfile::tempdir()?;
    let (shop, orders) = (format!("shop-{round}"), format!("orders-{round}"));
    let mut issuer = Volume::new(
        scene.client.clone(),
        &shop,
        &tenant,
        &dir.path().join("shop"),
    )?;
    let mut validator = Volume::new(
        scene.client.clone(),
        &orders,
        &tenant,
        &dir.path().join("orders"),
    )?;
    issuer.sync().await?;
    validator.sync().await?;
    let app = Sidecar::start(issuer.dir(), &format!("{shop}/app"), &[]).await?;
    let api = Sidecar::start(validator.dir(), &format!("{orders}/api"), &[]).await?;
    // A key whose delivery was cut short is replaced, and the next one waits for the delay.
    mintage_tests::cluster::within(
        super::scene::PATIENCE,
        "a good token is issued",
        async || {
            issuer.sync().await?;
            validator.sync().await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let token = app.token("https://orders.test").await?;
            let answer = api.validate(&token).await?;
            ensure!(answer.status() == 200, "{answer:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_crash_at_any_write_leaves_what_the_next_operator_completes() -> Result<()> {
    let name = "operator::crashes::a_crash_at_any_write_leaves_what_the_next_operator_completes";
    let Some(scene) = Scene::start(name).await? else {
        return Ok(());
    };
    scene.namespace("identity", &json!({})).await?;
    let mut completed = None;
    for round in 1..200 {
        declare(&scene, round).await?;
        // Before an odd round's write, after an even round's: both of each number in the end.
        let number = round.div_ceil(2);
        let at = if round % 2 == 1 {
            number.to_string()
        } else {
            format!("after:{number}")
        };
        let options = Options {
            environment: vec![("MINTAGE_CRASH_AT".to_owned(), at)],
            ..quick()
        };
        let mut operator = Operator::start(&scene.kubeconfig, scene.plane.folder(), &options)?;
        let api = format!("orders-{round}/orders");
        let crashed = tokio::select! {
            ended = operator.ended(Duration::from_mins(2)) => {
                ensure!(ended?.is_none(), "it ended by itself: {}", operator.log()?);
                true
            }
            done = scene.audience_ready(&api) => {
                done?;
                false
            }
        };
        if crashed {
            let mut next = scene.operator(&quick()).await?;
            scene.audience_ready(&api).await?;
            works(&scene, round)
                .await
                .with_context(|| format!("round {round}\n{}", next.log().unwrap_or_default()))?;
            next.terminate().await?;
        } else {
            // It got through with fewer writes than that.
            completed = Some(number);
            operator.terminate().await?;
        }
        if completed.is_some() && round % 2 == 0 {
            break;
        }
    }
    let writes = completed.context("it never got through")?;
    // What the next reader wants to know: how many crash points there were.
    println!("K = {writes} writes, a crash before and after each");
    ensure!(
        writes > 5,
        "only {writes} writes: the failpoint does not see them"
    );
    Ok(())
}
