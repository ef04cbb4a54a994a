//! A tenant's endpoint in pods: an application gets a token of it, a user signs in, and both go on when its pod is gone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use mintage_tests::cluster::{Authority, eventually};
use mintage_tests::stage::{Forward, Report, Stage, say};
use mintage_tests::visitor::Visitor;
use mintage_tests::workspace;
use reqwest::{Response, Url};
use serde_json::{Value, json};

use super::calls::CHECKOUT;

const NAMESPACE: &str = "people";
const HOST: &str = "login.example.com";
const PODS: &str = "deployment/mintage-endpoint-staff";
const API: &str = "https://diary.example.com";
/// An API of the quickstart with issuance: Central.
const REPORTS: &str = "https://reports.example.com";
const CALLBACK: &str = "https://app.example.com/callback";

/// The code verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What an application is set up with.
type SetUp = BTreeMap<String, String>;

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
        let volume = volume(stage, NAMESPACE, "staff")?;
        stage.apply("volume.json", &volume).await?;
    }
    let manifests = fs::read_to_string(workspace().join("tests/e2e/endpoint.yaml"))?;
    stage.apply("endpoint.yaml", &manifests).await?;
    let users = fs::read_to_string(workspace().join("examples/webapp/users.yaml"))?;
    let users = users.replace("namespace: acme", "namespace: people");
    stage.apply("users.yaml", &users).await?;
    certificate(stage, authority, NAMESPACE, HOST).await?;
    ready(stage, NAMESPACE, "staff").await
}

/// A certificate for a host, in the Secret `login-tls`.
async fn certificate(
    stage: &Stage,
    authority: &Authority,
    namespace: &str,
    host: &str,
) -> Result<()> {
    let server = authority.server(&[host])?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "login-tls", "namespace": namespace},
        "stringData": {"tls.crt": server.certificate, "tls.key": server.key},
    });
    stage.apply("login-tls.json", &secret.to_string()).await
}

async fn ready(stage: &Stage, namespace: &str, tenant: &str) -> Result<()> {
    let tenant = format!("tenant/{tenant}");
    let ready = ["--for=condition=EndpointReady", "--timeout=180s"];
    let wait = [&["wait", tenant.as_str()], &ready[..]].concat();
    stage.kubectl(namespace, &wait).await?;
    Ok(())
}

/// A folder of the node for the claim: it is anybody's to write, as provisioners make them.
fn volume(stage: &Stage, namespace: &str, tenant: &str) -> Result<String> {
    let folder = stage.folder().join(format!("volume-{tenant}"));
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    Ok(json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": tenant},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": format!("mintage-endpoint-{tenant}")},
            "hostPath": {"path": folder},
        },
    })
    .to_string())
}

/// The endpoint by a forwarded port, which is part of no issuer.
struct Door {
    visitor: Visitor,
    url: String,
    _forward: Forward,
}

impl Door {
    async fn open(stage: &Stage, authority: &Authority) -> Result<Self> {
        let forward = stage.forward(NAMESPACE, PODS, 7743).await?;
        let address = forward.address()?;
        let visitor = Visitor::at(&[HOST], address, authority.pem.as_bytes())?;
        Ok(Self {
            visitor,
            url: format!("https://{HOST}:{}", address.port()),
            _forward: forward,
        })
    }

    async fn token(&self, application: &SetUp, form: &[(&str, &str)]) -> Result<Response> {
        let request = self
            .visitor
            .client()
            .post(format!("{}/oauth/token", self.url));
        let (id, secret) = (&application["CLIENT_ID"], &application["CLIENT_SECRET"]);
        Ok(request
            .basic_auth(id, Some(secret))
            .form(form)
            .send()
            .await?)
    }

