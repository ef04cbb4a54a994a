//! `POST /oauth/token`: who asks for what.

use serde_json::json;

use crate::cluster::{ACME, Cluster, LEDGER, NOW, ORDERS, PAYMENTS, REPORTS, name, standard};
use crate::pod::{Pod, answer, client, identity};
use mintage_sidecar::server::Limits;

#[tokio::test]
async fn forms_and_json_are_read_alike() {
    let pod = Pod::checkout();
    let form = answer(pod.ask(&[("audience", ORDERS), ("scope", "read:orders")])).await;
    let body =
        json!({"grant_type": "client_credentials", "audience": ORDERS, "scope": "read:orders"});
    let json = answer(pod.client.post(pod.url("/oauth/token")).json(&body)).await;
    assert_eq!((form.status, json.status), (200, 200), "{form:?} {json:?}");
    assert_eq!(form.json(), json.json());
    let expected = json!({
        "access_token": form.text("access_token"),
        "token_type": "Bearer",
        "expires_in": 86_400,
        "scope": "read:orders",
    });
    assert_eq!(form.json(), expected);
    assert_eq!(form.header("cache-control"), "no-store");
    assert_eq!(form.header("pragma"), "no-cache");
    assert_eq!(form.header("content-type"), "application/json");
    assert_eq!(form.header("mintage-cache"), "");
}

#[tokio::test]
async fn without_a_scope_all_that_is_granted() {
    let pod = Pod::checkout();
    for params in [vec![], vec![("scope", "")]] {
        let params = [vec![("audience", ORDERS)], params].concat();
        let all = answer(pod.ask(&params)).await;
        assert_eq!(all.text("scope"), "read:orders write:orders");
    }
}

#[tokio::test]
async fn resource_stands_in_for_audience() {
    let pod = Pod::checkout();
    for params in [
        vec![("resource", ORDERS)],
        vec![("resource", ORDERS), ("audience", ORDERS)],
    ] {
        assert_eq!(answer(pod.ask(&params)).await.status, 200, "{params:?}");
    }
    let differ = answer(pod.ask(&[("resource", ORDERS), ("audience", PAYMENTS)])).await;
    differ.refused(400, "invalid_target", "audience-and-resource", "");
    let several = answer(pod.ask(&[("resource", ORDERS), ("resource", PAYMENTS)])).await;
    several.refused(400, "invalid_target", "resource-several", "");
}

#[tokio::test]
async fn the_default_audience_stands_in_for_none() {
    let mut cluster = Cluster::new(standard());
    let pod = Pod::of(&cluster, "shop/checkout", "");
    let none = answer(pod.ask(&[])).await;
    none.refused(
        400,
        "invalid_request",
        "audience-missing",
        "audience is missing",
    );
    cluster.edit(|world| {
        let mut tenants = world.tenants.iter_mut();
        let acme = tenants.find(|tenant| tenant.at == name(ACME)).unwrap();
        acme.default_audience = Some(name("orders/orders"));
    });
    pod.load(&cluster);
    for params in [vec![], vec![("audience", "")]] {
        let default = answer(pod.ask(&params)).await;
        assert_eq!(default.status, 200, "{default:?}");
        assert_eq!(default.text("scope"), "read:orders write:orders");
    }
}

