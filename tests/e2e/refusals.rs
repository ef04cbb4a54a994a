//! What is asked for or shown and is not granted, and with which words it is refused.

use anyhow::{Context as _, Result, ensure};
use mintage_tests::cluster::eventually;
use mintage_tests::release::{kubectl, pod};
use mintage_tests::stage::{Report, Stage};
use serde_json::{Value, json};

use super::calls::{CHECKOUT, ORDERS, PAYMENTS};

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let asked = async {
        for (who, asked, error, words) in [
            (
                CHECKOUT,
                &["ask", ORDERS, "delete:orders"][..],
                "access_denied",
                "Client has not been granted scopes: delete:orders (scope-not-granted: ",
            ),
            (
                CHECKOUT,
                &["ask", "https://unknown.example.com"],
                "access_denied",
                "Service not enabled within domain: https://unknown.example.com (audience-unknown: ",
            ),
            (
                ("orders", "deployment/api"),
                &["ask", ORDERS],
                "access_denied",
                "Service not enabled within domain: https://orders.example.com (audience-unknown: ",
            ),
            (
                ("orders", "deployment/api"),
                &["ask", PAYMENTS, "charge"],
                "access_denied",
                "Client has not been granted scopes: charge (scope-not-granted: ",
            ),
        ] {
            let (namespace, name) = who;
            let given = stage.one(namespace, name, asked).await?;
            ensure!(given["status"] == 403, "{asked:?}: {given}");
            ensure!(given["body"]["error"] == error, "{asked:?}: {given}");
            says(&given["body"]["error_description"], words)?;
        }
        Ok(())
    };
    let what = "no token for a scope or an audience that is not granted, nor without a grant";
    report.step(what, asked).await?;

    let what = "another ServiceAccount of a namespace with grants has none itself";
    report.step(what, another_account(stage)).await?;

    let shown = async {
        let url = "http://api.orders.svc.cluster.local/?needs=write:orders";
        let answer = called(stage, &["call", url, ORDERS, "read:orders"]).await?;
        ensure!(answer["status"] == 403, "{answer}");
        let challenge = &answer["body"]["validate"]["challenge"];
        says(challenge, "error=\"insufficient_scope\"")?;
        says(challenge, "scope=\"write:orders\"")?;
        let url = "http://api.orders.svc.cluster.local/";
        let answer = called(stage, &["call", url, PAYMENTS, "charge"]).await?;
        ensure!(answer["status"] == 401, "{answer}");
        ensure!(answer["body"]["active"] == false, "{answer}");
        says(
            &answer["body"]["validate"]["challenge"],
            "error=\"invalid_token\"",
        )
    };
    let what =
        "an API refuses a token without the scope it needs (403), and one for another API (401)";
    report.step(what, shown).await?;

    let what = "a pod is refused in a namespace that no tenant admits";
    report.step(what, no_tenant(stage)).await
}

async fn called(stage: &Stage, arguments: &[&str]) -> Result<Value> {
    let (namespace, name) = CHECKOUT;
    stage.one(namespace, name, arguments).await
}

fn says(value: &Value, words: &str) -> Result<()> {
    let text = value.as_str().context("no text")?;
    ensure!(text.contains(words), "it says {text:?}, without {words:?}");
    Ok(())
}

/// A pod like `shop/checkout`, but for its account.
async fn another_account(stage: &Stage) -> Result<()> {
    let mut pod = pod("clerk", "shop");
    pod["spec"]["containers"][0]["args"] = json!(["pause"]);
    stage.apply("clerk.json", &pod.to_string()).await?;
    let wait = [
        "wait",
        "--for=condition=Ready",
        "pod/clerk",
        "--timeout=60s",
    ];
    stage.kubectl("shop", &wait).await?;
    let given = stage.one("shop", "pod/clerk", &["ask", ORDERS]).await?;
    ensure!(given["status"] == 403, "{given}");
    let words = "(grant-missing: add {workload: {namespace: shop, serviceAccount: default}}";
    says(&given["body"]["error_description"], words)?;
    stage
        .kubectl("shop", &["delete", "pod", "clerk", "--wait=false"])
        .await?;
    Ok(())
}

async fn no_tenant(stage: &Stage) -> Result<()> {
    let namespace = "elsewhere";
    let labels = json!({ "mintage.dev/injection": "enabled" });
    let object = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": namespace, "labels": labels },
    });
    stage.apply("elsewhere.json", &object.to_string()).await?;
    let file = stage.folder().join("stranger.json");
    std::fs::write(&file, pod("stranger", namespace).to_string())?;
    let file = file.to_str().context("the path is no text")?;
    eventually("the pod is refused for want of a tenant", async || {
        // A moment ago there was no such namespace, and no account in it.
        let run = stage.cluster().kubectl(&["create", "--filename", file]).await?;
        ensure!(run.code != Some(0), "it was admitted");
        let words = "no tenant admits namespace elsewhere; a cluster admin can widen the spec.allowedNamespaces of one";
        says(&run.said().into(), words)?;
        says(&run.said().into(), "(tenant-none)")
    })
    .await?;
    let delete = ["delete", "namespace", namespace, "--timeout=60s"];
    kubectl(stage, &delete).await?;
    Ok(())
}
