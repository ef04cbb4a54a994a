//! What the tenant's endpoint gives is what was ordered, or is not handed out.

use std::sync::Arc;

use axum::http::StatusCode;
use mintage_core::bundle::{Endpoint, SharedAudience};
use mintage_core::world::{Audience, AudienceAlg, Dialect, Issuance};
use mintage_core::{Alg, Identifier};
use serde_json::{Value, json};

use crate::central::{LIFE, Scene};
use crate::cluster::{ACME, Cluster, Forge, NOW, ORDERS, REPORTS, audience, grant, name, segment};
use crate::pod::{answer, files, put_bundle};
use crate::tenant_endpoint::{Manner, TenantEndpoint, with_endpoint};

/// Whoever answers in the endpoint's place, or an endpoint that is broken, has no other token taken for the one that was ordered.
#[tokio::test]
async fn attack_44_what_was_not_ordered_is_not_handed_out() {
    let scene = Scene::new();
    let first = scene.token().await;
    let forge = || Forge::of(&first);
    let tenants = scene.cluster.key("identity/acme", Alg::PS256);
    let rs256 = scene.cluster.key("identity/acme", Alg::RS256);
    let globex = scene.cluster.key("identity/globex", Alg::RS256);
    let shop = scene.cluster.key("identity/acme/shop", Alg::RS256);
    scene
        .endpoint
        .answer(Manner::Giving(forge().sign(&tenants)));
    let good = scene.token().await;
    let changed = |member: &str, value: Value| forge().claim(member, value).sign(&tenants);
    let of_globex = forge().claim("iss", "https://globex.test:7743/");
    let tokens = [
        ("another audience", changed("aud", ORDERS.into())),
        ("two audiences", changed("aud", json!([REPORTS, ORDERS]))),
        ("an array", changed("aud", json!([REPORTS]))),
        ("another client", changed("azp", "shop/audit".into())),
        ("no client", changed("azp", Value::Null)),
        (
            "another subject",
            changed("sub", "shop/audit@clients".into()),
        ),
        ("a user", changed("sub", "staff|ada".into())),
        (
            "another issuer of the tenant",
            changed("iss", "https://login.acme.test/".into()),
        ),
        (
            "an issuer that is none",
            changed("iss", "https://acme.test".into()),
        ),
        (
            "more scopes",
            changed("scope", "read:reports write:reports".into()),
        ),
        ("no scope", changed("scope", Value::Null)),
        ("another grant", changed("gty", "password".into())),
        (
            "permissions",
            changed("permissions", json!(["read:reports"])),
        ),
        ("an actor", changed("act", json!({ "sub": "x" }))),
        ("one that has ended", changed("exp", (NOW.0 - 60).into())),
        (
            "one that never ends",
            changed("exp", (NOW.0 + 10 * 86_400).into()),
        ),
        (
            "one of tomorrow",
            forge()
                .claim("iat", NOW.0 + 86_400)
                .claim("exp", NOW.0 + 90_000)
                .sign(&tenants),
        ),
        ("another tenant's key", forge().sign_as(&globex)),
        ("another tenant's", of_globex.sign_as(&globex)),
        ("the namespace's own key", forge().sign_as(&shop)),
        (
            "another algorithm under its key",
            forge().header("alg", "RS256").sign(&tenants),
        ),
        (
            "another type",
            forge().header("typ", "at+jwt").sign(&tenants),
        ),
        ("no signature", {
            let (h, c) = forge().texts();
            format!("{}.{}.", segment(h), segment(c))
        }),
        ("another signature", format!("{}A", &good[..good.len() - 1])),
        ("nothing", String::new()),
        ("a page", "<html>".to_owned()),
        ("what is no header", "x\r\ny: z".to_owned()),
    ];
    for (seconds, (what, token)) in (10..).step_by(10).zip(tokens) {
        scene.endpoint.answer(Manner::Giving(token));
        scene.at(seconds);
        let kept = scene.ask().await;
        assert_eq!(kept.text("access_token"), good, "{what}: {kept:?}");
        scene.at(LIFE + 1000);
        let refused = scene.ask().await;
        refused.refused(503, "temporarily_unavailable", "endpoint-misbehaves", "");
    }
    // The tenant's key for another algorithm is the tenant's: an API may just have changed to it.
    scene.at(0);
    let changed = forge().sign_as(&rs256);
    scene.endpoint.answer(Manner::Giving(changed.clone()));
    assert_eq!(scene.token().await, changed);
}

