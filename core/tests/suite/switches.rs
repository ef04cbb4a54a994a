//! Another algorithm, another signer, another life: what was used before stays in use until validators have heard.

use mintage_core::verify::Rejection;
use mintage_core::world::{AudienceAlg, Issuance};
use mintage_core::{Alg, LEEWAY};
use serde_json::Value;

use super::promises::{DELAY, forged, judge};
use crate::support::{ACME, Cluster, Forge, NOW, ORDERS, PAYMENTS, standard};

/// When another algorithm or signer is used at the latest: the clock of an issuer may be behind the planner's.
const SWITCH: i64 = DELAY + LEEWAY;

#[test]
fn another_algorithm() {
    let mut cluster = Cluster::new(standard());
    let before = cluster.clone();
    let alg = |token: &str| Forge::of(token).header["alg"].clone();
    let old = cluster.token(ACME, "shop/checkout", PAYMENTS);
    cluster.edit_audience("payments/payments", |payments| {
        payments.alg = AudienceAlg::Asymmetric(Alg::RS256);
    });
    assert_eq!(
        alg(&cluster.token(ACME, "shop/checkout", PAYMENTS)),
        "ES256"
    );
    cluster.advance_to(NOW + DELAY - 1);
    assert_eq!(
        alg(&cluster.token(ACME, "shop/checkout", PAYMENTS)),
        "ES256"
    );
    cluster.advance_to(NOW + SWITCH);
    let new = cluster.token(ACME, "shop/checkout", PAYMENTS);
    assert_eq!(alg(&new), "RS256");
    assert_eq!(judge(&cluster, PAYMENTS, &new), Ok(()));
    assert_eq!(judge(&cluster, PAYMENTS, &old), Ok(()));
    // An issuer that heard of nothing signs with the old one until the delay is over once more.
    let mut stale = before;
    stale.now = NOW + SWITCH + DELAY - 1;
    let last = stale.token(ACME, "shop/checkout", PAYMENTS);
    cluster.advance_to(stale.now + 600);
    assert_eq!(judge(&cluster, PAYMENTS, &last), Ok(()));
    // Then a token of it cannot be, whoever has the key.
    cluster.advance_to(NOW + SWITCH + DELAY + 600 + LEEWAY + 1);
    let late = Forge::of(&old)
        .claim("iat", cluster.now.0)
        .claim("exp", cluster.now.0 + 600);
    let late = late.sign_as(&stale.key("identity/acme/shop", Alg::ES256));
    assert!(judge(&cluster, PAYMENTS, &late).is_err());
}

#[test]
fn another_algorithm_at_once_with_revoke_now() {
    let mut cluster = Cluster::new(standard());
    let old = cluster.token(ACME, "shop/checkout", PAYMENTS);
    cluster.edit_audience("payments/payments", |payments| {
        payments.alg = AudienceAlg::Asymmetric(Alg::RS256);
        payments.revoke_now = true;
    });
    let new = cluster.token(ACME, "shop/checkout", PAYMENTS);
    assert_eq!(judge(&cluster, PAYMENTS, &new), Ok(()));
    assert_eq!(
        judge(&cluster, PAYMENTS, &old),
        Err(Rejection::AlgNotOfAudience)
    );
}

#[test]
fn from_local_to_central() {
    let mut cluster = Cluster::new(standard());
    let old = cluster.token(ACME, "shop/checkout", ORDERS);
    cluster.edit_audience("orders/orders", |orders| {
        orders.issuance = Issuance::Central;
    });
    let kid = |cluster: &Cluster| {
        Forge::of(&cluster.token(ACME, "shop/checkout", ORDERS)).header["kid"].clone()
    };
    let (local, central) = (
        cluster
            .key("identity/acme/shop", Alg::RS256)
            .kid()
            .to_string(),
        cluster.key("identity/acme", Alg::RS256).kid().to_string(),
    );
    assert_eq!(kid(&cluster), local.as_str());
    cluster.advance_to(NOW + SWITCH);
    assert_eq!(kid(&cluster), central.as_str());
    assert_eq!(
        judge(
            &cluster,
            ORDERS,
            &cluster.token(ACME, "shop/checkout", ORDERS)
        ),
        Ok(())
    );
    assert_eq!(judge(&cluster, ORDERS, &old), Ok(()), "it lives on");
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    cluster.advance_to(NOW + SWITCH + DELAY + 86_400 + LEEWAY + 1);
    let late = Forge::of(&old)
        .claim("iat", cluster.now.0)
        .claim("exp", cluster.now.0 + 600);
    assert_eq!(
        judge(&cluster, ORDERS, &late.sign_as(&key)),
        Err(Rejection::KeyUnknown)
    );
}

#[test]
fn from_central_to_local_validators_hear_first() {
    let mut world = standard();
    world.audiences[0].issuance = Issuance::Central;
    let mut cluster = Cluster::new(world);
    cluster.edit_audience("orders/orders", |orders| orders.issuance = Issuance::Local);
    let told = cluster.clone(); // a validator that hears nothing after this
    let kid = |token: &str| Forge::of(token).header["kid"].clone();
    let central = cluster.key("identity/acme", Alg::RS256).kid().to_string();
    assert_eq!(
        kid(&cluster.token(ACME, "shop/checkout", ORDERS)),
        central.as_str()
    );
    cluster.advance_to(NOW + SWITCH);
    let local = cluster.token(ACME, "shop/checkout", ORDERS);
    assert_ne!(kid(&local), central.as_str());
    let mut told = told;
    told.now = cluster.now;
    assert_eq!(judge(&told, ORDERS, &local), Ok(()));
}

#[test]
fn a_longer_life_waits_and_a_shorter_one_does_not() {
    let mut cluster = Cluster::new(standard());
    let before = cluster.clone();
    let life = |cluster: &Cluster| {
        let claims = Forge::of(&cluster.token(ACME, "shop/checkout", PAYMENTS)).claims;
        let moment = |claim: &str| claims.get(claim).and_then(Value::as_i64).unwrap();
        moment("exp") - moment("iat")
    };
    cluster.edit_audience("payments/payments", |payments| payments.lifetime = 3600);
    assert_eq!(
        life(&cluster),
        600,
        "validators that have not heard refuse longer ones"
    );
    assert_eq!(
        judge(
            &before,
            PAYMENTS,
            &forged(
                &before,
                &before.token(ACME, "shop/checkout", PAYMENTS),
                Alg::ES256,
                3600
            )
        ),
        Err(Rejection::Lifetime)
    );
    cluster.advance_to(NOW + DELAY);
    assert_eq!(life(&cluster), 3600);
    let long = cluster.token(ACME, "shop/checkout", PAYMENTS);
    cluster.edit_audience("payments/payments", |payments| payments.lifetime = 60);
    assert_eq!(life(&cluster), 60);
    cluster.advance_to(NOW + DELAY + 3600);
    assert_eq!(
        judge(&cluster, PAYMENTS, &long),
        Ok(()),
        "the long one lives its whole life"
    );
}
