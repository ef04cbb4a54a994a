//! Bounds: a stolen namespace key cannot speak for another namespace, nor for an audience it was not granted. Attack 39
//! as far as names are joined.

use std::collections::BTreeSet;

use mintage_core::Alg;
use mintage_core::jose::PrivateKey;
use mintage_core::verify::{Expected, OutOfBounds, Rejection};
use serde_json::{Value, json};

use crate::support::{
    ACME, Cluster, Forge, Good, LEDGER, NOW, ORDERS, PAYMENTS, REPORTS, name, verdict,
};

const MANAGEMENT: &str = "https://acme.test/api/v2/";
const USERINFO: &str = "https://acme.test/userinfo";

fn orders() -> (Good, PrivateKey) {
    let cluster = Cluster::standard();
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    (cluster.good(ORDERS), key)
}

/// The bound that was overstepped; any other outcome fails the test.
fn overstepped(verdict: Result<(), Rejection>) -> OutOfBounds {
    match verdict {
        Err(Rejection::OutOfBounds { what, owner }) => {
            assert_eq!(owner.tenant.to_string(), ACME);
            what
        }
        other => panic!("{other:?}"),
    }
}

fn as_client(good: &Good, client: &str) -> Forge {
    Forge::of(&good.token)
        .claim("azp", client)
        .claim("sub", format!("{client}@clients"))
}

#[test]
fn another_namespaces_client() {
    let (good, key) = orders();
    for client in [
        "other/worker",       // holds a grant itself
        "orders/api",         // the API's own namespace
        "shop-evil/checkout", // shop is a prefix of it
        "shop.evil/checkout",
        "sho/checkout",
        "SHOP/checkout",
        "shop",
        "shop/",
        "/checkout",
        "shop//checkout",
        "shop/checkout/x",
        "shop\u{2215}checkout",
        "app_1234",
    ] {
        let token = as_client(&good, client).sign(&key);
        assert_eq!(
            overstepped(good.verdict(&token)),
            OutOfBounds::Client,
            "{client}"
        );
    }
}

#[test]
fn attack_39_a_namespace_whose_name_begins_alike() {
    let cluster = Cluster::standard();
    let good = cluster.good(ORDERS);
    let evil = cluster.key("identity/acme/shop-evil", Alg::RS256);
    let own = as_client(&good, "shop-evil/checkout").claim("scope", "read:orders");
    assert_eq!(
        good.verdict(&own.sign_as(&evil)),
        Ok(()),
        "it may speak for itself"
    );
    let token = as_client(&good, "shop/checkout").claim("scope", "read:orders");
    assert_eq!(
        overstepped(good.verdict(&token.sign_as(&evil))),
        OutOfBounds::Client
    );
}

#[test]
fn attack_39_dots_in_a_service_accounts_name_match_nothing_else() {
    let (good, key) = orders();
    // Within the namespace the key may speak for any ServiceAccount: Local trusts a namespace as a whole.
    let dotted = as_client(&good, "shop/check.out").sign(&key);
    assert_eq!(good.verdict(&dotted), Ok(()));
    let dotted = as_client(&good, "shop.checkout/x").sign(&key);
    assert_eq!(overstepped(good.verdict(&dotted)), OutOfBounds::Client);
}

#[test]
fn a_user_or_another_subject() {
    let (good, key) = orders();
    for subject in [
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "shop/audit@clients",
        "shop/checkout",
        "shop/checkout@client",
        "shop/checkout@clients@clients",
        "admin",
    ] {
        let token = Forge::of(&good.token).claim("sub", subject).sign(&key);
        assert_eq!(
            overstepped(good.verdict(&token)),
            OutOfBounds::Subject,
            "{subject}"
        );
    }
}

#[test]
fn claims_that_workloads_do_not_have() {
    let (good, key) = orders();
    for (claim, value) in [
        ("act", json!({ "sub": "auth0|1" })),
        ("permissions", json!(["admin:orders"])),
        ("org_id", json!("org_1")),
        ("roles", json!(["admin"])),
        ("groups", json!([])),
        ("email", json!("a@acme.test")),
        ("auth_time", json!(1)),
        ("client_id", json!("shop/checkout")),
        ("jti", json!("a")),
        ("gty", json!("password")),
        ("gty", json!("refresh_token")),
        ("gty", Value::Null),
        ("https://acme.test/claim", json!("x")),
    ] {
        let token = Forge::of(&good.token).claim(claim, value).sign(&key);
        assert_eq!(
            overstepped(good.verdict(&token)),
            OutOfBounds::Claims,
            "{claim}"
        );
    }
    let payments = good.cluster.good(PAYMENTS);
    let key = good.cluster.key("identity/acme/shop", Alg::ES256);
    for claim in ["gty", "azp", "auth_time"] {
        let token = Forge::of(&payments.token)
            .claim(claim, "client-credentials")
            .sign(&key);
        assert_eq!(
            overstepped(payments.verdict(&token)),
            OutOfBounds::Claims,
            "{claim}"
        );
    }
}

