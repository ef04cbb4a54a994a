//! Attacks 12 and 13: claims that are missing, malformed, or for somebody else.

use std::collections::BTreeSet;

use mintage_core::jose::PrivateKey;
use mintage_core::verify::{Expected, Rejection};
use mintage_core::{Alg, LEEWAY};
use serde_json::{Value, json};

use super::attacks_tokens::refused;
use crate::support::{ACME, Cluster, Forge, Good, NOW, ORDERS, attacks, sign_texts, verdict};

pub(crate) fn orders() -> (Good, PrivateKey) {
    let cluster = Cluster::standard();
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    (cluster.good(ORDERS), key)
}

#[test]
fn attack_12_times_that_are_no_whole_seconds() {
    refused(attacks::attack_12_times());
    let (good, key) = orders();
    let token = Forge::of(&good.token).claim("nbf", NOW.0).sign(&key);
    assert_eq!(good.verdict(&token), Ok(()), "nbf may be there");
}

#[test]
fn attack_12_numbers_that_json_does_not_have() {
    refused(attacks::attack_12_no_numbers());
}

#[test]
fn a_token_lives_from_its_issue_to_its_end_and_no_longer() {
    let (good, key) = orders();
    let end = NOW + 86_400 + LEEWAY;
    assert_eq!(good.verdict_at(NOW - LEEWAY), Ok(()));
    assert_eq!(good.verdict_at(end - 1), Ok(()));
    assert_eq!(good.verdict_at(end), Err(Rejection::Expired));
    assert_eq!(good.verdict_at(NOW + 86_400 * 3), Err(Rejection::Expired));
    // Fault F4: a clock that is wrong by more than the leeway refuses, on either side.
    let early = good.cluster.token(ACME, "shop/checkout", ORDERS);
    let forge = |iat: i64| {
        let forge = Forge::of(&early).claim("iat", NOW.0 + iat);
        good.verdict(&forge.claim("exp", NOW.0 + iat + 600).sign(&key))
    };
    assert_eq!(forge(LEEWAY), Ok(()));
    assert_eq!(forge(LEEWAY + 1), Err(Rejection::IssuedInFuture));
    let not_before = |nbf: i64| {
        let forge = Forge::of(&early).claim("nbf", NOW.0 + nbf);
        good.verdict(&forge.sign(&key))
    };
    assert_eq!(not_before(LEEWAY + 1), Err(Rejection::NotYetValid));
    assert_eq!(forge(-86_400), Err(Rejection::Expired));
}

#[test]
fn attack_12_life_of_any_length() {
    refused(attacks::attack_12_lives());
    let (good, key) = orders();
    for life in [1, 86_400] {
        let token = Forge::of(&good.token).claim("exp", NOW.0 + life).sign(&key);
        assert_eq!(good.verdict(&token), Ok(()), "{life}");
    }
}

#[test]
fn attack_13_aud_of_every_kind() {
    refused(attacks::attack_13_audiences());
}

#[test]
fn attack_13_nothing_is_expected() {
    let (good, _) = orders();
    let verifier = good.cluster.verifier(ACME, "orders");
    let nothing = BTreeSet::new();
    let verdict = verdict(&verifier, &good.token, Expected::Apis(&nothing), NOW);
    assert_eq!(verdict.unwrap_err(), Rejection::Audience);
}

#[test]
fn a_token_for_another_api_of_the_same_namespace() {
    let (good, _) = orders();
    let verifier = good.cluster.verifier(ACME, "orders");
    let accepted = BTreeSet::from([crate::support::name(crate::support::LEDGER)]);
    let verdict = verdict(&verifier, &good.token, Expected::Apis(&accepted), NOW);
    assert_eq!(verdict.unwrap_err(), Rejection::Audience);
}

#[test]
fn claims_that_are_missing_or_no_texts() {
    let (good, key) = orders();
    for claim in ["iss", "sub", "azp"] {
        for value in [
            Value::Null,
            json!(""),
            json!(1),
            json!(["a"]),
            json!("a\u{0}b"),
        ] {
            let token = Forge::of(&good.token).claim(claim, value).sign(&key);
            assert_eq!(good.verdict(&token), Err(Rejection::Claim(claim)));
        }
    }
    for scope in [
        json!(""),
        json!(["read:orders"]),
        json!("read:orders \"x\""),
        json!("a\tb"),
    ] {
        let token = Forge::of(&good.token).claim("scope", scope).sign(&key);
        assert_eq!(good.verdict(&token), Err(Rejection::Claim("scope")));
    }
    for payload in ["", "[]", "null", "1", "{", "{}{}"] {
        let (header, _) = Forge::of(&good.token).texts();
        let token = sign_texts(&header, payload, &key);
        assert_eq!(
            good.verdict(&token),
            Err(Rejection::Claim("set")),
            "{payload}"
        );
    }
}

#[test]
fn issuers_that_only_look_like_ours() {
    let (good, key) = orders();
    for iss in [
        "https://acme.test",
        "http://acme.test/",
        "https://ACME.test/",
        "https://acme.test:443/",
        "https://acme.test//",
        "https://acme.test/x",
        "https://acme.test.evil.test/",
        "https://login.evil.test/",
        "https://globex.test:7743/",
        "acme.test",
    ] {
        let token = Forge::of(&good.token).claim("iss", iss).sign(&key);
        assert_eq!(good.verdict(&token), Err(Rejection::Issuer), "{iss}");
    }
    let token = Forge::of(&good.token)
        .claim("iss", "https://login.acme.test/")
        .sign(&key);
    assert_eq!(
        good.verdict(&token),
        Ok(()),
        "the custom domain is the tenant's issuer, too"
    );
}