#[tokio::test]
async fn refusals_begin_with_the_texts_that_clients_know() {
    let pod = Pod::checkout();
    let good = [("audience", ORDERS), ("scope", "read:orders")];
    assert_eq!(answer(pod.ask(&good)).await.status, 200);

    let userinfo = "https://acme.test/userinfo";
    for (audience, scope, status, error, rule, text) in [
        (
            "https://no.test",
            "",
            403,
            "access_denied",
            "audience-unknown",
            "Service not enabled within domain: https://no.test",
        ),
        (
            userinfo,
            "",
            403,
            "access_denied",
            "audience-for-users",
            "Service not enabled within domain: https://acme.test/userinfo",
        ),
        (
            "https://acme.test/api/v2/",
            "",
            403,
            "access_denied",
            "grant-missing",
            "Client is not authorized to access \"https://acme.test/api/v2/\". You need to create a \"client-grant\" associated to this API.",
        ),
        (
            ORDERS,
            "admin:orders",
            403,
            "access_denied",
            "scope-not-granted",
            "Client has not been granted scopes: admin:orders",
        ),
        (
            ORDERS,
            "read:orders admin:orders",
            403,
            "access_denied",
            "scope-not-granted",
            "Client has not been granted scopes: admin:orders",
        ),
        (
            ORDERS,
            "read:orders\twrite:orders",
            400,
            "invalid_scope",
            "scope-malformed",
            "",
        ),
        (
            ORDERS,
            "read:\"orders\"",
            400,
            "invalid_scope",
            "scope-malformed",
            "",
        ),
        (REPORTS, "", 403, "access_denied", "issuance-central", ""),
    ] {
        let refused = answer(pod.ask(&[("audience", audience), ("scope", scope)])).await;
        refused.refused(status, error, rule, text);
    }
}

#[tokio::test]
async fn a_workload_without_a_grant_is_told_which_grant_is_missing() {
    let granted = Pod::of(Cluster::standard(), "shop/audit", "");
    assert_eq!(
        answer(granted.ask(&[("audience", ORDERS)])).await.status,
        200
    );
    let refused = answer(granted.ask(&[("audience", LEDGER)])).await;
    refused.refused(
        403,
        "access_denied",
        "grant-missing",
        "Client is not authorized to access \"https://ledger.test\". You need to create a \"client-grant\" associated to this API.",
    );
    assert!(
        refused.body.contains("serviceAccount: audit"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn without_a_bundle_nothing_is_answered_but_when_to_try_again() {
    let pod = Pod::empty(identity("shop/checkout", ""), Limits::default());
    let refused = answer(pod.ask(&[("audience", ORDERS)])).await;
    refused.refused(503, "temporarily_unavailable", "bundle-missing", "");
    assert_eq!(refused.header("retry-after"), "5");
    pod.load(Cluster::standard());
    assert_eq!(answer(pod.ask(&[("audience", ORDERS)])).await.status, 200);
}

#[tokio::test]
async fn a_token_names_the_domain_that_the_pod_chose() {
    let cluster = Cluster::standard();
    let pod = Pod::checkout();
    let issuer = |token: String| crate::cluster::Forge::of(&token).claims["iss"].clone();
    assert_eq!(issuer(pod.token(ORDERS).await), "https://acme.test/");

    for (domain, expected) in [
        ("login.acme.test", Ok("https://login.acme.test/")),
        ("globex.test:7743", Err("domain-not-served")),
    ] {
        let identity = mintage_sidecar::state::Identity {
            domain: Some(name(domain)),
            ..identity("shop/checkout", "")
        };
        let pod = Pod::empty(identity, Limits::default());
        pod.load(cluster);
        match expected {
            Ok(expected) => assert_eq!(issuer(pod.token(ORDERS).await), expected),
            Err(rule) => {
                let refused = answer(pod.ask(&[("audience", ORDERS)])).await;
                refused.refused(403, "access_denied", rule, "");
            }
        }
    }
}

#[tokio::test]
async fn no_get_gives_a_token() {
    let pod = Pod::checkout();
    let query = format!("/oauth/token?grant_type=client_credentials&audience={ORDERS}");
    let got = pod.get(&query).await;
    got.refused(405, "invalid_request", "method", "this path takes POST");
    assert_eq!(got.header("allow"), "POST");
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let method = method.parse().unwrap();
        let request = client().request(method, pod.url(&query));
        assert_eq!(answer(request).await.status, 405);
    }
    // Parameters of the query are not read by POST either.
    let posted = answer(pod.client.post(pod.url(&query)).form(&[("a", "b")])).await;
    posted.refused(400, "invalid_request", "grant-type-missing", "");
    assert_eq!(
        pod.metric("mintage_token_requests_total{outcome=\"issued\"}"),
        0
    );
    assert_eq!(pod.shared.now(), NOW);
}
