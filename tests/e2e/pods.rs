//! What pods with sidecars are like, seen from inside, and the operator's own.

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use mintage_tests::operator::NAMESPACE;
use mintage_tests::release;
use mintage_tests::stage::{Report, Stage};
use serde_json::{Value, json};

use super::calls::CHECKOUT;

/// The port of health and metrics.
const ADMIN: u16 = 7601;

/// Two replicas are ready, and one of them leads.
pub async fn operators(stage: &Stage, report: &mut Report) -> Result<()> {
    let ready = async {
        let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
        let selector = ListParams::default().labels("app.kubernetes.io/component=operator");
        let pods = pods.list(&selector).await?.items;
        ensure!(pods.len() == 2, "{} operators", pods.len());
        let names: Vec<_> = pods
            .iter()
            .filter_map(|pod| pod.metadata.name.clone())
            .collect();
        let holder = stage.leader().await?;
        ensure!(names.contains(&holder), "{holder} leads, of {names:?}");
        Ok(())
    };
    let what = "two operators run as pods, and one of them leads";
    report.step(what, ready).await
}

/// All of the rest.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let (namespace, name) = CHECKOUT;
    let looked = async {
        let looked = stage.one(namespace, name, &["look"]).await?;
        ensure!(looked["user"] == 10_001, "{looked}");
        ensure!(looked["keys"] == "not there", "{looked}");
        let seen = looked["processes"].as_array().context("no processes")?;
        // Itself, and what waits there: the sidecar is out of sight.
        ensure!(seen.len() == 2, "{looked}");
        ensure!(
            seen.iter().all(|one| one["keys"] == "not there"),
            "{looked}"
        );
        Ok(())
    };
    let what =
        "kubectl exec in the app's container: it finds no key, and sees no process of the sidecar";
    report.step(what, looked).await?;

    let listeners = async {
        let ports = stage.one(namespace, name, &["listeners"]).await?;
        ensure!(ports["everywhere"] == json!([ADMIN]), "{ports}");
        let loopback = ports["loopback"].as_array().context("no ports")?;
        ensure!(loopback.contains(&json!(7600)), "{ports}");
        Ok(())
    };
    let what = format!("nothing but {ADMIN} listens on the pod's address");
    report.step(what, listeners).await?;

    let what = "the namespace is held to `restricted`: a pod that may be root is refused";
    report.step(what, root(stage)).await?;

    let what = "kubectl logs and port-forward reach the sidecar";
    report.step(what, reached(stage)).await
}

async fn root(stage: &Stage) -> Result<()> {
    let mut pod = release::pod("root", "shop");
    pod["spec"]["securityContext"] = Value::Null;
    match stage.apply("root.json", &pod.to_string()).await {
        Err(error) if format!("{error:#}").contains("violates PodSecurity") => Ok(()),
        other => bail!("it got {other:?}"),
    }
}

async fn reached(stage: &Stage) -> Result<()> {
    let (namespace, name) = CHECKOUT;
    let logs = stage
        .kubectl(namespace, &["logs", name, "--container", "mintage-sidecar"])
        .await?;
    let listening = logs
        .lines()
        .any(|line| line.contains("\"event\":\"listening\""));
    ensure!(listening, "the sidecar's log: {logs}");
    let forward = stage.forward(namespace, name, ADMIN).await?;
    let metrics = forward.read("/metrics").await?;
    ensure!(metrics.contains("mintage_bundle_version "), "{metrics}");
    Ok(())
}
