//! What is left when Mintage is gone.

use anyhow::{Result, ensure};
use mintage_tests::operator::NAMESPACE;
use mintage_tests::release::{DEFINITIONS, RELEASE, helm, kubectl};
use mintage_tests::stage::{Report, Stage};

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let uninstall = async {
        for release in [RELEASE, DEFINITIONS] {
            let namespace = if release == RELEASE {
                NAMESPACE
            } else {
                "default"
            };
            let arguments = [
                "uninstall",
                release,
                "--namespace",
                namespace,
                "--wait",
                "--timeout",
                "3m",
            ];
            helm(stage, &arguments).await?;
        }
        Ok(())
    };
    report.step("helm uninstall", uninstall).await?;
    let what = "then pods start in the namespaces that had sidecars";
    report.step(what, pods(stage)).await?;
    let what = "and namespaces, Tenants and definitions can be deleted";
    report.step(what, deleted(stage)).await
}

async fn pods(stage: &Stage) -> Result<()> {
    let name = "deployment/checkout";
    stage.kubectl("shop", &["rollout", "restart", name]).await?;
    stage
        .kubectl("shop", &["rollout", "status", name, "--timeout=60s"])
        .await?;
    let containers = "jsonpath={.items[*].spec.initContainers[*].name}";
    let arguments = [
        "get",
        "pods",
        "--selector",
        "app=checkout",
        "--field-selector",
        "status.phase=Running",
    ];
    let arguments = [&arguments[..], &["--output", containers]].concat();
    let named = stage.kubectl("shop", &arguments).await?;
    // The old pod may be on its way out.
    ensure!(named.split(' ').count() <= 1, "new pods have {named}");
    Ok(())
}

async fn deleted(stage: &Stage) -> Result<()> {
    let namespaces = [
        "shop", "orders", "payments", "identity", "people", "crowd", NAMESPACE,
    ];
    // Those of the endpoints are not there where their steps were skipped.
    let delete = [
        "delete",
        "namespace",
        "--timeout=120s",
        "--ignore-not-found",
    ];
    let delete = [&delete[..], &namespaces[..]].concat();
    kubectl(stage, &delete).await?;
    let kinds = [
        "apiaudiences.mintage.dev",
        "applications.mintage.dev",
        "customdomains.mintage.dev",
        "tenants.mintage.dev",
    ];
    kubectl(
        stage,
        &[&["delete", "crd", "--timeout=60s"], &kinds[..]].concat(),
    )
    .await?;
    kubectl(stage, &["create", "namespace", "afterwards"]).await?;
    kubectl(
        stage,
        &["delete", "namespace", "afterwards", "--timeout=60s"],
    )
    .await?;
    Ok(())
}
