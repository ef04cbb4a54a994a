//! Workloads show their `ServiceAccount` token and get tokens of Central APIs.

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use mintage_core::claims::client_subject;
use mintage_core::{Identifier, UnixTime};
use mintage_sidecar::endpoint::store::{Place, open};
use serde_json::json;

use crate::audit::{Log, exposed};
use crate::cluster::endpoint::{BRIEF, LEDGERS, MACHINE, PROFILES, SHARED, WORKER, with_workloads};
use crate::cluster::{Forge, NOW, ORDERS, name, verdict};
use crate::reply::Reply;
use crate::site::{HOST, Site, post};
use crate::support::api_server::Cluster;

pub const ISSUER: &str = "https://acme.test/";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// When tokens expire: kubelet asks for an hour.
pub const LATER: UnixTime = UnixTime(NOW.0 + 3600);

/// An endpoint in a cluster.
pub struct Scene {
    pub site: Site,
    pub cluster: Cluster,
}

impl Scene {
    pub async fn new() -> Result<Self> {
        let cluster = Cluster::start();
        let store = open(&Place::Memory).await?;
        let site = Site::of(with_workloads(), store, |endpoint| {
            endpoint.reviewing(cluster.reached())
        });
        Ok(Self { site, cluster })
    }

    /// The token of the worker's pod.
    pub fn token(&self) -> String {
        self.cluster.token(WORKER, ISSUER, LATER)
    }

    /// Asks with an assertion and more.
    pub async fn ask(&self, assertion: &str, more: &[(&str, &str)]) -> Reply {
        self.ask_at(HOST, assertion, more).await
    }

    pub async fn ask_at(&self, host: &str, assertion: &str, more: &[(&str, &str)]) -> Reply {
        let form = form(assertion, more);
        self.site.post(host, "/oauth/token", &form).await
    }

    pub fn metric(&self, line: &str) -> bool {
        exposed(&self.site).contains(&format!("\nmintage_endpoint_{line}\n"))
    }
}

/// The form of a request; what is in `more` takes the place of what is usual.
pub fn form<'a>(assertion: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("grant_type", "client_credentials"),
        ("audience", PROFILES),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    let others = usual
        .into_iter()
        .filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    others.chain(more.iter().copied()).collect()
}

/// Asserts a refusal by its rule.
pub fn refused(reply: &Reply, status: u16, error: &str, rule: &str) {
    reply.refused(status, error, "");
    let said = reply.text("error_description");
    assert!(said.contains(&format!("({rule}")), "{rule}: {said}");
}

#[tokio::test]
async fn a_workload_gets_a_token_of_the_tenants_own_key() -> Result<()> {
    let scene = Scene::new().await?;
    let own = scene.token();
    for (audience, scope, client) in [
        (PROFILES, "read", "client_id"),
        (LEDGERS, "read write", "client_id"),
        (BRIEF, "read write", "azp"),
    ] {
        let reply = scene.ask(&own, &[("audience", audience)]).await.good();
        let answer = reply.json();
        assert_eq!(answer["token_type"], "Bearer");
        assert_eq!(answer["scope"], scope);
        let token = reply.text("access_token");
        let claims = Forge::of(&token).claims;
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["aud"], audience);
        assert_eq!(claims["sub"], client_subject(WORKER));
        assert_eq!(claims[client], WORKER);
        assert_eq!(claims["scope"], scope);
        assert_eq!(
            claims["exp"],
            NOW.0 + answer["expires_in"].as_i64().unwrap()
        );
        let accepted = [name::<Identifier>(audience)].into();
        let expected = mintage_core::verify::Expected::Apis(&accepted);
        verdict(&scene.site.realm().verifier, &token, expected, NOW).unwrap();
    }
    let some = [
        ("audience", BRIEF),
        ("scope", "write"),
        ("client_id", WORKER),
    ];
    let reply = scene.ask(&own, &some).await.good();
    assert_eq!(reply.text("scope"), "write");
    // One review served them all.
    assert_eq!(scene.cluster.asked(), 1);
    assert!(scene.metric("token_reviews_total{outcome=\"accepted\"} 1"));
    assert!(scene.metric("token_reviews_total{outcome=\"remembered\"} 3"));
    assert!(scene.metric("tokens_issued_total{grant=\"client_credentials\",format=\"jwt\"} 4"));
    Ok(())
}

#[tokio::test]
async fn an_api_that_shares_a_secret_gets_its_tokens_here_too() -> Result<()> {
    let scene = Scene::new().await?;
    let reply = scene.ask(&scene.token(), &[("audience", SHARED)]).await;
    let forge = Forge::of(&reply.good().text("access_token"));
    assert_eq!(forge.header["alg"], "HS256");
    assert_eq!(forge.claims["azp"], WORKER);
    assert_eq!(forge.claims["scope"], "read");
    Ok(())
}

#[tokio::test]
async fn the_issuer_is_the_domain_that_is_asked_and_so_is_the_audience_of_the_workloads_token()
-> Result<()> {
    let scene = Scene::new().await?;
    let custom = "https://login.acme.test/";
    let own = scene.cluster.token(WORKER, custom, LATER);
    let reply = scene.ask_at("login.acme.test", &own, &[]).await.good();
    let claims = Forge::of(&reply.text("access_token")).claims;
    assert_eq!(claims["iss"], custom);
    let elsewhere = scene.ask(&own, &[]).await;
    refused(&elsewhere, 401, "invalid_client", "assertion-invalid");
    Ok(())
}