    async fn given(&self, application: &SetUp, form: &[(&str, &str)]) -> Result<Value> {
        let answer = self.token(application, form).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == 200, "{status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// What an application is set up with: the Secret that its status names.
async fn set_up(stage: &Stage, application: &str) -> Result<SetUp> {
    let name = format!("application/{application}");
    let ready = ["wait", &name, "--for=condition=Ready", "--timeout=60s"];
    stage.kubectl(NAMESPACE, &ready).await?;
    let named = ["get", &name, "--output", "jsonpath={.status.secretName}"];
    let secret = stage.kubectl(NAMESPACE, &named).await?;
    let data = ["get", "secret", &secret, "--output", "jsonpath={.data}"];
    let data: SetUp = serde_json::from_str(&stage.kubectl(NAMESPACE, &data).await?)?;
    let entries = data.into_iter();
    entries
        .map(|(key, value)| Ok((key, String::from_utf8(STANDARD.decode(value)?)?)))
        .collect()
}

async fn machine(stage: &Stage, authority: &Authority) -> Result<()> {
    let batch = set_up(stage, "batch").await?;
    ensure!(
        batch["ISSUER_BASE_URL"] == format!("https://{HOST}/"),
        "another issuer"
    );
    let door = Door::open(stage, authority).await?;
    let form = [("grant_type", "client_credentials"), ("audience", API)];
    let given = door.given(&batch, &form).await?;
    ensure!(given["scope"] == "read", "{given}");
    let token = given["access_token"].as_str().context("no token")?;

    let keys = format!("{}/.well-known/jwks.json", door.url);
    let keys: jsonwebtoken::jwk::JwkSet =
        door.visitor.client().get(keys).send().await?.json().await?;
    let kid = jsonwebtoken::decode_header(token)?.kid.context("no kid")?;
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&kid).context("an unknown key")?)?;
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&[API]);
    rules.set_issuer(&[format!("https://{HOST}/")]);
    jsonwebtoken::decode::<Value>(token, &key, &rules)?;

    let mut other = batch;
    other.insert("CLIENT_SECRET".into(), "guessed".into());
    ensure!(
        door.token(&other, &form).await?.status() == 401,
        "a guess was good"
    );
    Ok(())
}

async fn user(stage: &Stage, authority: &Authority) -> Result<String> {
    let web = set_up(stage, "web").await?;
    let mut door = Door::open(stage, authority).await?;
    let request = Url::parse_with_params(
        &format!("{}/authorize", door.url),
        [
            ("response_type", "code"),
            ("client_id", &web["CLIENT_ID"]),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile read offline_access"),
            ("audience", API),
            ("state", "here"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ],
    )?;
    let back = Url::parse(&door.visitor.sign_in(request.as_str()).await?)?;
    let answer: BTreeMap<_, _> = back.query_pairs().into_owned().collect();
    ensure!(
        answer.get("state").is_some_and(|state| state == "here"),
        "{back}"
    );
    let code = answer.get("code").with_context(|| back.to_string())?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let given = door.given(&web, &form).await?;
    let claims = given["id_token"]
        .as_str()
        .and_then(|token| token.split('.').nth(1));
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.context("no ID token")?)?)?;
    ensure!(
        claims["sub"] == "staff|ada" && claims["name"] == "Ada Lovelace",
        "{claims}"
    );
    let refresh = given["refresh_token"]
        .as_str()
        .context("no refresh token")?;
    Ok(refresh.to_owned())
}

async fn outlives(stage: &Stage, authority: &Authority, refresh: &str) -> Result<()> {
    let selector = ["--selector", "mintage.dev/endpoint=staff"];
    let delete = [&["delete", "pod", "--wait=true"], &selector[..]].concat();
    stage.kubectl(NAMESPACE, &delete).await?;
    let ready = ["rollout", "status", PODS, "--timeout=120s"];
    stage.kubectl(NAMESPACE, &ready).await?;
    let web = set_up(stage, "web").await?;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let door = Door::open(stage, authority).await?;
    let given = door.given(&web, &form).await?;
    ensure!(given["access_token"].is_string(), "{given}");
    Ok(())
}

/// The quickstart's tenant gets an endpoint, and its pods tokens for that.
async fn central(stage: &Stage, authority: &Authority) -> Result<()> {
    let (namespace, tenant) = ("identity", "acme");
    if stage.bare().is_some() {
        let volume = volume(stage, namespace, tenant)?;
        stage.apply("volume.json", &volume).await?;
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
    let claims = token.split('.').nth(1).context("no claims")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    ensure!(claims["sub"] == "shop/checkout@clients", "{claims}");
    // Signed by the tenant's own key: the one that its endpoint shows to the world.
    let kid = jsonwebtoken::decode_header(token)?.kid.context("no kid")?;
    let forward = stage
        .forward(namespace, "deployment/mintage-endpoint-acme", 7743)
        .await?;
    let address = forward.address()?;
    let visitor = Visitor::at(&["acme.localhost"], address, authority.pem.as_bytes())?;
    let keys = format!(
        "https://acme.localhost:{}/.well-known/jwks.json",
        address.port()
    );
    let keys: jsonwebtoken::jwk::JwkSet = visitor.client().get(keys).send().await?.json().await?;
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
