//! Whatever bytes arrive, nothing panics, and nothing that is not ours is accepted (fault F13).

use mintage_core::bundle::{Body, KeyringFile, join, split};
use mintage_core::ident::{parse_scopes, write_scopes};
use mintage_core::jose::{Compact, Jwk, PublicKey};
use mintage_core::{
    Domain, Identifier, Issuer, Kid, Namespace, ObjectName, ObjectRef, Scope, Uid, WorkloadId,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{ACME, Cluster, NOW, ORDERS, segment};

/// A parser that takes a text must give it back the same, or in a form that stays the same.
fn assert_stable<T: std::str::FromStr + ToString>(text: &str) {
    if let Ok(parsed) = text.parse::<T>() {
        let written = parsed.to_string();
        let again = written.parse::<T>().ok().map(|again| again.to_string());
        assert_eq!(again, Some(written));
    }
}

/// Texts near what the parsers take, and any others.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9./:-]{0,40}",
        "https://[a-z0-9.:-]{1,30}/{0,2}",
        "[ -~]{0,700}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn names(text in texts()) {
        assert_stable::<Domain>(&text);
        assert_stable::<Identifier>(&text);
        assert_stable::<Issuer>(&text);
        assert_stable::<Kid>(&text);
        assert_stable::<Namespace>(&text);
        assert_stable::<ObjectName>(&text);
        assert_stable::<ObjectRef>(&text);
        assert_stable::<Scope>(&text);
        assert_stable::<Uid>(&text);
        assert_stable::<WorkloadId>(&text);
        if let Ok(scopes) = parse_scopes(&text) {
            prop_assert_eq!(parse_scopes(&write_scopes(&scopes)), Ok(scopes));
        }
        if let Ok(domain) = text.parse::<Domain>() {
            prop_assert_eq!(domain.issuer().domain(), domain.clone());
            prop_assert_eq!(Issuer::parse(domain.issuer().as_str()), Ok(domain.issuer()));
        }
        // Two pairs with one text would be one client.
        if let Ok(workload) = text.parse::<WorkloadId>() {
            prop_assert_eq!(workload.to_string(), text);
        }
    }

    #[test]
    fn tokens_of_any_text(text in any::<String>(), parts in vec("[A-Za-z0-9_=-]{0,60}", 0..6)) {
        let verifier = Cluster::standard().verifier(ACME, "orders");
        for token in [text, parts.join(".")] {
            prop_assert!(verifier.authenticate(&token, NOW).is_err());
            let _ = Compact::parse(&token);
        }
    }

    #[test]
    fn tokens_of_any_bytes_in_their_segments(header in vec(any::<u8>(), 0..80), claims in vec(any::<u8>(), 0..80), signature in vec(any::<u8>(), 0..80)) {
        let verifier = Cluster::standard().verifier(ACME, "orders");
        let token = [header, claims, signature].map(segment).join(".");
        prop_assert!(verifier.authenticate(&token, NOW).is_err());
    }

    #[test]
    fn tokens_with_one_character_changed(place in any::<prop::sample::Index>(), character in "[A-Za-z0-9_.=-]") {
        let good = Cluster::standard().token(ACME, "shop/audit", ORDERS);
        let place = place.index(good.len());
        let changed = format!("{}{character}{}", &good[..place], &good[place + 1..]);
        let verifier = Cluster::standard().verifier(ACME, "orders");
        prop_assert_eq!(verifier.authenticate(&changed, NOW).is_ok(), changed == good);
    }

    #[test]
    fn keys(bytes in vec(any::<u8>(), 0..200), texts in vec("[A-Za-z0-9_-]{0,50}|RSA|EC|OKP|P-256|Ed25519|AQAB|RS256|ES256", 6)) {
        let _ = Jwk::parse(&bytes);
        let [kty, crv, x, y, alg, e] = &texts[..] else { unreachable!("six texts") };
        let json = serde_json::json!({ "kty": kty, "crv": crv, "x": x, "y": y, "n": x, "alg": alg, "e": e });
        if let Ok(jwk) = Jwk::from_value(&json) {
            let _ = PublicKey::from_jwk(&jwk).map(|key| key.verifies(&bytes, &bytes));
        }
    }

    #[test]
    fn bundles_and_keyring_files(bytes in vec(any::<u8>(), 0..300), place in any::<prop::sample::Index>(), insert in vec(any::<u8>(), 1..8)) {
        prop_assert!(join::<Body>(&[Some(&bytes)]).is_err());
        prop_assert!(KeyringFile::parse(&bytes).is_err());
        let mut shard = split(Cluster::standard().bundle(ACME, "shop")).unwrap().remove(0);
        let place = place.index(shard.len());
        shard.splice(place..place, insert);
        prop_assert!(join::<Body>(&[Some(&shard)]).is_err());
    }
}
