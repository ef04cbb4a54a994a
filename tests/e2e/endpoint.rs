//! A tenant's endpoint in pods: an application gets a token of it, a user signs in, and both go on when its pod is gone.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use mintage_tests::cluster::{Authority, eventually};
use mintage_tests::people::{
    API, Door, applications, certificate, claims, has_certificate, of_code, of_refresh, ready,
    set_up, text, users, volume,
};
use mintage_tests::stage::{Forward, Report, Stage, say};
use mintage_tests::workspace;
use serde_json::json;

use super::calls::CHECKOUT;

const NAMESPACE: &str = "people";
const HOST: &str = "login.example.com";
const PODS: &str = "deployment/mintage-endpoint-staff";

/// An API of the quickstart with issuance: Central.
const REPORTS: &str = "https://reports.example.com";

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    if stage.bare().is_none() && !has_volumes(stage).await? {
        let why = "the cluster makes no volumes that a pod without root can write, and the endpoint's store needs one";
        say(&format!(
            "skipped          a tenant's endpoint in pods: {why}"
        ));
        return Ok(());
    }
    let authority = Authority::new()?;
    let what =
        "a Tenant with spec.endpoint.enabled: its pod is ready, where `restricted` is enforced";
    report.step(what, runs(stage, &authority)).await?;
    let what = "an application gets a token of it with what its Secret holds, and the public keys verify it";
    report.step(what, machine(stage, &authority)).await?;
    let what = "a user signs in, and the application gets ID, access and refresh token";
    let refresh = report.step(what, user(stage, &authority)).await?;
    let what = "its pod is deleted, and the next one knows the refresh token";
    report
        .step(what, outlives(stage, &authority, &refresh))
        .await?;
    let what = "a workload gets a token of a Central API: its sidecar asks the endpoint, and that the API server";
    report.step(what, central(stage, &authority)).await?;
    let what = "switched off, all of it goes but the volume's claim";
    report.step(what, off(stage)).await
}

/// Whether a claim that names no class gets a volume.
async fn has_volumes(stage: &Stage) -> Result<bool> {
    let classes: Api<StorageClass> = Api::all(stage.client.clone());
    let classes = classes.list(&ListParams::default()).await?.items;
    let is_default = |class: &StorageClass| {
        let mark = "storageclass.kubernetes.io/is-default-class";
        let value = class.annotations().get(mark);
        value.is_some_and(|value| value == "true")
    };
    let Some(class) = classes.iter().find(|class| is_default(class)) else {
        return Ok(false);
    };
    // What a kind cluster has that cannot fetch images: folders that only root can write, whatever the pod's fsGroup is.
    Ok(class.provisioner != "kubernetes.io/host-path")
}

async fn runs(stage: &Stage, authority: &Authority) -> Result<()> {
    if stage.bare().is_some() {
        // It has no provisioner of volumes.
        volume(stage, NAMESPACE, "staff").await?;
    }
    let manifests = fs::read_to_string(workspace().join("tests/e2e/endpoint.yaml"))?;
    stage.apply("endpoint.yaml", &manifests).await?;
    applications(stage, NAMESPACE).await?;
    users(stage, NAMESPACE).await?;
    certificate(stage, authority, NAMESPACE, HOST).await?;
    ready(stage, NAMESPACE, "staff").await?;
    let (_forward, door) = door(stage, authority).await?;
    has_certificate(&door).await
}

/// The endpoint by a forwarded port.
async fn door(stage: &Stage, authority: &Authority) -> Result<(Forward, Door)> {
    let forward = stage.forward(NAMESPACE, PODS, 7743).await?;
    let door = Door::at(HOST, forward.address()?, &authority.pem)?;
    Ok((forward, door))
}

async fn machine(stage: &Stage, authority: &Authority) -> Result<()> {
    let batch = set_up(stage, NAMESPACE, "batch").await?;
    ensure!(
        batch["ISSUER_BASE_URL"] == format!("https://{HOST}/"),
        "another issuer"
    );
    let (_forward, door) = door(stage, authority).await?;
    let form = [("grant_type", "client_credentials"), ("audience", API)];
    let given = door.given(&batch, &form).await?;
    ensure!(given["scope"] == "read", "{given}");
    let token = given["access_token"].as_str().context("no token")?;
    door.verified(token, API, &format!("https://{HOST}/"))
        .await?;

    let mut other = batch;
    other.insert("CLIENT_SECRET".into(), "guessed".into());
    ensure!(
        door.token(&other, &form).await?.status() == 401,
        "a guess was good"
    );
    Ok(())
}