#[tokio::test]
async fn attack_44_answers_that_lead_elsewhere_or_never_end_are_not_followed() {
    let scene = Scene::new();
    let good = scene.token().await;
    let with = |member: &str| json!({ member: good }).to_string();
    let huge = json!({ "access_token": good, "padding": "x".repeat(100_000) }).to_string();
    let ok = |body: String| Manner::Answering(StatusCode::OK, body);
    for (seconds, manner) in (10..).step_by(10).zip([
        Manner::Redirecting,
        ok(huge),
        ok("<html>".to_owned()),
        ok(String::new()),
        ok(with("token")),
        Manner::Answering(StatusCode::ACCEPTED, with("access_token")),
        Manner::Answering(StatusCode::NOT_FOUND, "<html>".to_owned()),
        Manner::Answering(StatusCode::FORBIDDEN, "x".repeat(100_000)),
    ]) {
        let before = scene.endpoint.asked().len();
        scene.endpoint.answer(manner);
        scene.at(seconds);
        assert_eq!(scene.token().await, good);
        assert_eq!(scene.endpoint.asked().len(), before + 1);
    }
    assert_eq!(scene.requests("misbehaves"), 8);
    scene.at(LIFE);
    let refused = scene.ask().await;
    refused.refused(503, "temporarily_unavailable", "endpoint-misbehaves", "");
    assert!(!refused.body.contains("xxxx"), "{refused:?}");
}

/// Whoever has another certificate hears nothing of the pod's token.
#[tokio::test]
async fn attack_44_the_pods_token_goes_to_the_tenants_endpoint_alone() {
    let scene = Scene::new();
    scene.token().await;
    let other = TenantEndpoint::start(&scene.cluster, "acme.test");
    let mut bundle = scene.cluster.bundle(ACME, "shop").clone();
    let told = bundle.body.endpoint.as_mut().unwrap();
    let address = other.server.address.to_string();
    *told = Arc::new(Endpoint {
        address,
        ..scene.endpoint.told(told)
    });
    let mut mounted = files(&scene.cluster, ACME, "shop");
    put_bundle(&mut mounted, &bundle);
    scene
        .pod
        .shared
        .load(&mounted, &scene.pod.identity)
        .unwrap();
    scene.at(LIFE);
    let refused = scene.ask().await;
    refused.refused(503, "temporarily_unavailable", "endpoint-away", "");
    assert!(refused.body.contains("certificate"), "{refused:?}");
    assert_eq!(other.asked().len(), 0);
}

#[tokio::test]
async fn attack_08_a_kept_token_of_a_revoked_key_is_handed_out_no_more() {
    let mut scene = Scene::new();
    scene.token().await;
    scene
        .endpoint
        .answer(Manner::Answering(StatusCode::BAD_GATEWAY, String::new()));
    let kid = scene.cluster.key("identity/acme", Alg::PS256).kid().clone();
    scene.cluster.edit(|world| {
        let acme = world.tenants.iter_mut().find(|of| of.at == name(ACME));
        acme.unwrap().revoke_keys.insert(kid);
    });
    scene.endpoint.load(&scene.pod, &scene.cluster);
    scene.at(1);
    let refused = scene.ask().await;
    refused.refused(503, "temporarily_unavailable", "endpoint-away", "");
}

