//! Tokens of Central APIs: asked of the tenant's endpoint, checked, and given again while it is away.

use std::fs;

use axum::http::StatusCode;
use mintage_core::Alg;
use mintage_sidecar::central;
use serde_json::json;
use tokio::sync::watch;

use crate::cluster::{Cluster, Forge, NOW, ORDERS, REPORTS};
use crate::pod::{Answer, Pod, answer};
use crate::tenant_endpoint::{Manner, POD_TOKEN, TenantEndpoint, with_endpoint};

/// REPORTS is of an hour.
pub const LIFE: i64 = 3600;

/// A cluster whose tenant has an endpoint, that endpoint, and a pod of `shop/checkout`.
pub struct Scene {
    pub cluster: Cluster,
    pub endpoint: TenantEndpoint,
    pub pod: Pod,
}

impl Scene {
    pub fn new() -> Self {
        let cluster = Cluster::new(with_endpoint());
        let endpoint = TenantEndpoint::start(&cluster, "acme.test");
        let pod = endpoint.pod(&cluster);
        Self {
            cluster,
            endpoint,
            pod,
        }
    }

    pub async fn ask(&self) -> Answer {
        answer(self.pod.ask(&[("audience", REPORTS)])).await
    }

    pub async fn reuse(&self) -> Answer {
        let request = self.pod.ask(&[("audience", REPORTS)]);
        answer(request.header("Mintage-Cache", "allow")).await
    }

    /// A good token, by the pod.
    pub async fn token(&self) -> String {
        let answer = self.ask().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token")
    }

    pub fn at(&self, seconds: i64) {
        self.endpoint.at(&self.pod, NOW + seconds);
    }

    pub fn requests(&self, outcome: &str) -> u64 {
        let name = format!("mintage_central_requests_total{{outcome=\"{outcome}\"}}");
        self.pod.metric(&name)
    }

    pub fn handed_out(&self, source: &str) -> u64 {
        self.pod.metric(&format!(
            "mintage_tokens_issued_total{{alg=\"PS256\",dialect=\"Auth0\",source=\"{source}\"}}"
        ))
    }
}

#[tokio::test]
async fn a_central_token_is_the_endpoints() {
    let scene = Scene::new();
    let answer = scene.ask().await;
    let token = answer.text("access_token");
    let expected = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": LIFE, "scope": "read:reports",
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("cache-control"), "no-store");
    let forge = Forge::of(&token);
    let tenants = scene.cluster.key("identity/acme", Alg::PS256);
    assert_eq!(forge.header["kid"], tenants.kid().as_str());
    assert_eq!(forge.claims["azp"], "shop/checkout");
    let [form] = &scene.endpoint.asked()[..] else {
        panic!("it was asked once")
    };
    let sent: Vec<(&str, &str)> = form.iter().map(|(k, v)| (&**k, &**v)).collect();
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let expected = [
        ("audience", REPORTS),
        ("client_assertion", POD_TOKEN),
        ("client_assertion_type", assertion_type),
        ("grant_type", "client_credentials"),
        ("scope", "read:reports"),
    ];
    assert_eq!(sent, expected);
    assert_eq!(
        (scene.requests("given"), scene.handed_out("central")),
        (1, 1)
    );
    // What the namespace's own key signs is no matter of the endpoint's.
    assert_eq!(scene.pod.token(ORDERS).await.split('.').count(), 3);
    assert_eq!(scene.endpoint.asked().len(), 1);
}

#[tokio::test]
async fn the_endpoint_is_asked_by_the_host_of_the_pods_domain() {
    let cluster = Cluster::new(with_endpoint());
    let endpoint = TenantEndpoint::start(&cluster, "login.acme.test");
    let custom = endpoint.pod_of(&cluster, Some("login.acme.test"));
    let claims = Forge::of(&custom.token(REPORTS).await).claims;
    assert_eq!(claims["iss"], "https://login.acme.test/");
    // Its certificate is not for the tenant's own domain.
    let own = endpoint.pod(&cluster);
    let refused = answer(own.ask(&[("audience", REPORTS)])).await;
    refused.refused(503, "temporarily_unavailable", "endpoint-away", "");
    assert!(refused.body.contains("certificate"), "{refused:?}");
    assert_eq!(endpoint.asked().len(), 1);
}

