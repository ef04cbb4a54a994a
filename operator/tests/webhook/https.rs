//! The webhook as an API server calls it: over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use mintage_operator::inject::{Outcome, Settings, inject};
use mintage_operator::snapshot::Snapshot;
use mintage_operator::tls::State;
use mintage_operator::webhook::{Answered, Inject, Metrics, Options, Server, Webhook};
use mintage_sidecar::clock::{Clock as _, SystemClock};
use reqwest::{Certificate, Client, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::certificates::{Replica, fresh, made, replica};
use crate::cluster::{name, pod, snapshot, world};
use crate::life::names;

const HOST: &str = "mintage-webhook.mintage-system.svc";

struct Hook {
    address: SocketAddr,
    client: Client,
    end: watch::Sender<bool>,
    replica: Replica,
    served: JoinHandle<()>,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    state: State,
}

impl Hook {
    fn start(inject: Inject, snapshot: Option<Snapshot>) -> Self {
        let replica = replica(made());
        let (state, secret) = fresh(&names(), SystemClock.now());
        replica.certificates.load(Some(&secret));
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            linger: Duration::from_millis(300),
        };
        let server = Server::bind(options, &replica.certificates).unwrap();
        let (snapshots, following) = watch::channel(snapshot.map(Arc::new));
        let (end, ended) = watch::channel(false);
        let address = server.local_addr().unwrap();
        let webhook = Webhook {
            inject,
            metrics: Arc::clone(&replica.metrics),
            settings: Arc::new(Settings::default()),
            snapshots: following,
        };
        let task = tokio::spawn(server.serve(webhook, ended));
        Self {
            client: client(&state.bundle(), address),
            address,
            end,
            replica,
            served: task,
            snapshots,
            state,
        }
    }

    fn usual() -> Self {
        Self::start(inject, Some(snapshot()))
    }

    async fn post(&self, body: String) -> (StatusCode, String) {
        post(&self.client, body).await.unwrap()
    }

    /// The response to a request, which must be one.
    async fn ask(&self, request: Value) -> Value {
        let (status, text) = self.post(request.to_string()).await;
        assert_eq!(status, 200, "{text}");
        let review: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(review["kind"], "AdmissionReview");
        assert_eq!(review["response"]["uid"], "u-1");
        review["response"].clone()
    }

    fn metrics(&self) -> &Metrics {
        &self.replica.metrics
    }
}

async fn post(client: &Client, body: String) -> reqwest::Result<(StatusCode, String)> {
    let request = client.post(format!("https://{HOST}/inject"));
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let answer = request.send().await?;
    Ok((answer.status(), answer.text().await?))
}

/// A client that trusts a `caBundle` and nothing else.
fn client(bundle: &str, address: SocketAddr) -> Client {
    // Another test may have been faster.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let authorities = Certificate::from_pem_bundle(bundle.as_bytes()).unwrap();
    let builder = Client::builder().no_proxy().tls_certs_only(authorities);
    builder.resolve(HOST, address).build().unwrap()
}

/// What an API server sends when a pod is created; with changes to the request.
fn review(pod: &Value, changes: Value) -> Value {
    let mut review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "requestKind": { "group": "", "version": "v1", "kind": "Pod" },
            "requestResource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": { "username": "system:serviceaccount:kube-system:replicaset-controller", "groups": [] },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    });
    json_patch::merge(&mut review, &changes);
    review
}

fn usual_review() -> Value {
    review(&pod(json!({})), json!({}))
}

fn patch(response: &Value) -> json_patch::Patch {
    assert_eq!(response["patchType"], "JSONPatch");
    let text = response["patch"].as_str().unwrap();
    let text = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn a_pod_is_answered_with_a_patch() {
    let hook = Hook::usual();
    let response = hook.ask(usual_review()).await;
    assert_eq!(response["allowed"], true);
    assert!(
        response["patch"].is_string(),
        "Go reads bytes as base64: {}",
        response["patch"]
    );
    let mut patched = pod(json!({}));
    json_patch::patch(&mut patched, &patch(&response)).unwrap();
    assert_eq!(
        patched["spec"]["initContainers"][0]["name"],
        "mintage-sidecar"
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({ "outcome": "injected", "tenant": "identity/acme" })
    );
    assert_eq!(hook.metrics().counted(Answered::Injected), 1);

    let response = hook
        .ask(review(&patched, json!({ "request": { "dryRun": true } })))
        .await;
    assert_eq!(response["allowed"], true);
    assert!(
        response.get("patch").is_none() && response.get("warnings").is_none(),
        "{response}"
    );
    assert_eq!(hook.metrics().counted(Answered::Unchanged), 1);
}

#[tokio::test]
async fn a_refusal_says_what_to_mend() {
    let hook = Hook::usual();
    let bad = pod(json!({ "spec": { "shareProcessNamespace": true } }));
    let response = hook.ask(review(&bad, json!({}))).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    let text = response["status"]["message"].as_str().unwrap();
    assert!(
        text.starts_with("mintage: with shareProcessNamespace")
            && text.ends_with("(process-namespace-shared)"),
        "{text}"
    );
    assert_eq!(
        response["auditAnnotations"]["rule"],
        "process-namespace-shared"
    );
    assert_eq!(hook.metrics().counted(Answered::Refused), 1);
}

#[tokio::test]
async fn who_goes_without_a_sidecar_is_warned() {
    let hook = Hook::usual();
    let host = pod(json!({ "spec": { "hostNetwork": true } }));
    let response = hook.ask(review(&host, json!({}))).await;
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("hostNetwork") && warning.len() <= 256,
        "{warning}"
    );
    // And it is marked, so that nobody misses its sidecar.
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = response["patch"].as_str().unwrap();
    let patch = base64::engine::general_purpose::STANDARD
        .decode(patch)
        .unwrap();
    let patch = String::from_utf8(patch).unwrap();
    assert!(patch.contains("injection-skipped"), "{patch}");
    let out = pod(json!({ "metadata": { "labels": { "mintage.dev/inject": "false" } } }));
    let response = hook.ask(review(&out, json!({}))).await;
    assert!(
        response["allowed"] == true && response.get("warnings").is_none(),
        "{response}"
    );
    assert_eq!(hook.metrics().counted(Answered::Skipped), 2);
}

