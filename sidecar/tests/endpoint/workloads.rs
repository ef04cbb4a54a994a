//! Workloads show their `ServiceAccount` token and get tokens of Central APIs.

use anyhow::Result;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use mintage_core::claims::client_subject;
use mintage_core::{Identifier, UnixTime};
use mintage_sidecar::endpoint::store::{Place, open};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::audit::{Log, exposed};
use crate::cluster::endpoint::{BRIEF, LEDGERS, MACHINE, PROFILES, SHARED, WORKER, with_workloads};
use crate::cluster::{Forge, NOW, ORDERS, name, verdict};
use crate::reply::Reply;
use crate::site::{HOST, Site, post};
use crate::support::api_server::{Cluster, Manner};

const ISSUER: &str = "https://acme.test/";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// When tokens expire: kubelet asks for an hour.
const LATER: UnixTime = UnixTime(NOW.0 + 3600);

/// An endpoint in a cluster.
struct Scene {
    site: Site,
    cluster: Cluster,
}

impl Scene {
    async fn new() -> Result<Self> {
        let cluster = Cluster::start();
        let store = open(&Place::Memory).await?;
        let site = Site::of(with_workloads(), store, |endpoint| {
            endpoint.reviewing(cluster.reached())
        });
        Ok(Self { site, cluster })
    }

    /// The token of the worker's pod.
    fn token(&self) -> String {
        self.cluster.token(WORKER, ISSUER, LATER)
    }

    /// Asks with an assertion and more.
    async fn ask(&self, assertion: &str, more: &[(&str, &str)]) -> Reply {
        self.ask_at(HOST, assertion, more).await
    }

    async fn ask_at(&self, host: &str, assertion: &str, more: &[(&str, &str)]) -> Reply {
        let form = form(assertion, more);
        self.site.post(host, "/oauth/token", &form).await
    }

    fn metric(&self, line: &str) -> bool {
        exposed(&self.site).contains(&format!("\nmintage_endpoint_{line}\n"))
    }
}

/// The form of a request; what is in `more` takes the place of what is usual.
fn form<'a>(assertion: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
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
fn refused(reply: &Reply, status: u16, error: &str, rule: &str) {
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

/// What can be seen of a token is looked at first, and the API server never hears of it.
#[tokio::test]
async fn attack_37_what_is_plainly_no_good_token_never_reaches_the_api_server() -> Result<()> {
    let scene = Scene::new().await?;
    let (cluster, own) = (&scene.cluster, scene.token());
    scene.ask(&own, &[]).await.good();
    let before = cluster.asked();
    let parts: Vec<&str> = own.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        unreachable!("three parts")
    };
    let of_another = cluster.token(WORKER, "https://globex.test/", LATER);
    for token in [
        of_another,
        cluster.token(WORKER, "mintage.dev", LATER),
        cluster.token(WORKER, "https://acme.test", LATER),
        cluster.token(WORKER, "https://kubernetes.default.svc", LATER),
        cluster.token(WORKER, ISSUER, NOW),
        cluster.token(WORKER, ISSUER, NOW - 1),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.e30.{signature}"),
        format!("{header}.{claims}=.{signature}"),
        format!("{own}{}", "A".repeat(17_000)),
        "x".to_owned(),
    ] {
        let reply = scene.ask(&token, &[]).await;
        refused(&reply, 401, "invalid_client", "assertion-invalid");
        assert!(!reply.body.contains(claims), "{reply:?}");
    }
    assert_eq!(cluster.asked(), before);
    Ok(())
}

/// A change to the status of a review.
type Change = fn(&mut Value);

/// Each with one change to what the API server says of a good token.
#[tokio::test]
async fn attack_37_a_token_that_is_not_a_pods_for_this_issuer_gets_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let changes: [(&str, Change); 15] = [
        ("not authenticated", |status| {
            status["authenticated"] = false.into();
        }),
        ("not said to be", |status| {
            status.as_object_mut().unwrap().remove("authenticated");
        }),
        ("for another audience", |status| {
            status["audiences"] = json!(["mintage.dev"]);
        }),
        ("for no audience", |status| {
            status.as_object_mut().unwrap().remove("audiences");
        }),
        ("for an audience that begins alike", |status| {
            status["audiences"] = json!(["https://acme.test"]);
        }),
        ("of no pod", |status| status["user"]["extra"] = json!({})),
        ("of two pods", |status| {
            let uid = "authentication.kubernetes.io/pod-uid";
            status["user"]["extra"][uid] = json!(["a", "b"]);
        }),
        ("of a pod without a name", |status| {
            status["user"]["extra"]["authentication.kubernetes.io/pod-uid"] = json!([""]);
        }),
        ("of a node", |status| {
            status["user"]["username"] = "system:node:payments".into();
        }),
        ("of a person", |status| {
            status["user"]["username"] = "payments:worker".into();
        }),
        ("of a person who looks like one", |status| {
            status["user"]["username"] = "x-system:serviceaccount:payments:worker".into();
        }),
        ("without a namespace", |status| {
            status["user"]["username"] = "system:serviceaccount:worker".into();
        }),
        ("with one part too many", |status| {
            status["user"]["username"] = "system:serviceaccount:payments:worker:x".into();
        }),
        ("with a slash", |status| {
            status["user"]["username"] = "system:serviceaccount:payments:a/worker".into();
        }),
        ("of nobody", |status| status["user"] = json!({})),
    ];
    for (what, change) in changes {
        let own = scene.token();
        scene.cluster.answer(Manner::Saying(change));
        let reply = scene.ask(&own, &[]).await;
        refused(&reply, 401, "invalid_client", "assertion-invalid");
        // The refusal is not remembered.
        scene.cluster.answer(Manner::Good);
        assert_eq!(scene.ask(&own, &[]).await.status, 200, "{what}");
    }
    let node = "system:node:a-node";
    let of_a_node = scene.cluster.token_of(node, None, ISSUER, LATER);
    let account = "system:serviceaccount:payments:worker";
    let of_no_pod = scene.cluster.token_of(account, None, ISSUER, LATER);
    for token in [of_a_node, of_no_pod] {
        let reply = scene.ask(&token, &[]).await;
        refused(&reply, 401, "invalid_client", "assertion-invalid");
    }
    Ok(())
}

