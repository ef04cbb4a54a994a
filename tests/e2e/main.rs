//! Mintage in a cluster, as a user installs it and lives with it: `helm install`, the quickstart, calls between workloads,
//! stolen keys, users who sign in, and `helm uninstall`. Run by `cargo xtask test` on a cluster that it starts, and by `cargo xtask e2e` on
//! whichever one is wanted.

mod bounds;
mod calls;
mod endpoint;
mod follow;
mod front;
mod jobs;
mod pods;
mod refusals;
mod replicas;
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a fixture of the sidecar's own tests, which use more of it"
)]
#[path = "../../sidecar/tests/store/server.rs"]
mod server;
mod uninstall;

use anyhow::{Context as _, Result};

use mintage_tests::stage::{Report, Stage, diagnosis};

/// One test, since clusters are dear.
#[tokio::test]
async fn a_cluster_gets_its_own_tokens() -> Result<()> {
    let mut report = Report::default();
    let Some(stage) = Stage::start("a_cluster_gets_its_own_tokens", &mut report).await? else {
        return Ok(());
    };
    let outcome = Box::pin(live(&stage, &mut report)).await;
    if let Err(error) = outcome {
        let told = diagnosis::of(&stage).await;
        report.end();
        stage.keep().await?;
        return Err(error).with_context(|| told);
    }
    report.end();
    stage.keep().await?;
    stage.end()
}

async fn live(stage: &Stage, report: &mut Report) -> Result<()> {
    let install = mintage_tests::release::install(stage);
    report.step("helm install --wait", install).await?;
    pods::operators(stage, report).await?;
    let apply = mintage_tests::release::apply(stage, true);
    let what = "the quickstart's pods run, with sidecars and where `restricted` is enforced";
    report.step(what, apply).await?;
    calls::all(stage, report).await?;
    refusals::all(stage, report).await?;
    bounds::all(stage, report).await?;
    front::all(stage, report).await?;
    pods::all(stage, report).await?;
    jobs::all(stage, report).await?;
    follow::all(stage, report).await?;
    endpoint::all(stage, report).await?;
    replicas::all(stage, report).await?;
    if !stage.is_kept() {
        uninstall::all(stage, report).await?;
    }
    Ok(())
}
