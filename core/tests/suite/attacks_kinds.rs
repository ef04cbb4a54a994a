//! Other kinds of tokens that are taken for access tokens.

use mintage_core::Alg;
use mintage_core::verify::Rejection;
use serde_json::{Value, json};

use super::attacks_claims::orders;
use crate::support::{Forge, PAYMENTS};

#[test]
fn other_kinds_of_tokens_are_not_access_tokens() {
    let (good, key) = orders();
    for typ in [
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("id_token"),
        json!("secevent+jwt"),
        json!("JOSE"),
        json!("application/application/jwt"),
        json!(""),
        json!(1),
        Value::Null,
    ] {
        let token = Forge::of(&good.token).header("typ", typ.clone()).sign(&key);
        assert_eq!(good.verdict(&token), Err(Rejection::Type), "{typ}");
    }
    for typ in ["jwt", "application/JWT"] {
        let token = Forge::of(&good.token).header("typ", typ).sign(&key);
        assert_eq!(
            good.verdict(&token),
            Ok(()),
            "RFC 7515 section 4.1.9: {typ}"
        );
    }
}

#[test]
fn a_token_of_one_dialect_with_the_typ_of_the_other() {
    let (good, key) = orders();
    let token = Forge::of(&good.token).header("typ", "at+jwt").sign(&key);
    assert_eq!(good.verdict(&token), Err(Rejection::Claim("client_id")));
    let payments = good.cluster.good(PAYMENTS);
    let key = good.cluster.key("identity/acme/shop", Alg::ES256);
    let token = Forge::of(&payments.token).header("typ", "JWT").sign(&key);
    assert_eq!(payments.verdict(&token), Err(Rejection::Claim("azp")));
    let token = Forge::of(&payments.token).claim("jti", Value::Null);
    assert_eq!(
        payments.verdict(&token.sign(&key)),
        Err(Rejection::Claim("jti"))
    );
}

#[test]
fn an_id_token_is_not_an_access_token() {
    let (good, _) = orders();
    // An ID token is signed by the tenant's key, has typ JWT and no azp.
    let key = good.cluster.key("identity/acme", Alg::RS256);
    let token = Forge::of(&good.token).claim("azp", Value::Null);
    let token = token
        .claim("nonce", "n")
        .claim("sub", "auth0|1")
        .sign_as(&key);
    assert_eq!(good.verdict(&token), Err(Rejection::Claim("azp")));
}

#[test]
fn a_sender_constrained_token_is_no_bearer_token() {
    let (good, key) = orders();
    for cnf in [
        json!({ "jkt": "x" }),
        json!({ "x5t#S256": "x" }),
        json!({}),
        json!("x"),
    ] {
        let token = Forge::of(&good.token).claim("cnf", cnf).sign(&key);
        assert_eq!(good.verdict(&token), Err(Rejection::Constrained));
    }
}
