//! What takes long to show in a cluster: outages, rotations under traffic, operators that are killed. Each part starts a
//! cluster of its own, which it can stop parts of. Run by `cargo xtask nightly`, a step for each.

mod chaos;
mod cut;
mod operators;
mod outage;
mod revocations;
mod rotations;
mod soak;
mod traffic;
mod upgrade;

use std::time::Duration;

use anyhow::{Context as _, Result};
use mintage_tests::release;
use mintage_tests::stage::{Report, Stage, diagnosis};

/// How many minutes the long parts take.
const MINUTES: &str = "MINTAGE_ENDURANCE_MINUTES";

/// Who calls, in the manifests of `examples/calls`.
const CHECKOUT: (&str, &str) = ("shop", "deployment/checkout");

/// An API.
const ORDERS: &str = "https://orders.example.com";

/// Another one.
const PAYMENTS: &str = "https://payments.example.com";

#[tokio::test]
async fn operators_take_over_and_restart() -> Result<()> {
    play("operators_take_over_and_restart", async |stage, report| {
        operators::all(stage, report).await
    })
    .await
}

#[tokio::test]
async fn keys_rotate_under_traffic() -> Result<()> {
    play("keys_rotate_under_traffic", async |stage, report| {
        rotations::all(stage, report).await
    })
    .await
}

#[tokio::test]
async fn keys_are_revoked_under_traffic() -> Result<()> {
    play("keys_are_revoked_under_traffic", async |stage, report| {
        revocations::all(stage, report).await
    })
    .await
}

#[tokio::test]
async fn keys_change_while_the_stream_is_cut() -> Result<()> {
    let name = "keys_change_while_the_stream_is_cut";
    play(name, async |stage, report| cut::all(stage, report).await).await
}

#[tokio::test]
async fn tokens_outlive_the_api_server() -> Result<()> {
    play("tokens_outlive_the_api_server", async |stage, report| {
        outage::all(stage, report).await
    })
    .await
}

#[tokio::test]
async fn operators_are_killed_while_manifests_change() -> Result<()> {
    let name = "operators_are_killed_while_manifests_change";
    play(name, async |stage, report| chaos::all(stage, report).await).await
}

#[tokio::test]
async fn memory_and_descriptors_stay_flat() -> Result<()> {
    let name = "memory_and_descriptors_stay_flat";
    play(name, async |stage, report| soak::all(stage, report).await).await
}

#[tokio::test]
async fn the_chart_is_upgraded_under_traffic() -> Result<()> {
    play(
        "the_chart_is_upgraded_under_traffic",
        async |stage, report| upgrade::all(stage, report).await,
    )
    .await
}

/// A part, in a cluster with Mintage, the quickstart and its apps.
async fn play(name: &str, part: impl AsyncFnOnce(&Stage, &mut Report) -> Result<()>) -> Result<()> {
    let mut report = Report::default();
    let Some(stage) = Stage::start(name, &mut report).await? else {
        return Ok(());
    };
    let outcome = Box::pin(async {
        report
            .step("helm install --wait", release::install(&stage))
            .await?;
        report
            .step("the quickstart's pods run", release::apply(&stage, true))
            .await?;
        part(&stage, &mut report).await
    });
    let outcome = outcome.await;
    report.end();
    if let Err(error) = outcome {
        let told = diagnosis::of(&stage).await;
        stage.keep().await?;
        return Err(error).with_context(|| told);
    }
    stage.keep().await?;
    stage.end()
}

/// How long a long part takes; half of it where a part says so.
fn long() -> Result<Duration> {
    let minutes = match std::env::var(MINUTES) {
        Ok(minutes) => minutes
            .parse()
            .with_context(|| format!("{MINUTES}={minutes}"))?,
        Err(_) => 10,
    };
    Ok(Duration::from_mins(minutes))
}
