//! The tokens by which endpoints have those of workloads reviewed: what is said where there are none.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use mintage_tests::cluster::within;
use mintage_tests::operator::NAMESPACE;
use mintage_tests::permissions::REVIEWER;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::endpoints::{acme, with_endpoints};
use super::scene::Scene;

/// It is asked for again each minute.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn without_its_token_an_endpoint_is_told_all_else_and_its_tenant_says_so_until_it_has_one()
-> Result<()> {
    let test =
        "without_its_token_an_endpoint_is_told_all_else_and_its_tenant_says_so_until_it_has_one";
    let Some(scene) = Scene::start(&format!("operator::reviewers::{test}")).await? else {
        return Ok(());
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(scene.client.clone(), NAMESPACE);
    let operator = scene.operator(&with_endpoints()).await?;
    accounts.delete(REVIEWER, &DeleteParams::default()).await?;
    scene.namespace("identity", &json!({})).await?;
    let tenant = acme(&json!({"enabled": true}));
    scene.tenant("identity/acme", tenant).await?;
    let says = async |status, reason| {
        scene
            .tenant_says("identity/acme", "Degraded", status, reason)
            .await
    };
    let said = says("True", "Trouble").await?;
    ensure!(
        said.contains("no token") && said.contains(REVIEWER),
        "{said}"
    );
    scene.event("identity", "WriteFailed").await?;

    // It goes on saying so, and what else there is to write is not held up.
    let written = |name: &'static str| {
        let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "identity");
        async move { anyhow::Ok(secrets.get_opt(name).await?.is_some()) }
    };
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        says("True", "Trouble").await?;
        sleep(Duration::from_millis(100)).await;
        let until = since.elapsed() < Duration::from_secs(2);
        ensure!(until || written("mintage-endpoint-0.acme").await?);
    }
    ensure!(!written("mintage-reviewer.acme").await?);

    let account = serde_json::from_value(json!({"metadata": {"name": REVIEWER}}))?;
    accounts.create(&PostParams::default(), &account).await?;
    within(PATIENCE, "it has a token", async || {
        ensure!(written("mintage-reviewer.acme").await?);
        Ok(())
    })
    .await?;
    says("False", "AsExpected").await?;
    drop(operator);
    Ok(())
}
