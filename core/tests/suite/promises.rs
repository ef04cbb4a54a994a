//! How grants change over time: validators hear of every widening before issuers
//! use it, and what is taken back is believed as long as a token made under it can live.

use mintage_core::verify::{OutOfBounds, Rejection};
use mintage_core::{Alg, LEEWAY, UnixTime};

use crate::support::{ACME, Cluster, Forge, NOW, ORDERS, PAYMENTS, grant, standard};

pub(crate) const DELAY: i64 = 300;

fn code(cluster: &Cluster, audience: &str) -> &'static str {
    match cluster.ask(ACME, "shop/checkout", Some(audience), None) {
        Ok(_) => "granted",
        Err(refused) => refused.code(),
    }
}

/// A token with the claims of an old one, made now by somebody who has the key of namespace shop.
pub(crate) fn forged(cluster: &Cluster, old: &str, alg: Alg, life: i64) -> String {
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

pub(crate) fn judge(cluster: &Cluster, audience: &str, token: &str) -> Result<(), Rejection> {
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
        orders.grants[0] = grant("shop/checkout", "read:orders");
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
        payments.grants[0] = grant("shop/checkout", "pay refund");
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