/// An API that shares a secret with the endpoint: nobody but it can check the signature, and the rest is checked.
#[tokio::test]
async fn tokens_that_a_shared_secret_signs_are_the_endpoints_too() {
    let mut world = with_endpoint();
    let shared = Audience {
        alg: AudienceAlg::Hs256,
        dialect: Dialect::Auth0,
        grants: vec![grant("shop/checkout", "read"), grant("orders/api", "read")],
        issuance: Issuance::Central,
        lifetime: 600,
        scopes: vec![name("read"), name("write")],
        ..audience(ACME, "payments/shared", "https://hs256.test")
    };
    world.audiences.push(shared.into());
    let cluster = Cluster::new(world);
    let of = |namespace: &str| -> Vec<(Identifier, usize)> {
        let body = &cluster.bundle(ACME, namespace).body;
        let shared = body.endpoint.iter().flat_map(|of| &of.shared);
        shared
            .map(
                |SharedAudience {
                     identifier, grants, ..
                 }| (identifier.clone(), grants.len()),
            )
            .collect()
    };
    let told = vec![(name("https://hs256.test"), 1)];
    assert_eq!(
        (of("shop"), of("orders"), of("other")),
        (told.clone(), told, vec![])
    );
    let endpoint = TenantEndpoint::start(&cluster, "acme.test");
    let pod = endpoint.pod(&cluster);
    let claims = json!({
        "iss": "https://acme.test/", "sub": "shop/checkout@clients", "aud": "https://hs256.test", "iat": NOW.0,
        "exp": NOW.0 + 600, "scope": "read", "gty": "client-credentials", "azp": "shop/checkout",
    });
    let token = |alg: &str, change: &dyn Fn(&mut Value)| {
        let mut claims = claims.clone();
        change(&mut claims);
        let header = json!({ "alg": alg, "typ": "JWT", "kid": "k" });
        format!(
            "{}.{}.bWFj",
            segment(header.to_string()),
            segment(claims.to_string())
        )
    };
    let ask = async |token: String| {
        endpoint.answer(Manner::Giving(token));
        answer(pod.ask(&[("audience", "https://hs256.test")])).await
    };
    for (alg, change) in [
        ("none", (|_: &mut Value| {}) as fn(&mut Value)),
        ("RS256", |_| {}),
        ("HS256", |claims| claims["aud"] = ORDERS.into()),
        ("HS256", |claims| claims["azp"] = "shop/audit".into()),
        ("HS256", |claims| {
            claims["iss"] = "https://globex.test/".into();
        }),
        ("HS256", |claims| claims["scope"] = "read write".into()),
        ("HS256", |claims| claims["exp"] = NOW.0.into()),
        ("HS256", |claims| claims["iat"] = (NOW.0 + 60).into()),
    ] {
        let refused = ask(token(alg, &change)).await;
        refused.refused(503, "temporarily_unavailable", "endpoint-misbehaves", "");
    }
    let given = ask(token("HS256", &|_| {})).await;
    assert_eq!(given.status, 200, "{given:?}");
    assert_eq!(given.json()["expires_in"], 600);
    let issued = "mintage_tokens_issued_total{alg=\"HS256\",dialect=\"Auth0\",source=\"central\"}";
    assert_eq!(pod.metric(issued), 1);
    assert_eq!(endpoint.asked()[0]["scope"], "read");
}

#[tokio::test]
async fn a_central_token_lives_by_its_own_claims() {
    let scene = Scene::new();
    let tenants = scene.cluster.key("identity/acme", Alg::PS256);
    // The API's life has just become another one, and the endpoint knows first.
    let shorter = Forge::of(&scene.token().await).claim("exp", NOW.0 + 60);
    scene
        .endpoint
        .answer(Manner::Giving(shorter.sign(&tenants)));
    let given = scene.ask().await;
    assert_eq!(given.json()["expires_in"], 60);
    let claims = Forge::of(&given.text("access_token")).claims;
    assert_eq!(claims["exp"], NOW.0 + 60);
}
