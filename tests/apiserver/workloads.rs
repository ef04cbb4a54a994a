//! Workloads at a tenant's endpoint: what a real API server says of a pod's token, and of others.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenReview};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use mintage_core::UnixTime;
use mintage_core::endpoint::Master;
use mintage_core::keyring::Owner;
use mintage_sidecar::clock::{Clock as _, ManualClock, SystemClock};
use mintage_sidecar::endpoint::store::{Place, open};
use mintage_sidecar::endpoint::{ApiServer, Endpoint, Metrics, Realm, Realms, endpoint_api};
use mintage_sidecar::issuer::issuer_api;
use mintage_sidecar::server::{Limits, Listener};
use mintage_tests::cluster::{self, ControlPlane, eventually};
use mintage_tests::dev::http;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::planned::endpoint::{PROFILES, WORKER, told, with_workloads};
use crate::planned::{ACME, Cluster, name};

const ISSUER: &str = "https://acme.test/";

/// The endpoint, without TLS.
struct Site {
    address: SocketAddr,
    clock: Arc<ManualClock>,
    _account: TempDir,
    _end: watch::Sender<bool>,
}

impl Site {
    /// One that shows the API server a token of the `ServiceAccount` `identity/endpoint`.
    async fn start(plane: &ControlPlane) -> Result<Self> {
        let account = TempDir::new()?;
        let token = plane
            .service_account_token("identity", "endpoint", &[])
            .await?;
        fs::write(account.path().join("token"), token)?;
        let kubeconfig = fs::read(plane.kubeconfig("nobody", &[])?)?;
        let kubeconfig: Value = serde_json::from_slice(&kubeconfig)?;
        let authority = kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"].as_str();
        let decoded =
            base64::engine::general_purpose::STANDARD.decode(authority.context("no CA")?)?;
        fs::write(account.path().join("ca.crt"), decoded)?;
        let url = plane.api_server_url().trim_start_matches("https://");
        let (host, port) = url.split_once(':').context("no port")?;
        let api_server = ApiServer::at(host, port, account.path());

        let now = SystemClock.now();
        let mut planned = Cluster::new(with_workloads());
        // Clocks and leeways: the keys have been active for a minute.
        let told = told(&mut planned, ACME, now - 60);
        let keyring = planned.keyring_file(&Owner::tenant(name(ACME)));
        let realm = Arc::new(Realm::make(told, Master::new([7; 32]), &keyring, |_| None)?.realm);
        let realms = Realms::default();
        realms.store(Arc::new(BTreeMap::from([(name("acme.test"), realm)])));
        let clock = Arc::new(ManualClock::at(now));
        let store = open(&Place::Memory).await?;
        let metrics = Arc::new(Metrics::default());
        let endpoint = Endpoint::new(realms, store, Arc::clone(&clock) as Arc<_>, metrics);
        let router = endpoint_api(endpoint.reviewing(api_server), issuer_api(Arc::default()));
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None)?;
        let address = listener.local_addr()?;
        let (end, ended) = watch::channel(false);
        let connections = Arc::new(mintage_sidecar::metrics::Metrics::default());
        tokio::spawn(listener.serve(router, Limits::default(), connections, ended));
        Ok(Self {
            address,
            clock,
            _account: account,
            _end: end,
        })
    }

    /// Asks with a token; status and answer.
    async fn ask(&self, token: &str) -> Result<(u16, Value)> {
        let form = [
            ("grant_type", "client_credentials"),
            ("audience", PROFILES),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", token),
        ];
        let request = http()?.post(format!("http://{}/oauth/token", self.address));
        let answer = request
            .header("host", "acme.test")
            .form(&form)
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn refuses(&self, token: &str) -> Result<()> {
        let (status, answer) = self.ask(token).await?;
        let said = answer["error_description"].as_str().unwrap_or_default();
        ensure!(
            status == 401 && said.contains("assertion-invalid"),
            "{status}: {answer}"
        );
        Ok(())
    }
}

async fn account(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    accounts.create(&PostParams::default(), &account).await?;
    Ok(())
}

