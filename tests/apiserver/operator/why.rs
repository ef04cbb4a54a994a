//! `kubectl mintage why` and `token`, as kubectl itself starts them.

use std::time::Duration;

use anyhow::{Result, ensure};
use mintage_tests::cluster::within;
use mintage_tests::pod::Sidecar;
use mintage_tests::volume::Volume;
use serde_json::json;

use super::plugin::{Admin, ORDERS};
use super::scene::Scene;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn why_says_what_the_sidecars_would() -> Result<()> {
    let test = "operator::why::why_says_what_the_sidecars_would";
    let Some(admin) = Admin::new(test).await? else {
        return Ok(());
    };
    let scene = &admin.0;
    let operator = scene
        .operator(&mintage_tests::operator::Options::default())
        .await?;
    admin.all_is_ready().await?;

    let asks = format!("why shop/checkout {ORDERS} --scope");
    let said = admin.ends(0, &format!("{asks} read:orders")).await?;
    for text in [
        "granted: shop/checkout asks for a token",
        "Tenant identity/acme",
        "ApiAudience orders/orders, spec.grants[0]",
    ] {
        ensure!(said.contains(text), "{text}: {said}");
    }
    ensure!(!said.contains("(cluster)"), "nobody can open that: {said}");
    let said = admin.ends(1, &format!("{asks} admin:orders")).await?;
    ensure!(said.contains("refused (scope-not-granted)"), "{said}");
    let run = admin
        .says("why shop/nobody https://orders.example.com -o json")
        .await?;
    let answer = run.json()?;
    ensure!(
        run.code == Some(1) && answer["code"] == "grant-missing",
        "{answer}"
    );
    ensure!(
        answer["decidedBy"]["resource"] == "ApiAudience orders/orders",
        "{answer}"
    );

    // A token of a sidecar, judged by the bundle of the API's namespace.
    let dir = tempfile::tempdir()?;
    let mut volume = Volume::new(scene.client.clone(), "shop", "identity/acme", dir.path())?;
    volume.sync().await?;
    let checkout = Sidecar::start(volume.dir(), "shop/checkout", &[]).await?;
    let token = checkout.token(ORDERS).await?;
    let said = admin
        .ends(
            0,
            &format!("why token {token} --at orders/api --accept orders"),
        )
        .await?;
    ensure!(said.contains("accepted: a token at orders/api"), "{said}");
    let said = admin
        .ends(
            1,
            &format!("why token {token} --at orders/api --accept orders --scope admin:orders"),
        )
        .await?;
    ensure!(said.contains("insufficient-scope"), "{said}");
    let said = admin
        .ends(1, &format!("why token {token} --at payments/api"))
        .await?;
    ensure!(said.contains("refused ("), "{said}");
    let said = admin.ends(2, "why").await?;
    ensure!(said.contains("<WORKLOAD>"), "{said}");

    by_right(scene).await?;

    // What is granted now, and not in force yet, is told from what is not granted: the bundle knows.
    admin
        .patch_orders(r#"[{"op":"add","path":"/spec/grants/-","value":{"workload":{"namespace":"shop","serviceAccount":"new"},"scopes":["read:orders"]}}]"#)
        .await?;
    within(PATIENCE, "the grant is pending", async || {
        let said = admin.ends(1, &format!("why shop/new {ORDERS}")).await?;
        ensure!(said.contains("refused (grant-pending)"), "{said}");
        Ok(())
    })
    .await?;
    drop(operator);
    Ok(())
}

/// Who may not read Secrets hears what is declared; who sees no Tenant hears nothing.
async fn by_right(scene: &Scene) -> Result<()> {
    let resources = "--resource=tenants.mintage.dev,apiaudiences.mintage.dev,applications.mintage.dev,customdomains.mintage.dev,namespaces,pods,serviceaccounts";
    for rules in [
        &["create", "clusterrole", "see", "--verb=get,list", resources][..],
        &[
            "create",
            "clusterrolebinding",
            "see",
            "--clusterrole=see",
            "--user=vera",
        ],
    ] {
        let run = scene.plane.kubectl(rules).await?;
        ensure!(run.code == Some(0), "{}", run.said());
    }
    for (user, code, text) in [
        ("vera", 0, "no key was looked at"),
        ("nobody", 1, "which Tenant shop/checkout has cannot be seen"),
    ] {
        let kubeconfig = scene.plane.kubeconfig(user, &[])?;
        let words = ["mintage", "why", "shop/checkout", ORDERS];
        let run = scene.plane.tool("kubectl", &kubeconfig, &words).await?;
        ensure!(run.code == Some(code), "{user}: {}", run.said());
        ensure!(run.said().contains(text), "{user}: {}", run.said());
    }
    Ok(())
}

#[tokio::test]
async fn a_token_comes_from_a_pod_that_runs_or_it_is_said_why_not() -> Result<()> {
    let test = "operator::why::a_token_comes_from_a_pod_that_runs_or_it_is_said_why_not";
    let Some(admin) = Admin::new(test).await? else {
        return Ok(());
    };
    let scene = &admin.0;
    let asks = format!("token --as shop/late --audience {ORDERS}");
    let said = admin.ends(3, &asks).await?;
    ensure!(
        said.contains("no pod of ServiceAccount shop/late runs"),
        "{said}"
    );
    admin.account("shop/late").await?;
    admin.pod("shop/bare", "late", json!({}), true).await?;
    let said = admin.ends(3, &asks).await?;
    ensure!(
        said.contains("pod shop/bare runs without a sidecar"),
        "{said}"
    );
    let injected = json!({ "mintage.dev/injected": "true" });
    admin
        .pod("shop/ill", "late", injected.clone(), false)
        .await?;
    let said = admin.ends(3, &asks).await?;
    ensure!(
        said.contains("no sidecar of shop/late is ready (pods ill)"),
        "{said}"
    );
    admin.pod("shop/well", "late", injected, true).await?;
    // No kubelet has the pod.
    let said = admin.ends(3, &asks).await?;
    ensure!(
        said.contains("the API server cannot reach the node of pod well"),
        "{said}"
    );

    // Who may see pods may not speak for them.
    for rules in [
        &[
            "create",
            "role",
            "see",
            "-n",
            "shop",
            "--verb=get,list",
            "--resource=pods",
        ][..],
        &[
            "create",
            "rolebinding",
            "see",
            "-n",
            "shop",
            "--role=see",
            "--user=olga",
        ],
    ] {
        let run = scene.plane.kubectl(rules).await?;
        ensure!(run.code == Some(0), "{}", run.said());
    }
    for (user, text) in [
        ("olga", "you may not forward ports of pod well"),
        ("nobody", "you may not list Pods of namespace shop"),
    ] {
        let kubeconfig = scene.plane.kubeconfig(user, &[])?;
        let words: Vec<&str> = ["mintage"].into_iter().chain(asks.split(' ')).collect();
        let run = scene.plane.tool("kubectl", &kubeconfig, &words).await?;
        ensure!(
            run.code == Some(1) && run.said().contains(text),
            "{}",
            run.said()
        );
    }
    Ok(())
}