#[tokio::test]
async fn what_the_pod_may_not_have_is_not_asked_for() {
    let scene = Scene::new();
    for (params, rule) in [
        (
            vec![("audience", REPORTS), ("scope", "write:reports")],
            "scope-not-granted",
        ),
        (vec![("audience", "https://no.test")], "audience-unknown"),
    ] {
        let refused = answer(scene.pod.ask(&params)).await;
        refused.refused(403, "access_denied", rule, "");
    }
    assert_eq!(scene.endpoint.asked().len(), 0);
}

#[tokio::test]
async fn a_tenant_without_an_endpoint_signs_no_central_token() {
    let pod = Pod::checkout();
    let refused = answer(pod.ask(&[("audience", REPORTS)])).await;
    refused.refused(403, "access_denied", "issuance-central", "");
    assert!(
        refused.body.contains("spec.endpoint.enabled"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn while_the_endpoint_is_away_the_last_good_token_does() {
    let scene = Scene::new();
    let first = scene.token().await;
    scene.at(10);
    let last = scene.token().await;
    assert_ne!(last, first, "it asks anew while it can");
    let error = json!({ "error": "temporarily_unavailable", "error_description": "no key (key-unavailable)" });
    for (seconds, manner) in [
        (
            20,
            Manner::Answering(StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        ),
        (
            30,
            Manner::Answering(StatusCode::BAD_GATEWAY, "<html>".to_owned()),
        ),
        (
            40,
            Manner::Answering(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        ),
        (
            50,
            Manner::Answering(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        ),
    ] {
        scene.endpoint.answer(manner);
        scene.at(seconds);
        let kept = scene.ask().await;
        assert_eq!(kept.text("access_token"), last, "{kept:?}");
        assert_eq!(kept.json()["expires_in"], LIFE + 10 - seconds);
    }
    assert_eq!((scene.requests("away"), scene.handed_out("kept")), (4, 4));
    assert_eq!(
        scene
            .pod
            .metric("mintage_token_requests_total{outcome=\"kept\"}"),
        4
    );
    // For a moment it is not asked again, and then it is.
    let asked = scene.endpoint.asked().len();
    scene.at(51);
    scene.ask().await;
    assert_eq!(scene.endpoint.asked().len(), asked);
    scene.at(52);
    scene.ask().await;
    assert_eq!(scene.endpoint.asked().len(), asked + 1);
    // Its life ends.
    scene.at(LIFE + 9);
    let kept = scene.ask().await;
    assert_eq!(kept.json()["expires_in"], 1, "{kept:?}");
    scene.at(LIFE + 10);
    let away = scene.ask().await;
    let text = "the endpoint of tenant identity/acme, which signs these tokens, cannot be reached";
    away.refused(503, "temporarily_unavailable", "endpoint-away", text);
    let since = format!("for {} s, it answers 429", LIFE - 10);
    assert!(away.body.contains(&since), "{away:?}");
    assert!(away.body.contains("no key"), "{away:?}");
    assert_eq!(away.header("retry-after"), "5");
    // It is back.
    scene.endpoint.answer(Manner::Good);
    scene.token().await;
    scene.endpoint.answer(Manner::Answering(
        StatusCode::INTERNAL_SERVER_ERROR,
        String::new(),
    ));
    scene.at(2 * LIFE + 20);
    let away = scene.ask().await;
    assert!(away.body.contains("for 0 s, it answers 500"), "{away:?}");
}

#[tokio::test]
async fn an_endpoint_that_nobody_finds_is_away() {
    let scene = Scene::new();
    let last = scene.token().await;
    let Scene {
        endpoint,
        pod,
        cluster,
    } = scene;
    let ask = async || answer(pod.ask(&[("audience", REPORTS)])).await;
    let other = endpoint.pod(&cluster);
    endpoint.server.stop().await;
    pod.set_clock(NOW + 30);
    assert_eq!(ask().await.text("access_token"), last);
    pod.set_clock(NOW + LIFE);
    let away = ask().await;
    away.refused(503, "temporarily_unavailable", "endpoint-away", "");
    assert!(away.body.contains("Connection refused"), "{away:?}");
    assert!(
        away.body.contains(&format!("for {} s", LIFE - 30)),
        "{away:?}"
    );
    // A pod that has had none yet has none.
    let away = answer(other.ask(&[("audience", REPORTS)])).await;
    away.refused(503, "temporarily_unavailable", "endpoint-away", "");
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_in_time_is_away() {
    let scene = Scene::new();
    let last = scene.token().await;
    let (_never, told) = watch::channel(false);
    scene.endpoint.answer(Manner::Slow(told));
    scene.at(10);
    assert_eq!(scene.token().await, last);
    assert_eq!(scene.requests("away"), 1);
}

/// Its words come to the application, and what it refuses now is not given from memory.
#[tokio::test]
async fn a_refusal_is_passed_on_and_ends_the_last_good_token() {
    let scene = Scene::new();
    for (status, error, passed, passed_error) in [
        (403, "access_denied", 403, "access_denied"),
        (401, "invalid_client", 403, "access_denied"),
        (400, "invalid_scope", 400, "invalid_scope"),
        (400, "invalid_request", 400, "invalid_request"),
        (400, "invalid_target", 400, "invalid_target"),
        (400, "unheard_of", 403, "access_denied"),
        (421, "invalid_request", 403, "access_denied"),
    ] {
        scene.endpoint.answer(Manner::Good);
        scene.token().await;
        let words = "Client is not authorized (grant-missing: add it)";
        scene.endpoint.refuse(status, error, words);
        let refused = scene.ask().await;
        refused.refused(passed, passed_error, "endpoint-refused", words);
        assert_eq!(refused.header("www-authenticate"), "");
        scene
            .endpoint
            .answer(Manner::Answering(StatusCode::BAD_GATEWAY, String::new()));
        let gone = scene.ask().await;
        gone.refused(503, "temporarily_unavailable", "endpoint-away", "");
    }
    // Its words are bounded.
    scene
        .endpoint
        .refuse(403, "access_denied", &"\"<\n>".repeat(10_000));
    let refused = scene.ask().await;
    assert!(refused.body.len() < 3000, "{refused:?}");
    assert!(scene.requests("refused") == 8);
}

#[tokio::test]
async fn a_grant_that_was_taken_back_is_not_given_from_memory() {
    let mut scene = Scene::new();
    scene.token().await;
    scene
        .endpoint
        .answer(Manner::Answering(StatusCode::BAD_GATEWAY, String::new()));
    let cluster = &mut scene.cluster;
    cluster.edit_audience("payments/reports", |api| api.grants[0].scopes.clear());
    scene.endpoint.load(&scene.pod, &scene.cluster);
    let refused = scene.ask().await;
    refused.refused(503, "temporarily_unavailable", "endpoint-away", "");
    let cluster = &mut scene.cluster;
    cluster.edit_audience("payments/reports", |api| api.grants.clear());
    scene.endpoint.load(&scene.pod, &scene.cluster);
    let refused = scene.ask().await;
    assert_eq!(refused.status, 403, "{refused:?}");
}

#[tokio::test]
async fn who_allows_it_gets_a_token_again_while_a_third_of_its_life_is_left() {
    let scene = Scene::new();
    let first = scene.reuse().await;
    assert_eq!(first.header("mintage-cache"), "miss");
    for age in [1, LIFE / 3, LIFE / 3 * 2] {
        scene.at(age);
        let again = scene.reuse().await;
        assert_eq!(again.header("mintage-cache"), "hit");
        assert_eq!(again.json()["expires_in"], LIFE - age);
        assert_eq!(again.text("access_token"), first.text("access_token"));
    }
    assert_eq!(scene.endpoint.asked().len(), 1);
    scene.at(LIFE / 3 * 2 + 1);
    assert_eq!(scene.reuse().await.header("mintage-cache"), "miss");
    assert_eq!(scene.endpoint.asked().len(), 2);
    // A clock that is set back gets none of the future.
    scene.at(0);
    assert_eq!(scene.reuse().await.header("mintage-cache"), "miss");
}

#[tokio::test]
async fn without_a_token_to_show_nobody_is_asked() {
    let scene = Scene::new();
    let path = scene.pod.dir.path().join(central::TOKEN);
    let last = scene.token().await;
    fs::remove_file(&path).unwrap();
    scene.at(10);
    assert_eq!(scene.token().await, last);
    scene.at(LIFE);
    let refused = scene.ask().await;
    refused.refused(503, "temporarily_unavailable", "endpoint-token-missing", "");
    assert_eq!(scene.endpoint.asked().len(), 1);
    // kubelet renews it: the file is read each time.
    fs::write(&path, format!("{POD_TOKEN}\n")).unwrap();
    scene.token().await;
}
