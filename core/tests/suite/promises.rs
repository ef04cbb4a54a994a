//! How grants, algorithms, signers, lives and issuers change over time: validators hear of every widening before issuers
//! use it, and what is taken back is believed as long as a token made under it can live.

use mintage_core::verify::{OutOfBounds, Rejection};
use mintage_core::world::{AudienceAlg, Issuance};
use mintage_core::{Alg, LEEWAY, UnixTime};
use serde_json::Value;

use crate::support::{ACME, Cluster, Forge, NOW, ORDERS, PAYMENTS, grant, standard};

const DELAY: i64 = 300;

/// When another algorithm or signer is used: the clock of an issuer may be behind the planner's.
const SWITCH: i64 = DELAY + LEEWAY;

fn code(cluster: &Cluster, audience: &str) -> &'static str {
    match cluster.ask(ACME, "shop/checkout", Some(audience), None) {
        Ok(_) => "granted",
        Err(refused) => refused.code(),
    }
}

/// A token with the claims of an old one, made now by somebody who has the key of namespace shop.
fn forged(cluster: &Cluster, old: &str, alg: Alg, life: i64) -> String {
    let forge = Forge::of(old).claim("iat", cluster.now.0);
    forge
        .claim("exp", cluster.now.0 + life)
        .sign_as(&cluster.key("identity/acme/shop", alg))
}

fn out_of_bounds(verdict: Result<(), Rejection>) -> OutOfBounds {
    match verdict {
        Err(Rejection::OutOfBounds { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

fn judge(cluster: &Cluster, audience: &str, token: &str) -> Result<(), Rejection> {
    cluster.judge(ACME, audience, token).map(|_| ())
}

/// As if time passed and no news arrived.
fn judge_later(cluster: &Cluster, now: UnixTime, token: &str) -> Result<(), Rejection> {
    let mut later = cluster.clone();
    later.now = now;
    judge(&later, PAYMENTS, token)
}

#[test]
fn a_grant_that_is_taken_back_ends_at_once_and_its_tokens_live_on() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", PAYMENTS);
    cluster.edit_audience("payments/payments", |payments| payments.grants.truncate(0));
    assert_eq!(code(&cluster, PAYMENTS), "grant-missing");
    assert_eq!(judge(&cluster, PAYMENTS, &token), Ok(()));
    // An issuer that has not heard goes on for the delay; its last token is good for its whole life, too.
    cluster.advance_to(NOW + DELAY);
    let last = forged(&cluster, &token, Alg::ES256, 600);
    let end = NOW + DELAY + 600 + LEEWAY;
    assert_eq!(judge_later(&cluster, end - 1, &last), Ok(()));
    // Afterwards the bounds refuse, by the clock alone.
    let mut later = cluster.clone();
    later.now = end + 1;
    let fresh = Forge::of(&token)
        .claim("iat", later.now.0)
        .claim("exp", later.now.0 + 600);
    let fresh = fresh.sign_as(&cluster.key("identity/acme/shop", Alg::ES256));
    assert_eq!(
        out_of_bounds(judge(&later, PAYMENTS, &fresh)),
        OutOfBounds::Audience
    );
    // And the next news no longer lists the key.
    cluster.advance_to(end + 1);
    assert_eq!(
        judge(&cluster, PAYMENTS, &fresh),
        Err(Rejection::KeyUnknown)
    );
}

#[test]
fn a_scope_that_is_taken_back() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    cluster.edit_audience("orders/orders", |orders| {
        orders.grants[0] = grant("shop/checkout", "read:orders")
    });
    let fresh = cluster.token(ACME, "shop/checkout", ORDERS);
    assert_eq!(Forge::of(&fresh).claims["scope"], "read:orders");
    let refused = cluster.ask(ACME, "shop/checkout", Some(ORDERS), Some("write:orders"));
    assert_eq!(refused.unwrap_err().code(), "scope-not-granted");
    assert_eq!(judge(&cluster, ORDERS, &token), Ok(()));
    cluster.advance_to(NOW + DELAY + 86_400 + LEEWAY + 1);
    let late = forged(&cluster, &token, Alg::RS256, 600);
    assert_eq!(
        out_of_bounds(judge(&cluster, ORDERS, &late)),
        OutOfBounds::Scope
    );
}

#[test]
fn a_scope_that_the_api_declares_no_more() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    cluster.edit_audience("orders/orders", |orders| {
        orders
            .scopes
            .retain(|scope| scope.as_str() != "write:orders");
    });
    let fresh = cluster.token(ACME, "shop/checkout", ORDERS);
    assert_eq!(Forge::of(&fresh).claims["scope"], "read:orders");
    assert_eq!(
        judge(&cluster, ORDERS, &token),
        Ok(()),
        "made when it was declared"
    );
}

#[test]
fn revoke_now_refuses_at_once() {
    let mut cluster = Cluster::new(standard());
    let payment = cluster.token(ACME, "shop/checkout", PAYMENTS);
    let order = cluster.token(ACME, "shop/checkout", ORDERS);
    cluster.edit(|world| {
        for audience in &mut world.audiences {
            audience.revoke_now = true;
        }
        world.audiences[0].grants[0] = grant("shop/checkout", "read:orders");
        world.audiences[1].grants.clear();
    });
    assert_eq!(
        judge(&cluster, PAYMENTS, &payment),
        Err(Rejection::KeyUnknown)
    );
    assert_eq!(
        out_of_bounds(judge(&cluster, ORDERS, &order)),
        OutOfBounds::Scope
    );
    let narrower = cluster.token(ACME, "shop/checkout", ORDERS);
    assert_eq!(judge(&cluster, ORDERS, &narrower), Ok(()));
}

#[test]
fn revoke_now_counts_for_what_was_taken_back_before() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", PAYMENTS);
    cluster.edit_audience("payments/payments", |payments| payments.grants.clear());
    assert_eq!(judge(&cluster, PAYMENTS, &token), Ok(()));
    cluster.edit_audience("payments/payments", |payments| payments.revoke_now = true);
    assert_eq!(
        judge(&cluster, PAYMENTS, &token),
        Err(Rejection::KeyUnknown)
    );
}

