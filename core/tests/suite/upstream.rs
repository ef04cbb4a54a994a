//! ID tokens of a provider: one that is good, one change, this refusal.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use aws_lc_rs::hmac;
use mintage_core::jose::{Pkcs8, PrivateKey};
use mintage_core::upstream::{Expected, Fault, Identity, Keys, Metadata, ProviderIssuer};
use mintage_core::{Alg, UnixTime};
use serde_json::{Map, Value, json};

use crate::support::{Forge, NOW, segment};

const ISSUER: &str = "https://id.test";
const ACCESS_TOKEN: &str = "an-access-token";

/// One key of each kind, and an RSA key that is somebody else's.
struct Private {
    rsa: Pkcs8,
    other: Pkcs8,
    ec: Pkcs8,
    ed: Pkcs8,
}

static PRIVATE: LazyLock<Private> = LazyLock::new(|| {
    let [rsa, other, ec, ed] =
        [Alg::RS256, Alg::RS256, Alg::ES256, Alg::EdDSA].map(|alg| Pkcs8::generate(alg).unwrap());
    Private { rsa, other, ec, ed }
});

fn key(alg: Alg) -> PrivateKey {
    let pkcs8 = match alg {
        Alg::ES256 => &PRIVATE.ec,
        Alg::EdDSA => &PRIVATE.ed,
        Alg::PS256 | Alg::RS256 | Alg::RS384 | Alg::RS512 => &PRIVATE.rsa,
    };
    PrivateKey::from_pkcs8(alg, pkcs8).unwrap()
}

fn jwk(alg: Alg, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(key(alg).jwk()).unwrap();
    jwk["kid"] = kid.into();
    jwk
}

/// As several providers publish theirs: the RSA key says no algorithm, and names have characters that ours have not.
fn document() -> Value {
    let mut rsa = jwk(Alg::RS256, "public:rsa.1");
    rsa.as_object_mut().unwrap().remove("alg");
    let encryption =
        json!({ "kty": "RSA", "use": "enc", "kid": "enc", "n": rsa["n"], "e": "AQAB" });
    let foreign = json!({ "kty": "EC", "crv": "P-521", "kid": "521", "x": "AA", "y": "AA" });
    let all = [
        foreign,
        encryption,
        rsa,
        jwk(Alg::ES256, "ec"),
        jwk(Alg::EdDSA, "ed"),
    ];
    json!({ "keys": all })
}

fn keys() -> Keys {
    Keys::parse(document().to_string().as_bytes()).unwrap()
}

fn metadata(algs: &Value) -> Metadata {
    let document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.test/authorize",
        "token_endpoint": "https://id.test/token",
        "jwks_uri": "https://id.test/jwks",
        "id_token_signing_alg_values_supported": algs,
    });
    let issuer = ProviderIssuer::parse(ISSUER).unwrap();
    Metadata::parse(&issuer, document.to_string().as_bytes()).unwrap()
}

fn all_algs() -> Value {
    let names = Alg::ALL.map(Alg::as_str);
    let others = ["HS256", "none", "ES512"];
    names.into_iter().chain(others).collect()
}

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else {
        panic!("{value}")
    };
    members
}

/// A good one.
fn token() -> Forge {
    let claims = json!({
        "iss": ISSUER, "sub": "ada", "aud": "acme", "nonce": "a-nonce", "iat": NOW.0 - 5, "exp": NOW.0 + 300,
        "email": "ada@corp.test", "email_verified": true, "name": "Ada", "groups": ["admins"],
    });
    let header = json!({ "alg": "RS256", "kid": "public:rsa.1", "typ": "JWT", "x5t": "ignored" });
    Forge {
        header: members(header),
        claims: members(claims),
    }
}

const EXPECTED: Expected<'_> = Expected {
    client: "acme",
    nonce: "a-nonce",
    code: "a-code",
    access_token: Some(ACCESS_TOKEN),
    since: None,
};

fn judge(token: &str, expected: Expected<'_>) -> Result<Identity, Fault> {
    keys().identify(&metadata(&all_algs()), token, expected, NOW)
}

