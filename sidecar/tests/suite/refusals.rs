//! Every refusal that the description knows is provoked, and no other comes of it.

use std::collections::BTreeSet;

use mintage_sidecar::server::Limits;
use mintage_sidecar::state::Identity;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::cluster::{
    ACME, Cluster, NOW, ORDERS, PAYMENTS, REPORTS, custom_domain, grant, name, standard,
};
use crate::description::{operations, refusals};
use crate::pod::{Pod, answer, identity};
use crate::raw::{exchange, status};
use crate::tenant_endpoint::{Manner, TenantEndpoint, with_endpoint};
use crate::tokens;

const TOKEN: &str = "POST /oauth/token";
const INTROSPECT: &str = "POST /introspect";
const FORM: &str = "application/x-www-form-urlencoded";

/// Signing with a parsed key does not fail, whatever is sent.
const OUT_OF_REACH: &str = "signing-failed";

/// What was refused: operation, status, rule.
#[derive(Default)]
struct Seen(BTreeSet<(String, u16, String)>);

impl Seen {
    /// Sends a request that must be refused by a rule.
    async fn refused(&mut self, operation: &str, request: RequestBuilder, rule: &str) {
        let answer = answer(request).await;
        self.add(operation, answer.status, &answer.body, rule);
    }

    fn add(&mut self, operation: &str, status: u16, body: &str, rule: &str) {
        let error: Value = serde_json::from_str(body).unwrap();
        let description = error["error_description"].as_str().unwrap();
        let named = description.contains(&format!("({rule}"));
        assert!(named, "{operation}: {status} {body} is not by {rule}");
        self.0
            .insert((operation.to_owned(), status, rule.to_owned()));
    }
}

/// An operation with what it needs at least.
fn request(pod: &Pod, operation: &str) -> RequestBuilder {
    let (method, path) = operation.split_once(' ').unwrap();
    let request = pod.client.request(method.parse().unwrap(), pod.url(path));
    match operation {
        TOKEN => request.form(&[("grant_type", "client_credentials"), ("audience", ORDERS)]),
        INTROSPECT => request.form(&[("token", tokens::good())]),
        _ => request.bearer_auth(tokens::good()),
    }
}

async fn guard_and_state(seen: &mut Seen) {
    let pod = Pod::orders();
    let empty = Pod::empty(identity("orders/api", "orders"), Limits::default());
    let old = Pod::orders();
    old.set_clock(NOW + 200_000);
    for operation in operations() {
        let foreign = request(&pod, operation).header("host", "evil.test");
        seen.refused(operation, foreign, "host-not-loopback").await;
        let page = request(&pod, operation).header("origin", "http://evil.test");
        seen.refused(operation, page, "origin-refused").await;
        for (pod, rule) in [(&empty, "bundle-missing"), (&old, "bundle-too-old")] {
            seen.refused(operation, request(pod, operation), rule).await;
        }
    }
}

async fn bodies(seen: &mut Seen) {
    let pod = Pod::orders();
    let many = (0..33)
        .map(|n| format!("p{n}="))
        .collect::<Vec<_>>()
        .join("&");
    let large = "x".repeat(70_000);
    for operation in [TOKEN, INTROSPECT] {
        for (media_type, body, rule) in [
            ("text/plain", "", "media-type"),
            (FORM, "a=%", "form-malformed"),
            ("application/json", "{", "json-malformed"),
            (FORM, "a=1&a=2", "parameter-repeated"),
            (FORM, &many, "parameters-too-many"),
            (FORM, "resource=a&resource=b", "resource-several"),
            (FORM, &large, "body-too-large"),
        ] {
            let path = operation.strip_prefix("POST ").unwrap();
            let post = pod.client.post(pod.url(path));
            let post = post.header("content-type", media_type);
            seen.refused(operation, post.body(body.to_owned()), rule)
                .await;
        }
    }
    // The rest of the body never comes; both wait at once.
    let slow = async |operation: &str| {
        let head = format!(
            "{operation} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {FORM}\r\n\
             Content-Length: 9\r\n\r\na=1"
        );
        exchange(pod.workload_api, head).await
    };
    let answers = tokio::join!(slow(TOKEN), slow(INTROSPECT));
    for (operation, answer) in [(TOKEN, answers.0), (INTROSPECT, answers.1)] {
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        seen.add(operation, status(&answer), body, "body-slow");
    }
}

