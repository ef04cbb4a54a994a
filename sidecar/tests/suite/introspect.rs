//! `POST /introspect`.

use serde_json::json;

use crate::cluster::{ACME, Cluster, LEDGER, NOW, ORDERS};
use crate::pod::{Pod, answer};
use crate::tokens;

#[tokio::test]
async fn a_good_token_is_active_and_says_what_it_says() {
    let pod = Pod::orders();
    let active = pod.introspect(&tokens::good()).await;
    let expected = json!({
        "active": true,
        "iss": "https://acme.test/",
        "sub": "shop/checkout@clients",
        "aud": ORDERS,
        "client_id": "shop/checkout",
        "exp": NOW.0 + 86_400,
        "iat": NOW.0,
        "scope": "read:orders write:orders",
        "token_type": "Bearer",
    });
    assert_eq!((active.status, active.json()), (200, expected));
    assert_eq!(active.header("cache-control"), "no-store");

    let body = json!({"token": tokens::good(), "token_type_hint": "access_token"});
    let by_json = answer(pod.client.post(pod.url("/introspect")).json(&body)).await;
    assert_eq!(by_json.json(), active.json());

    let pod = Pod::of(Cluster::standard(), "orders/api", "orders,ledger");
    let token = Cluster::standard().token(ACME, "shop/checkout", LEDGER);
    let rfc9068 = pod.introspect(&token).await.json();
    assert_eq!(rfc9068["active"], true);
    assert!(rfc9068["jti"].is_string(), "{rfc9068}");
}

#[tokio::test]
async fn every_kind_of_bad_token_is_just_inactive() {
    let pod = Pod::orders();
    assert_eq!(pod.introspect(&tokens::good()).await.json()["active"], true);
    for (code, token) in tokens::bad() {
        let metric =
            format!("mintage_token_checks_total{{route=\"introspect\",outcome=\"{code}\"}}");
        let before = pod.metric(&metric);
        let inactive = pod.introspect(&token).await;
        assert_eq!(inactive.status, 200, "{code}");
        assert_eq!(inactive.body, r#"{"active":false}"#, "{code}");
        assert_eq!(inactive.header("cache-control"), "no-store");
        assert_eq!(pod.metric(&metric), before + 1, "{code}");
    }
    // A good one is still good.
    assert_eq!(pod.introspect(&tokens::good()).await.json()["active"], true);
}

#[tokio::test]
async fn mistakes_of_the_caller_are_said() {
    let pod = Pod::orders();
    let introspect = pod.url("/introspect");
    let none = answer(pod.client.post(&introspect).form(&[("token", "")])).await;
    none.refused(400, "invalid_request", "token-missing", "token is missing");
    let twice = [("token", "a"), ("token", "a")];
    let twice = answer(pod.client.post(&introspect).form(&twice)).await;
    twice.refused(400, "invalid_request", "parameter-repeated", "");
    let url = format!("/introspect?token={}", tokens::good());
    let got = pod.get(&url).await;
    got.refused(405, "invalid_request", "method", "this path takes POST");
    let text = pod.client.post(&introspect).body(tokens::good());
    answer(text)
        .await
        .refused(415, "invalid_request", "media-type", "");
}

#[tokio::test]
async fn a_pod_that_accepts_nothing_says_why() {
    for (workload, accept, text) in [
        (
            "orders/api",
            "",
            "namespace orders has several ApiAudiences (orders, ledger)",
        ),
        (
            "orders/api",
            "nothing",
            "namespace orders has no served ApiAudience nothing",
        ),
        ("shop/checkout", "", "namespace shop has no ApiAudience"),
    ] {
        let pod = Pod::of(Cluster::standard(), workload, accept);
        let refused = pod.introspect(&tokens::good()).await;
        refused.refused(403, "access_denied", "audience-not-chosen", text);
    }
}