fn rs256(token: &Forge) -> Result<Identity, Fault> {
    judge(&token.sign(&key(Alg::RS256)), EXPECTED)
}

/// The left half of a hash.
fn half(function: &'static aws_lc_rs::digest::Algorithm, text: &str) -> String {
    let hash = digest(function, text.as_bytes());
    segment(&hash.as_ref()[..hash.as_ref().len() / 2])
}

#[test]
fn a_good_token_says_who_signed_in() {
    let identity = rs256(&token()).unwrap();
    assert_eq!(identity.subject, "ada");
    assert_eq!(identity.authenticated_at, None);
    assert_eq!(identity.profile.email.as_deref(), Some("ada@corp.test"));
    assert_eq!(identity.profile.name.as_deref(), Some("Ada"));
    let at = NOW.0 - 60;
    let identity = rs256(&token().claim("auth_time", at)).unwrap();
    assert_eq!(identity.authenticated_at, Some(UnixTime(at)));
    // A clock that is ahead signs nobody in tomorrow.
    let identity = rs256(&token().claim("auth_time", NOW.0 + 30)).unwrap();
    assert_eq!(identity.authenticated_at, Some(NOW));
}

#[test]
fn userinfo_completes_a_bare_token_of_the_same_user() {
    assert!(!rs256(&token()).unwrap().is_bare());
    let bare = ["email", "email_verified", "name"];
    let bare = bare
        .into_iter()
        .fold(token(), |token, claim| token.claim(claim, Value::Null));
    let mut identity = rs256(&bare).unwrap();
    assert!(identity.is_bare());
    for document in [
        json!({ "sub": "eve", "name": "Eve" }),
        json!({ "name": "Eve" }),
        json!([]),
    ] {
        let refused = identity.complete(document.to_string().as_bytes());
        assert_eq!(refused, Err(Fault::UserInfo), "{document}");
        assert!(identity.is_bare());
    }
    let document = json!({ "sub": "ada", "name": "Ada", "admin": true });
    identity.complete(document.to_string().as_bytes()).unwrap();
    assert_eq!(identity.profile.name.as_deref(), Some("Ada"));
}

#[test]
fn each_algorithm_is_taken_from_a_key_of_its_kind() {
    for (alg, kid) in [
        (Alg::RS256, "public:rsa.1"),
        (Alg::RS384, "public:rsa.1"),
        (Alg::RS512, "public:rsa.1"),
        (Alg::PS256, "public:rsa.1"),
        (Alg::ES256, "ec"),
        (Alg::EdDSA, "ed"),
    ] {
        let function = match alg {
            Alg::RS384 => &SHA384,
            Alg::RS512 | Alg::EdDSA => &SHA512,
            _ => &SHA256,
        };
        let token = token()
            .header("alg", alg.as_str())
            .header("kid", kid)
            .claim("at_hash", half(function, ACCESS_TOKEN))
            .claim("c_hash", half(function, "a-code"));
        let good = judge(&token.sign(&key(alg)), EXPECTED);
        assert!(good.is_ok(), "{alg}: {good:?}");
        let unnamed = token.clone().header("kid", Value::Null);
        let good = judge(&unnamed.sign(&key(alg)), EXPECTED);
        assert!(good.is_ok(), "{alg}: {good:?}");
        let wrong = token.claim("at_hash", half(function, "another"));
        let refused = judge(&wrong.sign(&key(alg)), EXPECTED);
        assert_eq!(refused, Err(Fault::IdTokenHash), "{alg}");
    }
}

#[test]
fn an_algorithm_that_the_provider_does_not_name_is_not_taken() {
    let signed = token().sign(&key(Alg::RS256));
    let judged = |algs: Value| keys().identify(&metadata(&algs), &signed, EXPECTED, NOW);
    assert!(judged(json!(["ES256", "RS256"])).is_ok());
    assert_eq!(judged(json!(["ES256"])), Err(Fault::IdTokenAlgorithm));
}