#[test]
fn scopes_that_were_not_granted_to_the_namespace() {
    let (good, key) = orders();
    for scope in [
        "admin:orders",
        "read:orders admin:orders",
        "read:order",
        "READ:ORDERS",
        "*",
    ] {
        let token = Forge::of(&good.token).claim("scope", scope).sign(&key);
        assert_eq!(
            overstepped(good.verdict(&token)),
            OutOfBounds::Scope,
            "{scope}"
        );
    }
    let none = Forge::of(&good.token)
        .claim("scope", Value::Null)
        .sign(&key);
    assert_eq!(
        good.verdict(&none),
        Ok(()),
        "no scope is within every bound"
    );
}

#[test]
fn several_audiences_at_once() {
    let (good, key) = orders();
    for aud in [
        json!([ORDERS]),
        json!([ORDERS, USERINFO]),
        json!([ORDERS, LEDGER]),
        json!([ORDERS, MANAGEMENT]),
        json!([ORDERS, ORDERS]),
    ] {
        let token = Forge::of(&good.token).claim("aud", aud.clone()).sign(&key);
        assert_eq!(
            overstepped(good.verdict(&token)),
            OutOfBounds::Audience,
            "{aud}"
        );
    }
}

#[test]
fn an_audience_that_the_namespace_was_not_granted() {
    let cluster = Cluster::standard();
    let ledger = cluster.good(LEDGER);
    // shop-evil and other are granted orders only, whose verifier knows their keys; the ledger is in the same namespace.
    let key = cluster.key("identity/acme/other", Alg::RS256);
    let token = Forge::of(&ledger.token)
        .claim("client_id", "other/worker")
        .claim("sub", "other/worker@clients")
        .claim("scope", Value::Null)
        .sign_as(&key);
    assert_eq!(ledger.verdict(&token), Err(Rejection::AlgNotOfAudience));
    // With an algorithm of the ledger the bounds themselves refuse it.
    let orders_ed = Cluster::new(with_an_ed25519_key_for_other());
    let key = orders_ed.key("identity/acme/other", Alg::EdDSA);
    let token = Forge::of(&token).sign_as(&key);
    let verdict = orders_ed.judge(ACME, LEDGER, &token).map(|_| ());
    assert_eq!(overstepped(verdict), OutOfBounds::Audience);
}

/// The standard world, where `other` may also use an EdDSA audience of the namespace orders.
fn with_an_ed25519_key_for_other() -> mintage_core::world::World {
    let mut world = crate::support::standard();
    let mut audience = crate::support::audience(ACME, "orders/signed", "https://signed.test");
    audience.alg = mintage_core::world::AudienceAlg::Asymmetric(Alg::EdDSA);
    audience.grants = vec![crate::support::grant("other/worker", "")];
    world.audiences.push(audience.into());
    world
}

#[test]
fn a_central_audience_signed_by_a_namespace() {
    let cluster = Cluster::standard();
    let good = cluster.good(REPORTS);
    // shop holds a grant of the audience, and its key is known in payments; its tokens are the tenant's to sign.
    let es256 = cluster.key("identity/acme/shop", Alg::ES256);
    let short = Forge::of(&good.token).claim("exp", NOW.0 + 600);
    let token = short.sign_as(&es256);
    assert_eq!(good.verdict(&token), Err(Rejection::AlgNotOfAudience));
    // Even with a key of the audience's own algorithm.
    let mut world = crate::support::standard();
    let mut local = crate::support::audience(ACME, "payments/local", "https://local.test");
    local.alg = mintage_core::world::AudienceAlg::Asymmetric(Alg::PS256);
    local.grants = vec![crate::support::grant("shop/checkout", "")];
    world.audiences.push(local.into());
    let cluster = Cluster::new(world);
    let token = Forge::of(&good.token).sign_as(&cluster.key("identity/acme/shop", Alg::PS256));
    let verdict = cluster.judge(ACME, REPORTS, &token).map(|_| ());
    assert_eq!(overstepped(verdict), OutOfBounds::Audience);
}

#[test]
fn the_management_api_and_userinfo() {
    let (good, key) = orders();
    let verifier = good.cluster.verifier(ACME, "orders");
    let host = name("acme.test");
    let management = Expected::Management { host: &host };
    let judge = |token: &str, expected| verdict(&verifier, token, expected, NOW).map(|_| ());

    let own = good.cluster.key("identity/acme", Alg::RS256);
    let forged = Forge::of(&good.token).claim("aud", MANAGEMENT);
    assert_eq!(
        judge(&forged.clone().sign_as(&own), management),
        Ok(()),
        "the tenant's key may"
    );
    let token = forged.sign_as(&key);
    assert_eq!(
        overstepped(judge(&token, management)),
        OutOfBounds::Audience
    );
    assert_eq!(good.verdict(&token), Err(Rejection::Audience));

    let userinfo = BTreeSet::from([name(USERINFO)]);
    let token = Forge::of(&good.token).claim("aud", USERINFO).sign(&key);
    assert_eq!(
        judge(&token, Expected::Apis(&userinfo)),
        Err(Rejection::Audience)
    );
}

#[test]
fn a_longer_life_than_any_that_was_issued() {
    let cluster = Cluster::standard();
    let good = cluster.good(PAYMENTS);
    let key = cluster.key("identity/acme/shop", Alg::ES256);
    let life = |seconds: i64| {
        Forge::of(&good.token)
            .claim("exp", NOW.0 + seconds)
            .sign(&key)
    };
    assert_eq!(good.verdict(&life(600)), Ok(()));
    assert_eq!(good.verdict(&life(601)), Err(Rejection::Lifetime));
}
