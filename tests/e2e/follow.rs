//! News at once: sidecars follow the operator's stream, and a revocation needs no kubelet.

use anyhow::{Context as _, Result, ensure};
use kube::Api;
use mintage_crds::Tenant;
use mintage_crds::tenant::Propagation;
use mintage_tests::cluster::eventually;
use mintage_tests::mintage::{Run, mintage};
use mintage_tests::pod::header;
use mintage_tests::stage::{Report, Stage};
use serde_json::Value;

use super::calls::{ORDERS, PAYMENTS};

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let what = "every sidecar follows the operator's stream and goes by what is newest";
    report.step(what, followed(stage)).await?;
    let what = "kubectl mintage token --as shop/checkout asks the pod's own sidecar, and says no as it does";
    report.step(what, as_a_workload(stage)).await?;
    let what = "kubectl mintage revoke: every sidecar has heard of it when it ends, and refuses the key's tokens";
    report.step(what, revoked(stage)).await
}

async fn plugin(stage: &Stage, words: &[&str]) -> Result<Run> {
    let kubeconfig = stage.kubeconfig("admin", &["system:masters"])?;
    let kubeconfig = kubeconfig.to_str().context("the path is no text")?;
    mintage(
        &[
            &["cluster", words[0], "--kubeconfig", kubeconfig],
            &words[1..],
        ]
        .concat(),
    )
    .await
}

async fn propagation(stage: &Stage) -> Result<Propagation> {
    let tenants: Api<Tenant> = Api::namespaced(stage.admin().await?, "identity");
    let status = tenants.get("acme").await?.status.context("no status")?;
    status.propagation.context("it says nothing of sidecars")
}

async fn followed(stage: &Stage) -> Result<()> {
    eventually("all sidecars have said so", async || {
        let known = propagation(stage).await?;
        // `shop`, `orders` and `payments` have a pod each, at least.
        ensure!(
            known.pods >= 3 && known.acknowledged == known.pods && known.missing.is_empty(),
            "{known:?}"
        );
        Ok(())
    })
    .await
}

async fn as_a_workload(stage: &Stage) -> Result<()> {
    let ask = ["token", "--as", "shop/checkout", "--audience"];
    let run = plugin(stage, &[&ask[..], &[ORDERS]].concat()).await?;
    let token = run.succeeded()?.trim().to_owned();
    let verdict = stage
        .one("orders", "deployment/api", &["judge", ORDERS, &token])
        .await?;
    ensure!(verdict["validate"]["status"] == 200, "{verdict}");
    let run = plugin(
        stage,
        &[&ask[..], &["https://reports.example.com"]].concat(),
    )
    .await?;
    ensure!(run.code == Some(1), "{:?}: {}", run.code, run.said());
    Ok(())
}

/// The key of `orders`, which has a grant at `payments`.
async fn revoked(stage: &Stage) -> Result<()> {
    let given = stage
        .one("orders", "deployment/api", &["ask", PAYMENTS])
        .await?;
    let token = given["body"]["access_token"].as_str();
    let token = token.with_context(|| given.to_string())?;
    let judged = async || -> Result<Value> {
        let arguments = ["judge", PAYMENTS, token];
        stage.one("payments", "deployment/api", &arguments).await
    };
    let before = judged().await?;
    ensure!(before["validate"]["status"] == 200, "{before}");
    let kid = header(token)?["kid"].as_str().context("a kid")?.to_owned();
    let run = plugin(stage, &["revoke", "identity/acme", "--", &kid]).await?;
    let said = run.succeeded()?;
    ensure!(said.contains("and by all "), "{said}");
    let after = judged().await?;
    ensure!(
        after["validate"]["status"] == 401 && after["active"] == false,
        "{after}"
    );
    Ok(())
}