#[tokio::test]
async fn what_is_no_new_pod_is_let_through() {
    let hook = Hook::usual();
    for changes in [
        json!({ "operation": "UPDATE" }),
        json!({ "operation": "DELETE", "object": null }),
        json!({ "subResource": "ephemeralcontainers" }),
        json!({ "resource": { "resource": "deployments", "group": "apps" } }),
    ] {
        let response = hook
            .ask(review(&pod(json!({})), json!({ "request": changes })))
            .await;
        assert!(
            response["allowed"] == true && response.get("patch").is_none(),
            "{changes}"
        );
    }
}

#[tokio::test]
async fn attack_36_what_no_api_server_sends_is_a_bad_request() {
    let hook = Hook::usual();
    let deep = "[".repeat(100_000);
    for body in [
        String::new(),
        "x".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        deep,
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview" }).to_string(),
        review(
            &pod(json!({})),
            json!({ "apiVersion": "admission.k8s.io/v1beta1" }),
        )
        .to_string(),
        review(&pod(json!({})), json!({ "kind": "ConversionReview" })).to_string(),
        review(&pod(json!({})), json!({ "request": { "namespace": null } })).to_string(),
        review(
            &pod(json!({})),
            json!({ "request": { "namespace": "a/b" } }),
        )
        .to_string(),
        review(&pod(json!({})), json!({ "request": { "object": null } })).to_string(),
        review(
            &pod(json!({})),
            json!({ "request": { "operation": "MAKE" } }),
        )
        .to_string(),
        review(
            &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "labels": "secret-value" } }),
            json!({}),
        )
        .to_string(),
    ] {
        let start: String = body.chars().take(40).collect();
        let (status, text) = hook.post(body).await;
        assert_eq!(status, 400, "{start}: {text}");
        assert!(!text.contains("secret-value"), "{text}");
    }
    assert_eq!(hook.metrics().counted(Answered::Malformed), 13);
    assert_eq!(
        hook.ask(usual_review()).await["allowed"],
        true,
        "and it goes on"
    );
}

#[tokio::test]
async fn attack_36_a_huge_request_ends_early_and_a_large_pod_does_not() {
    let hook = Hook::usual();
    let with = |bytes: usize| {
        let note = "x".repeat(bytes);
        review(
            &pod(json!({ "metadata": { "annotations": { "note": note } } })),
            json!({}),
        )
    };
    assert_eq!(hook.ask(with(3 * 1024 * 1024)).await["allowed"], true);
    // The connection may be closed before all was sent.
    if let Ok((status, _)) = post(&hook.client, with(9 * 1024 * 1024).to_string()).await {
        assert_eq!(status, 413);
    }
    assert_eq!(hook.ask(usual_review()).await["allowed"], true);
}

fn panics_at_orders(
    snapshot: &Snapshot,
    namespace: &mintage_core::Namespace,
    pod: &Value,
    settings: &Settings,
) -> Outcome {
    assert_ne!(*namespace, name("orders"), "made to panic");
    inject(snapshot, namespace, pod, settings)
}

/// CVE-2026-65834: a panic must not take the webhook down, nor let the pod through.
#[tokio::test]
async fn attack_36_a_panic_is_a_refusal() {
    let hook = Hook::start(panics_at_orders, Some(snapshot()));
    for _ in 0..3 {
        let response = hook
            .ask(review(
                &pod(json!({})),
                json!({ "request": { "namespace": "orders" } }),
            ))
            .await;
        assert_eq!(response["allowed"], false);
        assert_eq!(response["status"]["code"], 500);
        assert!(
            response["status"]["message"]
                .as_str()
                .unwrap()
                .contains("(panicked)")
        );
        assert_eq!(hook.ask(usual_review()).await["allowed"], true);
    }
    assert_eq!(hook.metrics().counted(Answered::Panicked), 3);
}