#[test]
fn a_grant_taken_back_and_given_again() {
    let mut cluster = Cluster::new(standard());
    let grants = cluster.world.audiences[0].grants.clone();
    cluster.edit_audience("orders/orders", |orders| orders.grants.clear());
    cluster.advance_to(NOW + 60);
    cluster.edit_audience("orders/orders", |orders| orders.grants = grants);
    assert_eq!(
        code(&cluster, ORDERS),
        "granted",
        "every validator still believes it"
    );
}

#[test]
fn a_new_grant_taken_back_and_given_again_waits_its_whole_delay() {
    let mut cluster = Cluster::new(standard());
    let with = |cluster: &mut Cluster, there: bool| {
        cluster.edit_audience("payments/payments", |payments| {
            payments
                .grants
                .retain(|known| *known != grant("shop/late", "pay"));
            payments
                .grants
                .extend(there.then(|| grant("shop/late", "pay")));
        });
    };
    with(&mut cluster, true);
    cluster.advance_to(NOW + 10);
    with(&mut cluster, false);
    cluster.advance_to(NOW + 20);
    with(&mut cluster, true);
    let code = |cluster: &Cluster| {
        cluster
            .ask(ACME, "shop/late", Some(PAYMENTS), None)
            .map_err(|e| e.code())
    };
    cluster.advance_to(NOW + DELAY - 1);
    assert_eq!(code(&cluster), Err("grant-pending"));
    cluster.advance_to(NOW + DELAY);
    assert!(code(&cluster).is_ok());
}

#[test]
fn validators_believe_a_new_grant_before_issuers_use_it() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", PAYMENTS);
    let refund = Forge::of(&token).claim("scope", "refund");
    let refund = refund.sign_as(&cluster.key("identity/acme/shop", Alg::ES256));
    assert_eq!(
        out_of_bounds(judge(&cluster, PAYMENTS, &refund)),
        OutOfBounds::Scope
    );
    cluster.edit_audience("payments/payments", |payments| {
        payments.grants[0] = grant("shop/checkout", "pay refund")
    });
    assert_eq!(judge(&cluster, PAYMENTS, &refund), Ok(()));
    let asked = cluster.ask(ACME, "shop/checkout", Some(PAYMENTS), Some("refund"));
    assert_eq!(asked.unwrap_err().code(), "grant-pending");
    let all = cluster.token(ACME, "shop/checkout", PAYMENTS);
    assert_eq!(
        Forge::of(&all).claims["scope"],
        "pay",
        "all that is granted now"
    );
}

#[test]
fn another_algorithm() {
    let mut cluster = Cluster::new(standard());
    let before = cluster.clone();
    let alg = |token: &str| Forge::of(token).header["alg"].clone();
    let old = cluster.token(ACME, "shop/checkout", PAYMENTS);
    cluster.edit_audience("payments/payments", |payments| {
        payments.alg = AudienceAlg::Asymmetric(Alg::RS256)
    });
    assert_eq!(
        alg(&cluster.token(ACME, "shop/checkout", PAYMENTS)),
        "ES256"
    );
    cluster.advance_to(NOW + SWITCH - 1);
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
        orders.issuance = Issuance::Central
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
