//! `GET|POST /validate`.

use crate::cluster::{ACME, Cluster, LEDGER, NOW, ORDERS};
use crate::pod::{Pod, answer};
use crate::raw::{exchange, status};
use crate::tokens;

#[tokio::test]
async fn a_good_token_passes_with_what_it_says() {
    let pod = Pod::orders();
    let token = tokens::good();
    let get = pod.validate("", &token).await;
    let post = pod.client.post(pod.url("/validate")).bearer_auth(&token);
    let post = answer(post.body("anything")).await;
    let lower = pod.client.get(pod.url("/validate"));
    let lower = answer(lower.header("Authorization", format!("bearer {token}"))).await;
    for passed in [get, post, lower] {
        assert_eq!(passed.status, 200, "{passed:?}");
        assert_eq!(passed.body, "");
        assert_eq!(passed.header("cache-control"), "no-store");
        assert_eq!(passed.header("x-mintage-subject"), "shop/checkout@clients");
        assert_eq!(passed.header("x-mintage-client"), "shop/checkout");
        assert_eq!(passed.header("x-mintage-scope"), "read:orders write:orders");
        assert_eq!(passed.header("x-mintage-audience"), ORDERS);
    }
}

#[tokio::test]
async fn a_bad_token_is_challenged_with_the_reason() {
    let pod = Pod::orders();
    assert_eq!(pod.validate("", &tokens::good()).await.status, 200);
    for (code, token) in tokens::bad() {
        let denied = pod.validate("", &token).await;
        assert_eq!(denied.status, 401, "{code}");
        let challenge = denied.header("www-authenticate");
        let begin = "Bearer realm=\"acme.test\", error=\"invalid_token\", error_description=\"";
        assert!(challenge.starts_with(begin), "{code}: {challenge}");
        assert!(
            challenge.contains(&format!(" ({code})\"")),
            "{code}: {challenge}"
        );
        assert_eq!(challenge.matches('"').count(), 6, "{challenge}");
        assert_eq!(denied.header("x-mintage-subject"), "", "{code}");
        assert_eq!(denied.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn without_a_token_the_challenge_is_bare() {
    let pod = Pod::orders();
    let validate = || pod.client.get(pod.url("/validate"));
    for request in [
        validate(),
        validate().header("Authorization", "Bearer"),
        validate().header("Authorization", format!("Token {}", tokens::good())),
        validate().basic_auth("shop/checkout", Some(tokens::good())),
        validate().header("X-Access-Token", tokens::good()),
        validate().header("Cookie", format!("access_token={}", tokens::good())),
    ] {
        let denied = answer(request).await;
        assert_eq!(denied.status, 401);
        assert_eq!(
            denied.header("www-authenticate"),
            "Bearer realm=\"acme.test\""
        );
    }
}

#[tokio::test]
async fn a_token_in_query_or_body_is_not_read() {
    let pod = Pod::orders();
    let token = tokens::good();
    let query = pod.get(&format!("/validate?access_token={token}")).await;
    query.refused(
        400,
        "invalid_request",
        "query-malformed",
        "the query takes audience",
    );
    let body = pod.client.post(pod.url("/validate"));
    let body = answer(body.form(&[("access_token", &token)])).await;
    assert_eq!(body.status, 401);
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let pod = Pod::orders();
    let line = format!("Authorization: Bearer {}\r\n", tokens::good());
    let request = |lines: &str| {
        format!("GET /validate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")
    };
    assert_eq!(
        status(&exchange(pod.workload_api, request(&line)).await),
        200
    );
    let twice = exchange(pod.workload_api, request(&line.repeat(2))).await;
    assert_eq!(status(&twice), 400, "{twice}");
    assert!(twice.contains("(authorization-repeated)"), "{twice}");
}

#[tokio::test]
async fn scopes_are_required_all_of_them() {
    let pod = Pod::orders();
    let token = tokens::good();
    for query in [
        "?scope=read:orders",
        "?scope=read:orders%20write:orders",
        "?scope=",
    ] {
        assert_eq!(pod.validate(query, &token).await.status, 200, "{query}");
    }
    let denied = pod
        .validate("?scope=read:orders+admin:orders", &token)
        .await;
    assert_eq!(denied.status, 403);
    let challenge = denied.header("www-authenticate");
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(
        challenge.ends_with("scope=\"read:orders admin:orders\""),
        "{challenge}"
    );
    assert_eq!(denied.header("x-mintage-subject"), "");
    let malformed = pod.validate("?scope=a%22b", &token).await;
    malformed.refused(400, "invalid_request", "scope-malformed", "");
    // A bad token stays one, whatever scopes are asked for.
    assert_eq!(pod.validate("?scope=admin:orders", "x").await.status, 401);
}

#[tokio::test]
async fn the_query_only_narrows() {
    let pod = Pod::of(Cluster::standard(), "orders/api", "orders,ledger");
    let (orders, ledger) = (
        tokens::good(),
        Cluster::standard().token(ACME, "shop/checkout", LEDGER),
    );
    let to_orders = format!("?audience={ORDERS}");
    let to_both = format!("?audience={ORDERS}&audience={LEDGER}");
    for (query, of_orders, of_ledger) in [
        ("", 200, 200),
        (&*to_orders, 200, 401),
        (&*to_both, 200, 200),
    ] {
        assert_eq!(
            pod.validate(query, &orders).await.status,
            of_orders,
            "{query}"
        );
        assert_eq!(
            pod.validate(query, &ledger).await.status,
            of_ledger,
            "{query}"
        );
    }
    // What the pod does not accept is not opened by a query.
    let pod = Pod::orders();
    assert_eq!(pod.validate("", &ledger).await.status, 401);
    for query in [
        format!("?audience={LEDGER}"),
        to_both,
        "?audience=".to_owned(),
    ] {
        let refused = pod.validate(&query, &ledger).await;
        refused.refused(403, "access_denied", "audience-not-accepted", "");
    }
}

#[tokio::test]
async fn a_pod_that_accepts_nothing_says_why() {
    let pod = Pod::of(Cluster::standard(), "orders/api", "");
    let refused = pod.validate("", &tokens::good()).await;
    refused.refused(
        403,
        "access_denied",
        "audience-not-chosen",
        "namespace orders has several",
    );
}

#[tokio::test]
async fn a_remembered_token_expires_by_the_clock() {
    let mut cluster = Cluster::standard().clone();
    let pod = Pod::of(&cluster, "payments/api", "payments");
    let token = cluster.token(ACME, "shop/checkout", crate::cluster::PAYMENTS);
    for (age, expected) in [(0, 200), (629, 200), (630, 401), (0, 200), (-31, 401)] {
        pod.set_clock(NOW + age);
        assert_eq!(
            pod.validate("", &token).await.status,
            expected,
            "after {age} s"
        );
        let active = pod.introspect(&token).await.json()["active"] == (expected == 200);
        assert!(active, "after {age} s");
    }
    // A reload in between changes nothing.
    cluster.plan_at(NOW + 600);
    pod.load(&cluster);
    assert_eq!(pod.validate("", &token).await.status, 200);
}