#[tokio::test]
async fn before_the_watches_have_listed_clients_are_asked_to_try_again() {
    let hook = Hook::start(inject, None);
    let response = hook.ask(usual_review()).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 503);
    assert_eq!(response["status"]["reason"], "ServiceUnavailable");
    assert_eq!(response["status"]["details"]["retryAfterSeconds"], 1);
    assert_eq!(hook.metrics().counted(Answered::Unready), 1);
    hook.snapshots.send_replace(Some(Arc::new(snapshot())));
    assert_eq!(hook.ask(usual_review()).await["allowed"], true);
}

/// The API server knows of a namespace, or of its label, a moment before the watches show it.
#[tokio::test]
async fn attack_35_a_namespace_that_was_just_made_or_enabled_is_waited_for() {
    let (enabled, mut late, mut unlabelled) = (snapshot(), snapshot(), snapshot());
    world(&mut late)
        .namespaces
        .remove(&name::<mintage_core::Namespace>("shop"));
    let of_shop = world(&mut unlabelled)
        .namespaces
        .get_mut(&name::<mintage_core::Namespace>("shop"))
        .unwrap();
    of_shop.labels.remove("mintage.dev/injection").unwrap();
    let enabled = Arc::new(enabled);
    for behind in [late, unlabelled] {
        let hook = Hook::start(inject, Some(behind));
        let news = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            hook.snapshots.send_replace(Some(Arc::clone(&enabled)));
        };
        let (response, ()) = tokio::join!(hook.ask(usual_review()), news);
        assert_eq!(
            response["auditAnnotations"]["outcome"], "injected",
            "{response}"
        );
    }
    // One that never comes is a refusal that passes.
    let hook = Hook::usual();
    let response = hook
        .ask(review(
            &pod(json!({})),
            json!({ "request": { "namespace": "unseen" } }),
        ))
        .await;
    assert_eq!(response["status"]["code"], 503);
    assert!(
        response["status"]["message"]
            .as_str()
            .unwrap()
            .contains("(namespace-unknown)")
    );
}

#[tokio::test]
async fn f7_a_new_certificate_is_served_without_a_restart() {
    let hook = Hook::usual();
    assert_eq!(hook.ask(usual_review()).await["allowed"], true);
    let old = hook.state.bundle();
    let (state, secret) = fresh(&names(), SystemClock.now());
    hook.replica.certificates.load(Some(&secret));
    // Who connects now meets the new one; connections that are open go on.
    assert_eq!(hook.ask(usual_review()).await["allowed"], true);
    post(
        &client(&state.bundle(), hook.address),
        usual_review().to_string(),
    )
    .await
    .unwrap();
    post(&client(&old, hook.address), usual_review().to_string())
        .await
        .unwrap_err();
    let both = old + &state.bundle();
    post(&client(&both, hook.address), usual_review().to_string())
        .await
        .unwrap();
}

#[tokio::test]
async fn without_a_certificate_nobody_can_connect_and_later_everybody() {
    let replica = replica(made());
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Options::default()
    };
    let server = Server::bind(options, &replica.certificates).unwrap();
    let address = server.local_addr().unwrap();
    let (_end, ended) = watch::channel(false);
    let (_snapshots, snapshots) = watch::channel(Some(Arc::new(snapshot())));
    let webhook = Webhook {
        inject,
        metrics: Arc::clone(&replica.metrics),
        settings: Arc::new(Settings::default()),
        snapshots,
    };
    tokio::spawn(server.serve(webhook, ended));
    let (state, secret) = fresh(&names(), SystemClock.now());
    let client = client(&state.bundle(), address);
    post(&client, usual_review().to_string()).await.unwrap_err();
    replica.certificates.load(Some(&secret));
    post(&client, usual_review().to_string()).await.unwrap();
}

/// F12: a rolling update refuses nobody.
#[tokio::test]
async fn at_the_end_clients_are_asked_to_leave_and_are_answered_meanwhile() {
    let hook = Hook::usual();
    hook.ask(usual_review()).await;
    hook.end.send_replace(true);
    let request = hook
        .client
        .post(format!("https://{HOST}/inject"))
        .body(usual_review().to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["connection"], "close");
    hook.served.await.unwrap();
    post(&hook.client, usual_review().to_string())
        .await
        .unwrap_err();
}

#[tokio::test]
async fn other_paths_and_methods_are_nothing() {
    let hook = Hook::usual();
    for (method, path, expected) in [
        ("GET", "/inject", 405),
        ("POST", "/", 404),
        ("GET", "/metrics", 404),
    ] {
        let method = method.parse().unwrap();
        let answer = hook
            .client
            .request(method, format!("https://{HOST}{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), expected, "{path}");
    }
}
