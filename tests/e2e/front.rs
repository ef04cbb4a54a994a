//! nginx in front of an API that checks no token itself: `examples/nginx`.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::cluster::eventually;
use mintage_tests::release::NGINX;
use mintage_tests::stage::{Report, Stage};
use mintage_tests::{client, skip, workspace};
use serde_json::{Value, json};

use super::calls::{CHECKOUT, ORDERS, PAYMENTS};

/// Where clients find it.
const URL: &str = "http://front.orders.svc.cluster.local";

/// Headers that a client has no business to send.
const SPOOFED: [&str; 6] = [
    "X-Mintage-Subject: admin",
    "X-Mintage-Client: spoofed/by-me",
    "X-Mintage-Scope: spoofed",
    "X-Mintage-Audience: spoofed",
    "X_Mintage_Subject: spoofed",
    "x_mintage-client: spoofed",
];

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    if let Err(reason) = client::command_line("nginx")? {
        return skip::skip("front::nginx_stands_in_front_of_an_api", &reason);
    }
    let what = "an API behind nginx is there, as kubectl apply --kustomize examples/nginx makes it";
    report.step(what, apply(stage)).await?;
    let what = "nothing leads around nginx: the API listens on the pod's loopback only";
    report.step(what, listens(stage)).await?;
    let what = "who calls with a good token comes through, and the API is told who asks";
    report.step(what, good(stage)).await?;
    let what = "who sends the same headers is not believed";
    report.step(what, spoofed(stage)).await?;
    let what = "without a scope that is needed it is 403, and 401 without a token or with one for another API";
    report.step(what, refused(stage)).await
}

/// The example, with the image that is here.
async fn apply(stage: &Stage) -> Result<()> {
    let folder = stage.folder().join("nginx");
    fs::create_dir_all(&folder)?;
    for name in [
        "kustomization.yaml",
        "nginx.conf",
        "orders.conf",
        "orders.yaml",
    ] {
        let mut text = fs::read_to_string(workspace().join("examples/nginx").join(name))?;
        if name == "orders.yaml" {
            text = put(&text, "image: nginx:1.28\n", &format!("image: {NGINX}\n"))?;
            // Our images have their program at the top.
            text = put(&text, "command: [nginx,", "command: [/nginx,")?;
        }
        fs::write(folder.join(name), text)?;
    }
    let folder = folder.to_str().context("the path is no text")?;
    stage
        .kubectl("orders", &["apply", "--kustomize", folder])
        .await?;
    let ready = ["rollout", "status", "deployment/front", "--timeout=120s"];
    stage.kubectl("orders", &ready).await?;
    // A pod that is ready is behind its Service a moment later.
    eventually("it answers", async || {
        let answer = call(stage, "/", ORDERS, "", &[]).await?;
        ensure!(answer["status"] == 200, "{answer}");
        Ok(())
    })
    .await
}

fn put(text: &str, what: &str, instead: &str) -> Result<String> {
    ensure!(text.contains(what), "{what} is not in the example");
    Ok(text.replacen(what, instead, 1))
}

async fn listens(stage: &Stage) -> Result<()> {
    let said = stage
        .one("orders", "deployment/front", &["listeners"])
        .await?;
    ensure!(said["everywhere"] == json!([7601, 8080]), "{said}");
    let loopback = said["loopback"].as_array().context("no list")?;
    ensure!(loopback.contains(&json!(3000)), "{said}");
    Ok(())
}

async fn good(stage: &Stage) -> Result<()> {
    let answer = call(stage, "/new", ORDERS, "read:orders", &[]).await?;
    ensure!(answer["status"] == 200, "{answer}");
    ensure!(answer["body"]["path"] == "/new", "{answer}");
    for (name, value) in [
        ("subject", "shop/checkout@clients"),
        ("client", "shop/checkout"),
        ("scope", "read:orders"),
        ("audience", ORDERS),
    ] {
        let got = &answer["body"]["headers"][format!("x-mintage-{name}")];
        ensure!(*got == json!([value]), "{name}: {answer}");
    }
    let answer = call(stage, "/admin/orders", ORDERS, "write:orders", &[]).await?;
    ensure!(answer["status"] == 200, "{answer}");
    Ok(())
}

async fn spoofed(stage: &Stage) -> Result<()> {
    let answer = call(stage, "/", ORDERS, "read:orders", &SPOOFED).await?;
    ensure!(answer["status"] == 200, "{answer}");
    let headers = &answer["body"]["headers"];
    ensure!(
        headers["x-mintage-subject"] == json!(["shop/checkout@clients"])
            && headers["x-mintage-client"] == json!(["shop/checkout"]),
        "{answer}"
    );
    let all = headers.to_string();
    ensure!(
        !all.contains("spoofed") && !all.contains("admin"),
        "{answer}"
    );
    Ok(())
}

async fn refused(stage: &Stage) -> Result<()> {
    let answer = call(stage, "/admin/orders", ORDERS, "read:orders", &[]).await?;
    let challenge = answer["challenge"].as_str().unwrap_or_default();
    ensure!(
        answer["status"] == 403
            && challenge.contains("error=\"insufficient_scope\"")
            && challenge.ends_with("scope=\"write:orders\""),
        "{answer}"
    );
    let answer = call(stage, "/", PAYMENTS, "charge", &[]).await?;
    let challenge = answer["challenge"].as_str().unwrap_or_default();
    ensure!(
        answer["status"] == 401 && challenge.contains("error=\"invalid_token\""),
        "{answer}"
    );
    let (namespace, name) = CHECKOUT;
    let answer = stage
        .one(namespace, name, &["get", &format!("{URL}/")])
        .await?;
    let challenge = answer["challenge"].as_str().unwrap_or_default();
    ensure!(
        answer["status"] == 401
            && challenge.starts_with("Bearer realm=")
            && !challenge.contains("error"),
        "{answer}"
    );
    Ok(())
}

/// What comes of a call of the workload's, with further headers.
async fn call(
    stage: &Stage,
    path: &str,
    audience: &str,
    scope: &str,
    headers: &[&str],
) -> Result<Value> {
    let (namespace, name) = CHECKOUT;
    let url = format!("{URL}{path}");
    let words = [&["call", &*url, audience, scope], headers].concat();
    stage.one(namespace, name, &words).await
}