#[tokio::test]
async fn attack_37_a_pod_that_is_gone_gets_nothing_after_a_minute() -> Result<()> {
    let scene = Scene::new().await?;
    let own = scene.token();
    scene.ask(&own, &[]).await.good();
    scene.cluster.delete_pod_of(&own);
    scene.site.clock.set(NOW + 59);
    scene.ask(&own, &[]).await.good();
    assert_eq!(scene.cluster.asked(), 1);
    scene.site.clock.set(NOW + 60);
    let reply = scene.ask(&own, &[]).await;
    refused(&reply, 401, "invalid_client", "assertion-invalid");
    // Nor does a clock that is set back bring it to life.
    scene.site.clock.set(NOW - 1);
    let reply = scene.ask(&own, &[]).await;
    refused(&reply, 401, "invalid_client", "assertion-invalid");
    Ok(())
}

#[tokio::test]
async fn a_word_is_remembered_no_longer_than_its_token_lives() -> Result<()> {
    let scene = Scene::new().await?;
    let own = scene.cluster.token(WORKER, ISSUER, NOW + 10);
    scene.ask(&own, &[]).await.good();
    scene.site.clock.set(NOW + 9);
    scene.ask(&own, &[]).await.good();
    scene.site.clock.set(NOW + 10);
    let reply = scene.ask(&own, &[]).await;
    refused(&reply, 401, "invalid_client", "assertion-invalid");
    assert_eq!(scene.cluster.asked(), 1);
    Ok(())
}

/// An API server that is away or mad is no reason to believe, and known pods go on.
#[tokio::test]
async fn without_an_api_server_known_pods_go_on_and_others_wait() -> Result<()> {
    let scene = Scene::new().await?;
    let (known, unknown) = (scene.token(), scene.token());
    scene.ask(&known, &[]).await.good();
    for manner in [
        Manner::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Manner::Status(StatusCode::FORBIDDEN),
        Manner::Status(StatusCode::TOO_MANY_REQUESTS),
        Manner::Status(StatusCode::UNAUTHORIZED),
        Manner::Huge,
        Manner::Garbage,
        Manner::Redirecting,
        Manner::Saying(|status| status["user"] = "a text".into()),
    ] {
        scene.cluster.answer(manner);
        scene.ask(&known, &[]).await.good();
        let reply = scene.ask(&unknown, &[]).await;
        refused(
            &reply,
            503,
            "temporarily_unavailable",
            "assertion-unreviewed",
        );
        assert!(
            reply.text("error_description").contains("API server"),
            "{reply:?}"
        );
    }
    // Who stands in its place with another certificate hears nothing.
    let another = Cluster::start();
    let ca = std::fs::read(another.account().join("ca.crt"))?;
    let good = std::fs::read(scene.cluster.account().join("ca.crt"))?;
    let asked = scene.cluster.asked();
    std::fs::write(scene.cluster.account().join("ca.crt"), ca)?;
    scene.cluster.answer(Manner::Good);
    let reply = scene.ask(&unknown, &[]).await;
    refused(
        &reply,
        503,
        "temporarily_unavailable",
        "assertion-unreviewed",
    );
    assert_eq!(scene.cluster.asked(), asked);
    std::fs::write(scene.cluster.account().join("ca.crt"), good)?;
    scene.ask(&unknown, &[]).await.good();
    let Scene { site, cluster } = scene;
    let late = cluster.token(WORKER, ISSUER, LATER);
    cluster.server.stop().await;
    let reply = site.token(&form(&late, &[])).await;
    refused(
        &reply,
        503,
        "temporarily_unavailable",
        "assertion-unreviewed",
    );
    site.token(&form(&known, &[])).await.good();
    Ok(())
}

/// However many ask at once, the API server sees so many and no more.
#[tokio::test]
async fn attack_41_the_api_server_is_not_flooded_by_way_of_the_endpoint() -> Result<()> {
    let scene = Scene::new().await?;
    let (go_on, told) = watch::channel(false);
    scene.cluster.answer(Manner::Slow(told));
    let mut requests = JoinSet::new();
    for _ in 0..40 {
        let own = scene.token();
        requests.spawn(scene.site.post(HOST, "/oauth/token", &form(&own, &[])));
    }
    for _ in 0..24 {
        let reply = requests.join_next().await.unwrap()?;
        refused(
            &reply,
            503,
            "temporarily_unavailable",
            "assertion-unreviewed",
        );
        assert!(reply.body.contains("too many"), "{reply:?}");
    }
    assert_eq!(scene.cluster.asked(), 16);
    go_on.send_replace(true);
    while let Some(reply) = requests.join_next().await {
        reply?.good();
    }
    scene.ask(&scene.token(), &[]).await.good();
    assert!(scene.metric("token_reviews_total{outcome=\"busy\"} 24"));
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