async fn token_requests(seen: &mut Seen) {
    let pod = Pod::checkout();
    let good = [("audience", ORDERS)];
    assert_eq!(answer(pod.ask(&good)).await.status, 200);
    for (params, rule) in [
        (vec![("grant_type", "")], "grant-type-missing"),
        (vec![("grant_type", "guess")], "grant-type-unknown"),
        (vec![("grant_type", "password")], "grant-type-of-others"),
        (vec![("client_id", "shop/audit")], "client-not-own"),
        (
            vec![("audience", ORDERS), ("resource", PAYMENTS)],
            "audience-and-resource",
        ),
        (vec![], "audience-missing"),
        (
            vec![("audience", ORDERS), ("scope", "a  b")],
            "scope-malformed",
        ),
        (vec![("audience", "https://no.test")], "audience-unknown"),
        (
            vec![("audience", "https://acme.test/userinfo")],
            "audience-for-users",
        ),
        (
            vec![("audience", "https://acme.test/api/v2/")],
            "grant-missing",
        ),
        (
            vec![("audience", ORDERS), ("scope", "admin:orders")],
            "scope-not-granted",
        ),
        (vec![("audience", REPORTS)], "issuance-central"),
    ] {
        seen.refused(TOKEN, pod.ask(&params), rule).await;
    }
}

/// What depends on the cluster's state rather than on the request.
async fn clusters(seen: &mut Seen) {
    let mut cluster = Cluster::new(standard());
    cluster.edit_audience("orders/ledger", |ledger| {
        ledger.grants.push(grant("shop/audit", "post"));
    });
    cluster.edit(|world| {
        let domain = custom_domain("identity/new", ACME, "new.acme.test");
        world.domains.push(domain);
    });
    let audit = Pod::of(&cluster, "shop/audit", "");
    let ledger = audit.ask(&[("audience", crate::cluster::LEDGER)]);
    seen.refused(TOKEN, ledger, "grant-pending").await;

    for (domain, rule) in [
        ("new.acme.test", "domain-pending"),
        ("globex.test:7743", "domain-not-served"),
    ] {
        let identity = Identity {
            domain: Some(name(domain)),
            ..identity("shop/checkout", "")
        };
        let pod = Pod::empty(identity, Limits::default());
        pod.load(&cluster);
        let asked = pod.ask(&[("audience", ORDERS)]);
        seen.refused(TOKEN, asked, rule).await;
    }

    cluster.private.clear();
    let keyless = Pod::of(&cluster, "shop/checkout", "");
    let asked = keyless.ask(&[("audience", ORDERS)]);
    seen.refused(TOKEN, asked, "key-unavailable").await;
}

/// What comes of the tenant's endpoint.
async fn central(seen: &mut Seen) {
    let cluster = Cluster::new(with_endpoint());
    let endpoint = TenantEndpoint::start(&cluster, "acme.test");
    let pod = endpoint.pod(&cluster);
    let asked = || pod.ask(&[("audience", REPORTS)]);
    for (status, error) in [(400, "invalid_request"), (403, "access_denied")] {
        endpoint.refuse(status, error, "no");
        seen.refused(TOKEN, asked(), "endpoint-refused").await;
    }
    endpoint.refuse(500, "temporarily_unavailable", "no");
    seen.refused(TOKEN, asked(), "endpoint-away").await;
    endpoint.answer(Manner::Giving("no token".to_owned()));
    seen.refused(TOKEN, asked(), "endpoint-misbehaves").await;
    std::fs::remove_file(pod.dir.path().join(mintage_sidecar::central::TOKEN)).unwrap();
    seen.refused(TOKEN, asked(), "endpoint-token-missing").await;
}

async fn checks(seen: &mut Seen) {
    let pod = Pod::orders();
    let empty = pod
        .client
        .post(pod.url("/introspect"))
        .form(&[("token", "")]);
    seen.refused(INTROSPECT, empty, "token-missing").await;
    // The namespace has two audiences.
    let unsure = Pod::of(Cluster::standard(), "orders/api", "");
    for operation in [
        INTROSPECT,
        "GET /validate",
        "POST /validate",
        "GET /.well-known/oauth-protected-resource",
    ] {
        let asked = request(&unsure, operation);
        seen.refused(operation, asked, "audience-not-chosen").await;
    }
    for operation in ["GET /validate", "POST /validate"] {
        let validate = || request(&pod, operation);
        for (query, rule) in [
            (("b", "c"), "query-malformed"),
            (("scope", "a  b"), "scope-malformed"),
            (("audience", PAYMENTS), "audience-not-accepted"),
        ] {
            seen.refused(operation, validate().query(&[query]), rule)
                .await;
        }
        let twice = validate().header("authorization", "Bearer x");
        seen.refused(operation, twice, "authorization-repeated")
            .await;
    }
}

#[tokio::test]
async fn every_described_refusal_can_be_had_and_no_other() {
    let mut seen = Seen::default();
    guard_and_state(&mut seen).await;
    token_requests(&mut seen).await;
    clusters(&mut seen).await;
    central(&mut seen).await;
    checks(&mut seen).await;
    bodies(&mut seen).await;
    let mut described = refusals();
    described.retain(|(_, _, rule)| rule != OUT_OF_REACH);
    assert_eq!(seen.0, described);
}
