//! `mintage-operator uninstall`, as the chart's hook runs it, beside an operator that would put finalizers back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt as _};
use mintage_core::managed::FINALIZER;
use mintage_crds::Tenant;
use mintage_crds::permissions::UNINSTALL;
use mintage_tests::cluster::within;
use mintage_tests::dev::binary;
use mintage_tests::operator::{NAMESPACE, Options};
use mintage_tests::permissions::give;
use serde_json::json;
use tokio::process::Command;

use super::scene::{PATIENCE, Scene};

const USER: &str = "uninstaller";

async fn uninstall(kubeconfig: &Path) -> Result<(Option<i32>, String)> {
    let output = Command::new(binary("mintage-operator")?)
        .args([
            "uninstall",
            "--namespace",
            NAMESPACE,
            "--log-format",
            "text",
        ])
        .env("KUBECONFIG", kubeconfig)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("NO_PROXY", "*")
        .output()
        .await?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8(text)?))
}

#[tokio::test]
async fn tenants_can_go_when_no_operator_is_there_any_more() -> Result<()> {
    let test = "operator::uninstall::tenants_can_go_when_no_operator_is_there_any_more";
    let Some(scene) = Scene::start(test).await? else {
        return Ok(());
    };
    give(&scene.plane, USER, UNINSTALL).await?;
    let uninstaller = scene.plane.kubeconfig(USER, &[])?;
    let (code, said) = uninstall(&uninstaller).await?;
    ensure!(
        code == Some(0) && said.contains("There are no Tenants"),
        "{said}"
    );

    scene.namespace("identity", &json!({})).await?;
    for number in 1..=3 {
        let domain = format!("a{number}.test");
        let at = format!("identity/a{number}");
        scene.tenant(&at, json!({"domain": domain})).await?;
    }
    let quick = [
        "--lease-duration",
        "3s",
        "--lease-deadline",
        "2s",
        "--lease-retry",
        "300ms",
    ];
    let mut operator = scene.operator(&Options::with(&quick)).await?;
    scene.tenant_ready("identity/a3").await?;
    let tenants: Api<Tenant> = Api::all(scene.client.clone());
    let finalizers = async || -> Result<usize> {
        let all = tenants.list(&kube::api::ListParams::default()).await?;
        let with = all
            .iter()
            .filter(|tenant| tenant.finalizers().iter().any(|name| name == FINALIZER));
        Ok(with.count())
    };
    within(PATIENCE, "every Tenant has the finalizer", async || {
        ensure!(finalizers().await? == 3);
        Ok(())
    })
    .await?;

    let (code, said) = uninstall(&uninstaller).await?;
    ensure!(code == Some(0), "{said}");
    ensure!(said.contains("3 of 3 Tenants had the finalizer"), "{said}");
    ensure!(said.contains("Tenant identity/a2"), "{said}");
    // The operator sees Tenants without it, and does not lead.
    tokio::time::sleep(Duration::from_secs(8)).await;
    ensure!(finalizers().await? == 0, "{}", operator.log()?);
    ensure!(operator.metric("mintage_operator_leader").await? == Some(0.0));

    operator.terminate().await?;
    let namespaced: Api<Tenant> = Api::namespaced(scene.client.clone(), "identity");
    namespaced.delete("a1", &DeleteParams::default()).await?;
    within(PATIENCE, "a Tenant is gone", async || {
        ensure!(namespaced.get_opt("a1").await?.is_none());
        Ok(())
    })
    .await?;
    let kept = scene.secret("identity", "mintage-truth.a2").await?;
    kept.context("Secrets are to stay")?;
    Ok(())
}
