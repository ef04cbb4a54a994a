//! Attacks 12 and 13: claims that are missing, malformed, or for somebody else.

use std::collections::BTreeSet;

use mintage_core::jose::PrivateKey;
use mintage_core::verify::{Expected, Rejection};
use mintage_core::{Alg, LEEWAY};
use serde_json::{Value, json};

use crate::support::{ACME, Cluster, Forge, Good, NOW, ORDERS, PAYMENTS, sign_texts, verdict};

pub(crate) fn orders() -> (Good, PrivateKey) {
    let cluster = Cluster::standard();
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    (cluster.good(ORDERS), key)
}

#[test]
fn attack_12_times_that_are_no_whole_seconds() {
    let (good, key) = orders();
    let (header, claims) = Forge::of(&good.token).claim("nbf", NOW.0).texts();
    for (claim, value) in [("exp", NOW.0 + 86_400), ("iat", NOW.0), ("nbf", NOW.0)] {
        let written = format!(r#""{claim}":{value}"#);
        assert!(claims.contains(&written), "{claims}");
        for other in [
            format!(r#""{value}""#),
            format!("{value}.5"),
            format!("{value}.0"),
            "-1".to_owned(),
            "-0".to_owned(),
            "18446744073709551616".to_owned(),
            "9223372036854775808".to_owned(),
            "9223372036854775807".to_owned(),
            "253402300800".to_owned(),
            "1e3".to_owned(),
            "1.795e9".to_owned(),
            "null".to_owned(),
            "true".to_owned(),
            format!("[{value}]"),
            "{}".to_owned(),
            r#""""#.to_owned(),
        ] {
            let changed = claims.replace(&written, &format!(r#""{claim}":{other}"#));
            let token = sign_texts(&header, &changed, &key);
            let refused = Err(Rejection::Claim(claim));
            assert_eq!(good.verdict(&token), refused, "{claim}: {other}");
        }
        let gone = Forge::of(&good.token).claim(claim, Value::Null).sign(&key);
        let expected = if claim == "nbf" {
            Ok(())
        } else {
            Err(Rejection::Claim(claim))
        };
        assert_eq!(good.verdict(&gone), expected, "{claim} absent");
    }
}

#[test]
fn attack_12_numbers_that_json_does_not_have() {
    let (good, key) = orders();
    let (header, claims) = Forge::of(&good.token).texts();
    let written = format!(r#""exp":{}"#, NOW.0 + 86_400);
    for other in [
        "1e400",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "01",
        "+1",
        "1_000",
    ] {
        let changed = claims.replace(&written, &format!(r#""exp":{other}"#));
        let token = sign_texts(&header, &changed, &key);
        assert_eq!(
            good.verdict(&token),
            Err(Rejection::Claim("set")),
            "{other}"
        );
    }
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
    let (good, key) = orders();
    for (life, expected) in [
        (1, Ok(())),
        (86_400, Ok(())),
        (86_401, Err(Rejection::Lifetime)),
        (253_402_300_799 - NOW.0, Err(Rejection::Lifetime)),
        (0, Err(Rejection::Lifetime)),
        (-1, Err(Rejection::Lifetime)),
    ] {
        let token = Forge::of(&good.token).claim("exp", NOW.0 + life).sign(&key);
        assert_eq!(good.verdict(&token), expected, "{life}");
    }
}

#[test]
fn attack_13_aud_of_every_kind() {
    let (good, key) = orders();
    for aud in [
        Value::Null,
        json!([]),
        json!(""),
        json!(0),
        json!(true),
        json!({ "aud": ORDERS }),
        json!([ORDERS, 1]),
        json!([ORDERS, null]),
        json!([[ORDERS]]),
        json!([ORDERS, ""]),
        json!([ORDERS, { "aud": ORDERS }]),
        json!(vec![ORDERS; 9]),
        json!(format!("{ORDERS}\n")),
    ] {
        let token = Forge::of(&good.token).claim("aud", aud.clone()).sign(&key);
        assert_eq!(good.verdict(&token), Err(Rejection::Claim("aud")), "{aud}");
    }
    for aud in [
        json!("https://orders.test/"),
        json!("https://orders.tes"),
        json!("https://orders.testing"),
        json!("HTTPS://ORDERS.TEST"),
        json!(" https://orders.test"),
        json!("orders"),
        json!("*"),
        json!([PAYMENTS]),
    ] {
        let token = Forge::of(&good.token).claim("aud", aud.clone()).sign(&key);
        assert_eq!(good.verdict(&token), Err(Rejection::Audience), "{aud}");
    }
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