/// Attacks 1 and 2, at a provider's tokens.
#[test]
fn no_signature_and_no_hmac_is_one() {
    let claims = segment(token().texts().1);
    for alg in ["none", "None", "NONE", ""] {
        let header = segment(json!({ "alg": alg, "kid": "public:rsa.1" }).to_string());
        for signature in ["", "AA"] {
            let refused = judge(&format!("{header}.{claims}.{signature}"), EXPECTED);
            let expected = if signature.is_empty() {
                Fault::IdTokenMalformed
            } else {
                Fault::IdTokenAlgorithm
            };
            assert_eq!(refused, Err(expected), "{alg}");
        }
    }
    // The public key, in each form that somebody may take for a secret.
    let public = document()["keys"][2].clone();
    for secret in [public.to_string(), public["n"].as_str().unwrap().to_owned()] {
        let header = segment(json!({ "alg": "HS256", "kid": "public:rsa.1" }).to_string());
        let input = format!("{header}.{claims}");
        let mac = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            input.as_bytes(),
        );
        let refused = judge(&format!("{input}.{}", segment(mac)), EXPECTED);
        assert_eq!(refused, Err(Fault::IdTokenAlgorithm));
    }
}

#[test]
fn one_change_of_the_header_and_it_is_refused() {
    assert!(rs256(&token()).is_ok());
    for (member, value, fault) in [
        ("kid", json!("another"), Fault::IdTokenKeyUnknown),
        ("kid", json!(7), Fault::IdTokenMalformed),
        ("kid", json!("enc"), Fault::IdTokenKeyUnknown),
        ("alg", json!("ES256"), Fault::IdTokenKeyUnknown),
        ("alg", json!("RS512"), Fault::IdTokenSignature),
        ("alg", json!("ES512"), Fault::IdTokenAlgorithm),
        ("alg", Value::Null, Fault::IdTokenAlgorithm),
        ("crit", json!(["exp"]), Fault::IdTokenMalformed),
        ("typ", json!("at+jwt"), Fault::IdTokenMalformed),
        ("typ", json!("logout+jwt"), Fault::IdTokenMalformed),
    ] {
        let refused = rs256(&token().header(member, value.clone()));
        assert_eq!(refused, Err(fault), "{member}: {value}");
    }
    // A key that comes with the token is not looked at.
    let own = PrivateKey::from_pkcs8(Alg::RS256, &PRIVATE.other).unwrap();
    let jwk = serde_json::to_value(own.jwk()).unwrap();
    let forged = token().header("jwk", jwk).sign(&own);
    assert_eq!(judge(&forged, EXPECTED), Err(Fault::IdTokenSignature));
}

#[test]
fn one_change_of_a_claim_and_it_is_refused() {
    assert!(rs256(&token()).is_ok());
    for (claim, value, fault) in [
        ("iss", json!("https://id.test/"), Fault::IdTokenIssuer),
        ("iss", json!("https://evil.test"), Fault::IdTokenIssuer),
        ("iss", Value::Null, Fault::IdTokenMalformed),
        ("sub", Value::Null, Fault::IdTokenMalformed),
        ("sub", json!(""), Fault::IdTokenMalformed),
        ("sub", json!(7), Fault::IdTokenMalformed),
        ("aud", json!("another"), Fault::IdTokenAudience),
        ("aud", json!([]), Fault::IdTokenMalformed),
        ("aud", Value::Null, Fault::IdTokenMalformed),
        ("aud", json!(["acme", "another"]), Fault::IdTokenAudience),
        ("azp", json!("another"), Fault::IdTokenAudience),
        ("nonce", json!("another"), Fault::IdTokenNonce),
        ("nonce", json!("a-nonc"), Fault::IdTokenNonce),
        ("nonce", Value::Null, Fault::IdTokenNonce),
        ("exp", json!(NOW.0 - 60), Fault::IdTokenExpired),
        ("exp", json!("9999999999"), Fault::IdTokenMalformed),
        ("exp", Value::Null, Fault::IdTokenMalformed),
        ("iat", json!(NOW.0 + 61), Fault::IdTokenTooEarly),
        ("iat", Value::Null, Fault::IdTokenMalformed),
        ("nbf", json!(NOW.0 + 61), Fault::IdTokenTooEarly),
        ("auth_time", json!(NOW.0 + 61), Fault::IdTokenTooEarly),
        ("at_hash", json!("another"), Fault::IdTokenHash),
        ("c_hash", json!("another"), Fault::IdTokenHash),
        ("at_hash", json!(7), Fault::IdTokenMalformed),
    ] {
        let refused = rs256(&token().claim(claim, value.clone()));
        assert_eq!(refused, Err(fault), "{claim}: {value}");
    }
}

