//! A workload calls an API of another namespace.

use anyhow::{Result, ensure};
use mintage_tests::cluster::eventually;
use mintage_tests::stage::{Report, Stage};
use serde_json::json;

/// Who calls.
pub const CHECKOUT: (&str, &str) = ("shop", "deployment/checkout");

/// The API that it calls.
pub const ORDERS: &str = "https://orders.example.com";

/// Another one.
pub const PAYMENTS: &str = "https://payments.example.com";

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let what = "shop/checkout gets a token of its sidecar, with all scopes that it is granted";
    report.step(what, token(stage)).await?;
    let what = "Services lead to the APIs, by their names";
    report.step(what, services(stage)).await?;
    for (host, audience, scope) in [
        ("orders", ORDERS, "read:orders"),
        ("orders", ORDERS, "write:orders"),
        ("payments", PAYMENTS, "charge"),
    ] {
        let what = format!(
            "it calls {host} with {scope}, which its sidecar (/validate, /introspect) and a JWT library find good"
        );
        report
            .step(what, call(stage, host, audience, scope))
            .await?;
    }
    Ok(())
}

async fn token(stage: &Stage) -> Result<()> {
    let (namespace, name) = CHECKOUT;
    let given = stage.one(namespace, name, &["ask", ORDERS]).await?;
    ensure!(given["status"] == 200, "{given}");
    let body = &given["body"];
    let wanted = (
        json!("Bearer"),
        json!(86_400),
        json!("read:orders write:orders"),
    );
    let got = (&body["token_type"], &body["expires_in"], &body["scope"]);
    ensure!(got == (&wanted.0, &wanted.1, &wanted.2), "{got:?}");
    Ok(())
}

/// A pod that is ready is behind its Service a moment later.
async fn services(stage: &Stage) -> Result<()> {
    let (namespace, name) = CHECKOUT;
    for (host, audience) in [("orders", ORDERS), ("payments", PAYMENTS)] {
        let url = format!("http://api.{host}.svc.cluster.local/");
        eventually(&format!("{url} answers"), async || {
            // Any answer will do.
            let call = ["call", &url, audience, ""];
            stage.one(namespace, name, &call).await.map(drop)
        })
        .await?;
    }
    Ok(())
}

/// By the Service, through the cluster's DNS and over the pod network.
async fn call(stage: &Stage, host: &str, audience: &str, scope: &str) -> Result<()> {
    let (namespace, name) = CHECKOUT;
    let url = format!("http://api.{host}.svc.cluster.local/?needs={scope}");
    let answer = stage
        .one(namespace, name, &["call", &url, audience, scope])
        .await?;
    ensure!(answer["status"] == 200, "{answer}");
    let body = &answer["body"];
    ensure!(body["validate"]["status"] == 200, "{answer}");
    let wanted =
        json!({ "active": true, "client": "shop/checkout", "scope": scope, "library": "good" });
    for (field, value) in wanted.as_object().into_iter().flatten() {
        ensure!(body[field] == *value, "{field} should be {value}: {answer}");
    }
    Ok(())
}
