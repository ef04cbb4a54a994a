//! What tokens say, in both dialects, and rows S2, S3, S5 and S6 of Auth0's rules as they meet workloads.

use mintage_core::jose::PublicKey;
use mintage_core::policy::Request;
use mintage_core::verify::{Expected, Rejection};
use mintage_core::{Alg, Domain};
use serde_json::{Value, json};

use crate::support::{
    ACME, Cluster, Forge, LEDGER, NOW, ORDERS, PAYMENTS, REPORTS, name, standard, verdict,
};

fn kid(owner: &str, alg: Alg) -> String {
    Cluster::standard().key(owner, alg).kid().to_string()
}

fn written(token: &str) -> (Value, Value) {
    let forge = Forge::of(token);
    (forge.header.into(), forge.claims.into())
}

#[test]
fn auth0_dialect_to_the_letter() {
    let token = Cluster::standard().token(ACME, "shop/checkout", ORDERS);
    let (header, claims) = written(&token);
    let kid = kid("identity/acme/shop", Alg::RS256);
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": kid }));
    let expected = json!({
        "iss": "https://acme.test/",
        "sub": "shop/checkout@clients",
        "aud": "https://orders.test",
        "iat": NOW.0,
        "exp": NOW.0 + 86_400,
        "scope": "read:orders write:orders",
        "gty": "client-credentials",
        "azp": "shop/checkout",
    });
    assert_eq!(claims, expected);
}

#[test]
fn rfc9068_dialect_to_the_letter() {
    let token = Cluster::standard().token(ACME, "shop/checkout", PAYMENTS);
    let (header, claims) = written(&token);
    let kid = kid("identity/acme/shop", Alg::ES256);
    assert_eq!(
        header,
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid })
    );
    let expected = json!({
        "iss": "https://acme.test/",
        "sub": "shop/checkout@clients",
        "aud": "https://payments.test",
        "iat": NOW.0,
        "exp": NOW.0 + 600,
        "scope": "pay",
        "client_id": "shop/checkout",
        "jti": "BwcHBwcHBwcHBwcHBwcHBw", // sixteen times 7
    });
    assert_eq!(claims, expected);
}

#[test]
fn central_tokens_are_signed_by_the_tenant() {
    let cluster = Cluster::standard();
    let token = cluster.token(ACME, "shop/checkout", REPORTS);
    let (header, claims) = written(&token);
    let kid = kid("identity/acme", Alg::PS256);
    assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "kid": kid }));
    assert_eq!(claims["azp"], "shop/checkout");
    assert!(cluster.judge(ACME, REPORTS, &token).is_ok());
}

#[test]
fn a_token_without_scopes_has_no_scope_claim() {
    let mut cluster = Cluster::new(standard());
    cluster.edit_audience("orders/orders", |orders| orders.grants[0].scopes.clear());
    let (_, claims) = written(
        &cluster
            .ask(ACME, "shop/checkout", Some(ORDERS), None)
            .unwrap(),
    );
    assert_eq!(claims.get("scope"), None);
}

#[test]
fn one_signature_serves_a_second_only_where_tokens_are_equal() {
    let cluster = Cluster::standard();
    for (audience, repeatable) in [
        (ORDERS, true),
        (PAYMENTS, false),
        (LEDGER, false),
        (REPORTS, false),
    ] {
        let mint = cluster.mint_with(ACME, "shop/checkout", None, true);
        let request = Request {
            audience: Some(audience),
            scope: None,
        };
        let order = mint.order(NOW, request).unwrap();
        assert_eq!(order.is_repeatable(), repeatable, "{audience}");
        let (first, second) = (mint.sign(&order, [1; 16]), mint.sign(&order, [2; 16]));
        assert_eq!(first == second, repeatable, "{audience}");
    }
}

#[test]
fn signatures_verify_with_the_published_key() {
    let cluster = Cluster::standard();
    for (audience, owner, alg) in [
        (ORDERS, "identity/acme/shop", Alg::RS256),
        (PAYMENTS, "identity/acme/shop", Alg::ES256),
        (LEDGER, "identity/acme/shop", Alg::EdDSA),
        (REPORTS, "identity/acme", Alg::PS256),
    ] {
        let token = cluster.token(ACME, "shop/checkout", audience);
        let compact = mintage_core::jose::Compact::parse(&token).unwrap();
        let public = PublicKey::from_jwk(cluster.key(owner, alg).jwk()).unwrap();
        assert!(
            public.verifies(compact.signing_input.as_bytes(), &compact.signature),
            "{alg}"
        );
    }
}