/// A token as kubelet gets it for a pod, or one of the `ServiceAccount` alone.
async fn token(client: &Client, audience: &str, pod: Option<&Pod>) -> Result<String> {
    let (namespace, account) = WORKER.split_once('/').context("a workload")?;
    let bound = pod.map(
        |pod| json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.uid()}),
    );
    let request = json!({
        "spec": {"audiences": [audience], "expirationSeconds": 3600, "boundObjectRef": bound},
    });
    let request: TokenRequest = serde_json::from_value(request)?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let params = PostParams::default();
    let answer = accounts
        .create_token_request(account, &params, &request)
        .await?;
    Ok(answer.status.context("no token")?.token)
}

#[tokio::test]
async fn attack_37_a_living_pods_token_for_the_issuer_gets_tokens_and_no_other_does() -> Result<()>
{
    let test =
        "workloads::attack_37_a_living_pods_token_for_the_issuer_gets_tokens_and_no_other_does";
    let Some(plane) = cluster::private(test, cluster::Options::default()).await? else {
        return Ok(());
    };
    let client = plane.admin().await?;
    let params = PostParams::default();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for namespace in ["identity", "payments"] {
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        namespaces.create(&params, &object).await?;
    }
    account(&client, "identity", "endpoint").await?;
    account(&client, "payments", "worker").await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "payments");
    let pod = json!({
        "metadata": {"name": "worker-1"},
        "spec": {"serviceAccountName": "worker", "containers": [{"name": "app", "image": "app"}]},
    });
    let pod = pods.create(&params, &serde_json::from_value(pod)?).await?;
    let own = token(&client, ISSUER, Some(&pod)).await?;
    let site = Site::start(&plane).await?;

    // The endpoint has no right to ask yet.
    let (status, answer) = site.ask(&own).await?;
    ensure!(
        status == 503 && answer["error"] == "temporarily_unavailable",
        "{status}: {answer}"
    );
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let binding = json!({
        "metadata": {"name": "endpoint-reviews"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "identity", "name": "endpoint"}],
    });
    bindings
        .create(&params, &serde_json::from_value(binding)?)
        .await?;
    let answer = eventually("the endpoint may review tokens", async || {
        let (status, answer) = site.ask(&own).await?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(answer)
    })
    .await?;
    ensure!(answer["scope"] == "read", "{answer}");
    let issued = answer["access_token"].as_str().context("no token")?;
    let claims = crate::planned::Forge::of(issued).claims;
    ensure!(
        claims["client_id"] == WORKER && claims["iss"] == ISSUER,
        "{claims:?}"
    );

    // For another audience, and of no pod.
    for audience in [
        "https://acme.test",
        "mintage.dev",
        "https://login.acme.test/",
    ] {
        site.refuses(&token(&client, audience, Some(&pod)).await?)
            .await?;
    }
    site.refuses(&token(&client, ISSUER, None).await?).await?;
    // One that says so of itself.
    let (head, signature) = own.rsplit_once('.').context("three parts")?;
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    site.refuses(&forged).await?;

    // The pod is gone: what the API server said of it is gone by for a minute, and no longer.
    let later = token(&client, ISSUER, Some(&pod)).await?;
    pods.delete("worker-1", &DeleteParams::default().grace_period(0))
        .await?;
    eventually("the pod is gone", async || {
        ensure!(pods.get_opt("worker-1").await?.is_none());
        Ok(())
    })
    .await?;
    site.refuses(&later).await?;
    let (status, answer) = site.ask(&own).await?;
    ensure!(status == 200, "{status}: {answer}");
    // The API server itself remembers good tokens for some seconds.
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let review = json!({"metadata": {}, "spec": {"token": own, "audiences": [ISSUER]}});
    let review: TokenReview = serde_json::from_value(review)?;
    eventually("the API server knows the token no more", async || {
        let status = reviews.create(&params, &review).await?.status;
        let known = status.and_then(|status| status.authenticated);
        ensure!(known != Some(true));
        Ok(())
    })
    .await?;
    let UnixTime(now) = site.clock.now();
    site.clock.set(UnixTime(now + 60));
    site.refuses(&own).await
}