async fn user(stage: &Stage, authority: &Authority) -> Result<String> {
    let web = set_up(stage, NAMESPACE, "web").await?;
    let (_forward, mut door) = door(stage, authority).await?;
    let code = door.code(&web).await?;
    let given = door.given(&web, &of_code(&code)).await?;
    let claims = claims(&text(&given, "id_token")?)?;
    ensure!(
        claims["sub"] == "staff|ada" && claims["name"] == "Ada Lovelace",
        "{claims}"
    );
    text(&given, "refresh_token")
}

async fn outlives(stage: &Stage, authority: &Authority, refresh: &str) -> Result<()> {
    let selector = ["--selector", "mintage.dev/endpoint=staff"];
    let delete = [&["delete", "pod", "--wait=true"], &selector[..]].concat();
    stage.kubectl(NAMESPACE, &delete).await?;
    let ready = ["rollout", "status", PODS, "--timeout=120s"];
    stage.kubectl(NAMESPACE, &ready).await?;
    let web = set_up(stage, NAMESPACE, "web").await?;
    let (_forward, door) = door(stage, authority).await?;
    let given = door.given(&web, &of_refresh(refresh)).await?;
    ensure!(given["access_token"].is_string(), "{given}");
    Ok(())
}

/// The quickstart's tenant gets an endpoint, and its pods tokens for that.
async fn central(stage: &Stage, authority: &Authority) -> Result<()> {
    let (namespace, tenant) = ("identity", "acme");
    if stage.bare().is_some() {
        volume(stage, namespace, tenant).await?;
    }
    certificate(stage, authority, namespace, "acme.localhost").await?;
    let endpoint = json!({
        "enabled": true, "tls": {"secretName": "login-tls"}, "caBundle": authority.pem,
    });
    let patch = json!({"spec": {"endpoint": endpoint}}).to_string();
    let patch = ["patch", "tenant", tenant, "--type=merge", "--patch", &patch];
    stage.kubectl(namespace, &patch).await?;
    ready(stage, namespace, tenant).await?;
    let (shop, checkout) = CHECKOUT;
    stage
        .kubectl(shop, &["rollout", "restart", checkout])
        .await?;
    let done = ["rollout", "status", checkout, "--timeout=120s"];
    stage.kubectl(shop, &done).await?;
    let given = eventually("the sidecar gives it", async || {
        let given = stage.one(shop, checkout, &["ask", REPORTS]).await?;
        ensure!(given["status"] == 200, "{given}");
        Ok(given)
    })
    .await?;
    ensure!(given["body"]["scope"] == "read:reports", "{given}");
    let token = given["body"]["access_token"].as_str().context("no token")?;
    let claims = claims(token)?;
    ensure!(claims["sub"] == "shop/checkout@clients", "{claims}");
    // Signed by the tenant's own key: the one that its endpoint shows to the world.
    let kid = jsonwebtoken::decode_header(token)?.kid.context("no kid")?;
    let forward = stage
        .forward(namespace, "deployment/mintage-endpoint-acme", 7743)
        .await?;
    let door = Door::at("acme.localhost", forward.address()?, &authority.pem)?;
    let keys = door.keys().await?;
    ensure!(keys.find(&kid).is_some(), "{kid} is not the tenant's");
    Ok(())
}

async fn off(stage: &Stage) -> Result<()> {
    let patch = r#"{"spec": {"endpoint": {"enabled": false}}}"#;
    stage
        .kubectl(
            NAMESPACE,
            &["patch", "tenant", "staff", "--type=merge", "--patch", patch],
        )
        .await?;
    eventually("it is gone", async || {
        let kinds = "deployments,services,networkpolicies,pods";
        let left = stage
            .kubectl(NAMESPACE, &["get", kinds, "--output", "name"])
            .await?;
        ensure!(left.trim().is_empty(), "{left}");
        Ok(())
    })
    .await?;
    let claim = ["get", "persistentvolumeclaim", "mintage-endpoint-staff"];
    stage.kubectl(NAMESPACE, &claim).await?;
    Ok(())
}