/// What a sidecar would say of the same workload and request.
#[tokio::test]
async fn refusals_are_those_of_a_sidecar() -> Result<()> {
    let scene = Scene::new().await?;
    let own = scene.token();
    scene.ask(&own, &[]).await.good();
    for (more, status, error, rule) in [
        (("audience", ORDERS), 403, "access_denied", "issuance-local"),
        (
            ("audience", "https://no.test"),
            403,
            "access_denied",
            "audience-unknown",
        ),
        (
            ("audience", "https://acme.test/userinfo"),
            403,
            "access_denied",
            "audience-for-users",
        ),
        (
            ("audience", "https://acme.test/api/v2/"),
            403,
            "access_denied",
            "grant-missing",
        ),
        (
            ("audience", "https://rbac.test"),
            403,
            "access_denied",
            "grant-missing",
        ),
        (("audience", ""), 400, "invalid_request", "audience-missing"),
        (
            ("resource", ORDERS),
            400,
            "invalid_target",
            "audience-and-resource",
        ),
        (
            ("scope", "openid"),
            403,
            "access_denied",
            "scope-not-granted",
        ),
        (
            ("scope", "read write"),
            403,
            "access_denied",
            "scope-not-granted",
        ),
        (
            ("scope", "read\"write"),
            400,
            "invalid_scope",
            "scope-malformed",
        ),
        (
            ("grant_type", ""),
            400,
            "invalid_request",
            "grant-type-missing",
        ),
        (
            ("grant_type", "authorization_code"),
            403,
            "unauthorized_client",
            "grant-type-of-others",
        ),
        (
            ("client_id", "payments/other"),
            401,
            "invalid_client",
            "client-not-own",
        ),
    ] {
        let reply = scene.ask(&own, &[more]).await;
        refused(&reply, status, error, rule);
    }
    let nobody = scene.cluster.token("payments/nobody", ISSUER, LATER);
    refused(
        &scene.ask(&nobody, &[]).await,
        403,
        "access_denied",
        "grant-missing",
    );
    Ok(())
}

#[tokio::test]
async fn attack_27_a_workload_shows_who_it_is_in_one_way() -> Result<()> {
    let scene = Scene::new().await?;
    let own = scene.token();
    scene.ask(&own, &[]).await.good();
    let machine = scene.site.client(MACHINE);
    let by_secret = [
        ("client_id", machine.id.as_str()),
        ("client_secret", machine.secret.as_str()),
    ];
    let reply = scene.ask(&own, &by_secret).await;
    refused(&reply, 400, "invalid_request", "client-twice");
    let mut request = post(HOST, "/oauth/token", &form(&own, &[]));
    let header = "Basic cGF5bWVudHM6eA==".parse()?;
    request.headers_mut().insert("authorization", header);
    let reply = scene.site.send(request, None).await;
    refused(&reply, 400, "invalid_request", "client-twice");
    // An application with a good secret gains nothing by half an assertion.
    let half = [&by_secret[..], &[("client_assertion", "")]].concat();
    let reply = scene.ask(&own, &half).await;
    refused(&reply, 400, "invalid_request", "client-twice");
    for (more, rule) in [
        (("client_assertion_type", ""), "assertion-not-taken"),
        (
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
            ),
            "assertion-not-taken",
        ),
        (("client_assertion", ""), "assertion-invalid"),
    ] {
        let reply = scene.ask(&own, &[more]).await;
        refused(&reply, 400, "invalid_request", rule);
    }
    let body = json!({ "grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": [own] });
    let request = Request::post("/oauth/token").header("host", HOST);
    let request = request.header("content-type", "application/json");
    let reply = scene
        .site
        .send(request.body(Body::from(body.to_string()))?, None)
        .await;
    refused(&reply, 400, "invalid_request", "json-malformed");
    Ok(())
}

#[tokio::test]
async fn an_endpoint_that_reviews_no_tokens_says_so() -> Result<()> {
    let cluster = Cluster::start();
    let store = open(&Place::Memory).await?;
    let site = Site::of(with_workloads(), store, |endpoint| endpoint);
    let own = cluster.token(WORKER, ISSUER, LATER);
    let reply = site.token(&form(&own, &[])).await;
    refused(&reply, 400, "invalid_request", "assertion-not-taken");
    assert!(reply.body.contains("--token-reviews"), "{reply:?}");
    Ok(())
}

#[tokio::test]
async fn the_audit_names_the_workload_and_tells_no_token() -> Result<()> {
    Log::listen();
    let scene = Scene::new().await?;
    let own = scene.token();
    let token = scene.ask(&own, &[]).await.good().text("access_token");
    scene.ask(&own, &[("audience", ORDERS)]).await;
    scene.ask(&format!("{own}x"), &[]).await;
    let lines = Log::lines();
    let events: Vec<&str> = lines.iter().map(|line| &*line["event"]).collect();
    assert_eq!(events, ["token-issued", "token-refused", "token-refused"]);
    assert_eq!(lines[0]["client"], WORKER);
    assert_eq!(lines[0]["audience"], PROFILES);
    assert_eq!(lines[1]["client"], WORKER);
    assert_eq!(lines[1]["rule"], "issuance-local");
    assert_eq!(lines[2]["client"], "", "it has not shown who it is");
    let told = format!("{lines:?}{}", exposed(&scene.site));
    for secret in own.split('.').chain(token.split('.')) {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    Ok(())
}