#[test]
fn clocks_may_differ_by_a_minute_and_several_audiences_name_their_party() {
    for (claim, value) in [
        ("exp", json!(NOW.0 - 59)),
        ("iat", json!(NOW.0 + 60)),
        ("nbf", json!(NOW.0 + 60)),
        ("aud", json!(["acme"])),
        ("azp", json!("acme")),
    ] {
        let good = rs256(&token().claim(claim, value.clone()));
        assert!(good.is_ok(), "{claim}: {value}: {good:?}");
    }
    let several = token().claim("aud", json!(["another", "acme"]));
    assert!(rs256(&several.claim("azp", "acme")).is_ok());
    // Without an access token there is nothing that its hash could be compared with.
    let hashed = token().claim("at_hash", "anything").sign(&key(Alg::RS256));
    let without = Expected {
        access_token: None,
        ..EXPECTED
    };
    assert!(judge(&hashed, without).is_ok());
}

#[test]
fn who_had_to_sign_in_since_then_did() {
    let asked = Expected {
        since: Some(NOW - 300),
        ..EXPECTED
    };
    let judged = |at: Value| {
        let token = token().claim("auth_time", at).sign(&key(Alg::RS256));
        judge(&token, asked).map(drop)
    };
    assert_eq!(judged(json!(NOW.0 - 10)), Ok(()));
    assert_eq!(judged(json!(NOW.0 - 360)), Ok(()));
    assert_eq!(judged(json!(NOW.0 - 361)), Err(Fault::AuthTime));
    assert_eq!(judged(Value::Null), Err(Fault::AuthTime));
}

#[test]
fn what_is_no_token_or_a_huge_one_is_refused() {
    let good = token().sign(&key(Alg::RS256));
    let (_, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = good.split_once('.').unwrap();
    let eves = segment(token().claim("sub", "eve").texts().1);
    let groups = |count: usize| token().claim("groups", vec!["a-group-of-some-length"; count]);
    assert!(rs256(&groups(500)).is_ok());
    for (text, fault) in [
        (String::new(), Fault::IdTokenMalformed),
        (format!("{good}.x"), Fault::IdTokenMalformed),
        (
            format!("{header}.{eves}.{signature}"),
            Fault::IdTokenSignature,
        ),
        (groups(2000).sign(&key(Alg::RS256)), Fault::IdTokenMalformed),
    ] {
        assert_eq!(judge(&text, EXPECTED), Err(fault), "{}", text.len());
    }
    // Named twice.
    let (header, claims) = token().texts();
    let twice = claims.replacen('{', r#"{"sub":"eve","#, 1);
    let twice = crate::support::sign_texts(&header, &twice, &key(Alg::RS256));
    assert_eq!(judge(&twice, EXPECTED), Err(Fault::IdTokenMalformed));
}

#[test]
fn a_key_set_without_a_key_to_use_is_none() {
    for document in [
        json!({}),
        json!({ "keys": [] }),
        json!({ "keys": "x" }),
        json!({ "keys": [document()["keys"][0], document()["keys"][1], 7] }),
    ] {
        let refused = Keys::parse(document.to_string().as_bytes());
        assert_eq!(refused.err(), Some(Fault::ProviderKeys), "{document}");
    }
    // A provider that publishes a private key has no secret any more.
    let mut private = jwk(Alg::ES256, "ec");
    private["d"] = "AA".into();
    let refused = Keys::parse(json!({ "keys": [private] }).to_string().as_bytes());
    assert_eq!(refused.err(), Some(Fault::ProviderKeys));
}
