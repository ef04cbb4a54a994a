//! Attacks 1–5, 7, 10, 11 and 15: what a token's header and signature can try.

use aws_lc_rs::hmac;
use mintage_core::Alg;
use mintage_core::jose::{InvalidCompact, Jwk, Material};
use mintage_core::verify::Rejection;
use serde_json::{Value, json};

use crate::support::{Cluster, Forge, Good, LEDGER, ORDERS, PAYMENTS, segment};

pub(crate) fn orders() -> Good {
    Cluster::standard().good(ORDERS)
}

pub(crate) fn shop_key(alg: Alg) -> mintage_core::jose::PrivateKey {
    Cluster::standard().key("identity/acme/shop", alg)
}

pub(crate) fn malformed(cause: InvalidCompact) -> Result<(), Rejection> {
    Err(Rejection::Malformed(cause))
}

/// Header, payload and signature of a token.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}

#[test]
fn attack_01_alg_none_in_every_case() {
    let good = orders();
    let forge = Forge::of(&good.token);
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let (header, claims) = forge.clone().header("alg", alg).texts();
        let input = format!("{}.{}", segment(header), segment(claims));
        let signed = format!("{input}.{}", parts(&good.token)[2]);
        assert_eq!(good.verdict(&signed), Err(Rejection::AlgNotAccepted));
        for unsigned in [input.clone() + ".", input.clone()] {
            assert_eq!(good.verdict(&unsigned), malformed(InvalidCompact::Segments));
        }
    }
}

#[test]
fn attack_01_empty_signature() {
    let good = orders();
    let [header, claims, _] = parts(&good.token);
    for token in [format!("{header}.{claims}."), format!("{header}.{claims}")] {
        assert_eq!(good.verdict(&token), malformed(InvalidCompact::Segments));
    }
}

#[test]
fn attack_02_public_key_as_hmac_secret() {
    for (audience, alg) in [
        (ORDERS, Alg::RS256),
        (PAYMENTS, Alg::ES256),
        (LEDGER, Alg::EdDSA),
    ] {
        let good = Cluster::standard().good(audience);
        for secret in public_spellings(shop_key(alg).jwk()) {
            for (name, algorithm) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
                ("hs256", hmac::HMAC_SHA256),
            ] {
                let (header, claims) = Forge::of(&good.token).header("alg", name).texts();
                let input = format!("{}.{}", segment(header), segment(claims));
                let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), input.as_bytes());
                let token = format!("{input}.{}", segment(tag));
                assert_eq!(good.verdict(&token), Err(Rejection::AlgNotAccepted));
            }
        }
    }
}

/// The public key in the forms that libraries have taken for an HMAC secret.
fn public_spellings(jwk: &Jwk) -> Vec<Vec<u8>> {
    let json = serde_json::to_vec(jwk).unwrap();
    let number = match &jwk.material {
        Material::Ec { x, .. } | Material::Okp { x, .. } => x.clone(),
        Material::Rsa { n, .. } => n.clone(),
    };
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{number}\n-----END PUBLIC KEY-----\n");
    vec![json, number.into_bytes(), pem.into_bytes(), Vec::new()]
}

#[test]
fn attack_02_alg_of_another_key_family() {
    let good = orders();
    for alg in [Alg::RS384, Alg::RS512, Alg::PS256, Alg::ES256, Alg::EdDSA] {
        let token = Forge::of(&good.token)
            .header("alg", alg.as_str())
            .sign(&shop_key(Alg::RS256));
        assert_eq!(good.verdict(&token), Err(Rejection::AlgOfKey), "{alg}");
    }
}

#[test]
fn attack_03_unsigned_token_inside_an_encrypted_one() {
    let good = orders();
    let header = segment(r#"{"alg":"RSA-OAEP","enc":"A256GCM","cty":"JWT"}"#);
    let token = format!("{header}.AAAA.AAAA.{}.AAAA", segment("{}"));
    assert_eq!(good.verdict(&token), malformed(InvalidCompact::Segments));
}

#[test]
fn attack_04_key_inside_the_token() {
    let good = orders();
    let own = mintage_core::jose::Pkcs8::generate(Alg::ES256).unwrap();
    let own = mintage_core::jose::PrivateKey::from_pkcs8(Alg::ES256, &own).unwrap();
    let jwk = serde_json::to_value(own.jwk()).unwrap();
    let token = Forge::of(&good.token).header("jwk", jwk).sign_as(&own);
    let refused = Err(Rejection::HeaderParameter("jwk".to_owned()));
    assert_eq!(good.verdict(&token), refused);
    // Without the parameter its name is unknown, and an unknown key is not "no key".
    let token = Forge::of(&good.token).sign_as(&own);
    assert_eq!(good.verdict(&token), Err(Rejection::KeyUnknown));
}

#[test]
fn attack_05_kid_of_every_kind() {
    let good = orders();
    let kids = [
        json!("../../../../dev/null"),
        json!("/etc/passwd"),
        json!("' OR '1'='1"),
        json!("a\u{0}b"),
        json!(""),
        json!("x".repeat(600)),
        json!("https://evil.test/key"),
        json!(0),
        json!(true),
        json!(["a"]),
        json!({ "kid": "a" }),
        Value::Null, // takes the parameter away
    ];
    for kid in kids {
        let token = Forge::of(&good.token)
            .header("kid", kid.clone())
            .sign(&shop_key(Alg::RS256));
        assert_eq!(good.verdict(&token), Err(Rejection::KeyUnknown), "{kid}");
    }
    let huge = Forge::of(&good.token).header("kid", "x".repeat(4000));
    let huge = huge.sign(&shop_key(Alg::RS256));
    assert_eq!(good.verdict(&huge), malformed(InvalidCompact::TooLarge));
}

#[test]
fn attacks_07_and_11_header_parameters_that_change_the_meaning() {
    let good = orders();
    for (name, value) in [
        ("jku", json!("https://evil.test/jwks.json")),
        ("x5u", json!("https://evil.test/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("p2c", json!(1_000_000_000)),
        ("Alg", json!("none")),
        ("mintage", json!(1)),
    ] {
        let token = Forge::of(&good.token).header(name, value);
        let token = token.sign(&shop_key(Alg::RS256));
        let refused = Err(Rejection::HeaderParameter(name.to_owned()));
        assert_eq!(good.verdict(&token), refused);
    }
}

#[test]
fn attack_10_ecdsa_signature_of_zeros() {
    let good = Cluster::standard().good(PAYMENTS);
    let [header, claims, _] = parts(&good.token);
    // The order n of P-256: r or s equal to it is zero in the field.
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(&order[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let zeros = vec![0; 32];
    let one: Vec<u8> = [vec![0; 31], vec![1]].concat();
    for (r, s) in [
        (&zeros, &zeros),
        (&zeros, &one),
        (&one, &zeros),
        (&order, &order),
    ] {
        let token = format!("{header}.{claims}.{}", segment([r.as_slice(), s].concat()));
        assert_eq!(good.verdict(&token), Err(Rejection::Signature));
    }
}

#[test]
fn attack_10_signature_in_another_form() {
    let good = Cluster::standard().good(PAYMENTS);
    let [header, claims, signature] = parts(&good.token);
    let der = segment([0x30, 6, 2, 1, 1, 2, 1, 1]);
    let long = format!("{signature}{signature}");
    let [_, _, of_another] = parts(&Cluster::standard().good(ORDERS).token).map(str::to_owned);
    for forged in [der, signature[..40].to_owned(), long, of_another] {
        let token = format!("{header}.{claims}.{forged}");
        assert_eq!(good.verdict(&token), Err(Rejection::Signature));
    }
}
