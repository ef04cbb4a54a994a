//! A Job whose pods have sidecars.

use anyhow::{Result, ensure};
use mintage_tests::release;
use mintage_tests::stage::{Report, Stage};
use serde_json::{Value, json};

use super::calls::ORDERS;

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let what = "a Job that calls an API completes: the sidecar holds it up no longer than its app";
    report.step(what, completes(stage)).await
}

async fn completes(stage: &Stage) -> Result<()> {
    let url = "http://api.orders.svc.cluster.local/?needs=read:orders";
    let mut pod = release::pod("closing", "shop");
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = "checkout".into();
    spec["restartPolicy"] = "Never".into();
    spec["containers"][0]["args"] = json!(["call", url, ORDERS, "read:orders"]);
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": "closing", "namespace": "shop" },
        "spec": { "backoffLimit": 0, "template": { "spec": spec } },
    });
    stage.apply("job.json", &job.to_string()).await?;
    let wait = [
        "wait",
        "--for=condition=Complete",
        "job/closing",
        "--timeout=60s",
    ];
    stage.kubectl("shop", &wait).await?;
    let said = stage
        .kubectl("shop", &["logs", "job/closing", "--container", "app"])
        .await?;
    let answer: Value = serde_json::from_str(said.trim())?;
    ensure!(answer["status"] == 200, "{answer}");
    ensure!(answer["body"]["client"] == "shop/checkout", "{answer}");
    stage.kubectl("shop", &["delete", "job", "closing"]).await?;
    Ok(())
}
