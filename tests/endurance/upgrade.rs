//! The release is upgraded while workloads call each other.

use std::time::Duration;

use anyhow::{Result, ensure};
use mintage_tests::cluster::within;
use mintage_tests::operator::NAMESPACE;
use mintage_tests::release::{RELEASE, helm};
use mintage_tests::stage::{Report, Stage};

use super::traffic::Traffic;
use super::{CHECKOUT, ORDERS};

/// How long what is declared may take to reach a pod.
const PATIENCE: Duration = Duration::from_mins(2);

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let traffic = Traffic::begin(stage, report).await?;
    let before = traffic.tally()?;

    let set = "sidecar.resources.limits.memory=80Mi";
    let upgrade = [
        "upgrade",
        RELEASE,
        "charts/mintage",
        "--namespace",
        NAMESPACE,
        "--set",
        set,
    ];
    let upgrade = [&upgrade[..], &["--wait", "--timeout", "3m"]].concat();
    report
        .step("helm upgrade to other sidecars", helm(stage, &upgrade))
        .await?;

    let what = "the Tenant says which pods have an old sidecar";
    let reported = within(PATIENCE, "pods are reported", async || {
        let message = "jsonpath={.status.conditions[?(@.type=='SidecarsCurrent')]}";
        let said = stage
            .kubectl("identity", &["get", "tenant", "acme", "--output", message])
            .await?;
        ensure!(said.contains("\"status\":\"False\""), "{said}");
        ensure!(said.contains("shop/") || said.contains("orders/"), "{said}");
        Ok(())
    });
    report.step(what, reported).await?;

    let what = "an old sidecar takes up what changes afterwards";
    report.step(what, changes(stage)).await?;

    let what = "no call failed meanwhile";
    let counted = async {
        traffic.flows().await?;
        traffic.no_bad_since(before.bad.len())
    };
    report.step(what, counted).await?;

    let what = "restarted workloads have the new sidecar, and the report ends";
    report.step(what, renewed(stage)).await
}

async fn changes(stage: &Stage) -> Result<()> {
    let patch = r#"{"spec":{"tokenLifetimeSeconds":1800}}"#;
    let arguments = [
        "patch",
        "apiaudience",
        "orders",
        "--type=merge",
        "--patch",
        patch,
    ];
    stage.kubectl("orders", &arguments).await?;
    let (namespace, name) = CHECKOUT;
    within(PATIENCE, "tokens live as long as is said now", async || {
        let given = stage.one(namespace, name, &["ask", ORDERS]).await?;
        ensure!(given["body"]["expires_in"] == 1800, "{given}");
        Ok(())
    })
    .await
}

async fn renewed(stage: &Stage) -> Result<()> {
    for (namespace, name) in mintage_tests::release::DEPLOYMENTS {
        let name = format!("deployment/{name}");
        stage
            .kubectl(namespace, &["rollout", "restart", &name])
            .await?;
        let ready = ["rollout", "status", &name, "--timeout=120s"];
        stage.kubectl(namespace, &ready).await?;
    }
    for (namespace, pod) in [
        ("shop", "calls-orders"),
        ("shop", "calls-payments"),
        ("orders", "calls-payments"),
    ] {
        stage.kubectl(namespace, &["delete", "pod", pod]).await?;
    }
    within(PATIENCE, "no pod is reported any more", async || {
        let status = "jsonpath={.status.conditions[?(@.type=='SidecarsCurrent')].status}";
        let said = stage
            .kubectl("identity", &["get", "tenant", "acme", "--output", status])
            .await?;
        ensure!(said == "True", "SidecarsCurrent is {said:?}");
        Ok(())
    })
    .await?;
    let limits = "jsonpath={.items[0].spec.initContainers[0].resources.limits.memory}";
    let limit = stage
        .kubectl(
            "shop",
            &[
                "get",
                "pods",
                "--selector",
                "app=checkout",
                "--output",
                limits,
            ],
        )
        .await?;
    ensure!(limit == "80Mi", "the new sidecar's limit is {limit:?}");
    Ok(())
}