#[test]
fn row_s2_a_default_audience_is_used_when_none_is_named() {
    let mut world = standard();
    world.tenants[0].default_audience = Some(name("orders/orders"));
    let cluster = Cluster::new(world);
    for audience in [None, Some("")] {
        let token = cluster.ask(ACME, "shop/checkout", audience, None).unwrap();
        assert_eq!(written(&token).1["aud"], ORDERS);
    }
    let token = cluster
        .ask(ACME, "shop/checkout", Some(PAYMENTS), None)
        .unwrap();
    assert_eq!(written(&token).1["aud"], PAYMENTS);
    let body = &cluster.bundle(ACME, "shop").body;
    assert_eq!(body.default_audience, Some(name(ORDERS)));
}

#[test]
fn row_s3_every_api_gives_workloads_a_jwt() {
    let cluster = Cluster::standard();
    for audience in [ORDERS, PAYMENTS, LEDGER, REPORTS] {
        let token = cluster.token(ACME, "shop/checkout", audience);
        let (header, claims) = written(&token);
        assert!(header["typ"] == "JWT" || header["typ"] == "at+jwt");
        assert_eq!(claims["aud"], audience, "one audience, and a string");
    }
}

#[test]
fn row_s5_the_issuer_is_the_domain_asked() {
    let cluster = Cluster::standard();
    let domain: Domain = name("login.acme.test");
    let mint = cluster.mint_with(ACME, "shop/checkout", Some(&domain), false);
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    let order = mint.order(NOW, request).unwrap();
    let token = mint.sign(&order, [0; 16]).unwrap();
    assert_eq!(written(&token).1["iss"], "https://login.acme.test/");
    assert_eq!(mint.policy().issuer().as_str(), "https://login.acme.test/");
    assert!(
        cluster.judge(ACME, ORDERS, &token).is_ok(),
        "an API accepts every issuer of the tenant"
    );
}

#[test]
fn row_s5_a_management_token_is_good_on_its_own_domain_only() {
    let cluster = Cluster::standard();
    let verifier = cluster.verifier(ACME, "identity");
    let key = cluster.key("identity/acme", Alg::RS256);
    let forge = Forge::of(&cluster.token(ACME, "shop/checkout", ORDERS));
    let judge = |iss: &str, aud: &str, host: &str| {
        let token = forge
            .clone()
            .claim("aud", aud)
            .claim("iss", iss)
            .sign_as(&key);
        let host = name(host);
        verdict(&verifier, &token, Expected::Management { host: &host }, NOW).map(|_| ())
    };
    let (own, custom) = ("https://acme.test/", "https://login.acme.test/");
    let management = "https://acme.test/api/v2/";
    assert_eq!(judge(own, management, "acme.test"), Ok(()));
    assert_eq!(judge(custom, management, "login.acme.test"), Ok(()));
    assert_eq!(
        judge(own, management, "login.acme.test"),
        Err(Rejection::Issuer)
    );
    assert_eq!(
        judge(custom, management, "acme.test"),
        Err(Rejection::Issuer)
    );
    assert_eq!(
        judge(own, management, "globex.test:7743"),
        Err(Rejection::Issuer)
    );
    // The audience stays the tenant's own, whatever domain is asked.
    let other = "https://login.acme.test/api/v2/";
    assert_eq!(
        judge(custom, other, "login.acme.test"),
        Err(Rejection::Audience)
    );
    assert_eq!(judge(own, ORDERS, "acme.test"), Err(Rejection::Audience));
}

#[test]
fn row_s5_management_tokens_are_rs256() {
    let cluster = Cluster::standard();
    let verifier = cluster.verifier(ACME, "identity");
    let forge = Forge::of(&cluster.token(ACME, "shop/checkout", ORDERS));
    let forge = forge
        .claim("aud", "https://acme.test/api/v2/")
        .claim("exp", NOW.0 + 600);
    let token = forge.sign_as(&cluster.key("identity/acme", Alg::PS256));
    let host = name("acme.test");
    let verdict = verdict(&verifier, &token, Expected::Management { host: &host }, NOW);
    assert_eq!(verdict.unwrap_err(), Rejection::AlgNotOfAudience);
}

#[test]
fn row_s6_a_token_lives_as_long_as_its_api_says() {
    let cluster = Cluster::standard();
    for (audience, lifetime) in [
        (ORDERS, 86_400),
        (PAYMENTS, 600),
        (LEDGER, 3600),
        (REPORTS, 3600),
    ] {
        let (_, claims) = written(&cluster.token(ACME, "shop/checkout", audience));
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(life, lifetime, "{audience}");
    }
}
