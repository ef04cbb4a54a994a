//! Attacks 1–5, 7, 10, 11 and 15: what a token's header and signature can try.

use aws_lc_rs::hmac;
use mintage_core::Alg;
use mintage_core::jose::{InvalidCompact, Jwk, Material, Pkcs8, PrivateKey};
use mintage_core::verify::Rejection;
use serde_json::{Value, json};

use super::super::{Cluster, Forge, LEDGER, ORDERS, PAYMENTS, segment};
use super::{Attempt, malformed, orders, parts, shop_key};

/// Attack 1: `alg` says that there is no signature.
pub fn attack_01_none() -> Vec<Attempt> {
    let good = orders();
    let mut attempts = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let (header, claims) = Forge::of(&good.token).header("alg", alg).texts();
        let input = format!("{}.{}", segment(header), segment(claims));
        let signed = format!("{input}.{}", parts(&good.token)[2]);
        attempts.push(Attempt::new(
            &good,
            format!("alg {alg:?} and a signature"),
            signed,
            Rejection::AlgNotAccepted,
        ));
        for unsigned in [input.clone() + ".", input.clone()] {
            let refused = malformed(InvalidCompact::Segments);
            attempts.push(Attempt::new(
                &good,
                format!("alg {alg:?}"),
                unsigned,
                refused,
            ));
        }
    }
    attempts
}

/// Attack 1: the signature is left out.
pub fn attack_01_empty_signature() -> Vec<Attempt> {
    let good = orders();
    let [header, claims, _] = parts(&good.token);
    [format!("{header}.{claims}."), format!("{header}.{claims}")]
        .map(|token| {
            let refused = malformed(InvalidCompact::Segments);
            Attempt::new(&good, "no signature", token, refused)
        })
        .into()
}

/// Attack 2: the public key as an HMAC secret.
pub fn attack_02_hmac() -> Vec<Attempt> {
    let mut attempts = Vec::new();
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
                let refused = Rejection::AlgNotAccepted;
                attempts.push(Attempt::new(
                    &good,
                    format!("{alg} as {name}"),
                    token,
                    refused,
                ));
            }
        }
    }
    attempts
}

/// The public key in the forms that libraries have taken for an HMAC secret.
fn public_spellings(jwk: &Jwk) -> Vec<Vec<u8>> {
    let json = serde_json::to_vec(jwk).unwrap();
    let number = match &jwk.material {
        Material::Ec { x, .. } | Material::Okp { x, .. } => x.clone(),
        Material::Rsa { n, .. } => n.clone(),
    };
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{number}\n-----END PUBLIC KEY-----\n");
    vec![
        json,
        number.as_bytes().to_vec(),
        pem.into_bytes(),
        Vec::new(),
    ]
}

/// Attack 2: the `alg` of another key family.
pub fn attack_02_family() -> Vec<Attempt> {
    let good = orders();
    [Alg::RS384, Alg::RS512, Alg::PS256, Alg::ES256, Alg::EdDSA]
        .map(|alg| {
            let forge = Forge::of(&good.token).header("alg", alg.as_str());
            let token = forge.sign(&shop_key(Alg::RS256));
            Attempt::new(&good, alg, token, Rejection::AlgOfKey)
        })
        .into()
}

/// Attack 3: an unsigned token inside an encrypted one.
pub fn attack_03_wrapped() -> Vec<Attempt> {
    let good = orders();
    let (_, claims) = Forge::of(&good.token).texts();
    let inner = format!("{}.{}.", segment(r#"{"alg":"none"}"#), segment(claims));
    ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "dir"]
        .map(|alg| {
            let header = json!({ "alg": alg, "enc": "A256GCM", "cty": "JWT" });
            let header = segment(header.to_string());
            let token = format!("{header}.AAAA.AAAA.{}.AAAA", segment(&inner));
            let refused = malformed(InvalidCompact::Segments);
            Attempt::new(&good, alg, token, refused)
        })
        .into()
}

/// Attack 4: the key inside the token, and an unknown key.
pub fn attack_04_embedded() -> Vec<Attempt> {
    let good = orders();
    let own = Pkcs8::generate(Alg::ES256).unwrap();
    let own = PrivateKey::from_pkcs8(Alg::ES256, &own).unwrap();
    let jwk = serde_json::to_value(own.jwk()).unwrap();
    let forge = Forge::of(&good.token);
    let embedded = forge.clone().header("jwk", jwk).sign_as(&own);
    let parameter = Rejection::HeaderParameter("jwk".to_owned());
    vec![
        Attempt::new(&good, "jwk", embedded, parameter),
        // Without the parameter its name is unknown, and an unknown key is not "no key".
        Attempt::new(
            &good,
            "an unknown kid",
            forge.sign_as(&own),
            Rejection::KeyUnknown,
        ),
    ]
}

/// Attack 5: `kid` of every kind.
pub fn attack_05_kids() -> Vec<Attempt> {
    let good = orders();
    let with = |kid: Value, refused| {
        let what = kid.to_string().chars().take(40).collect::<String>();
        let token = Forge::of(&good.token).header("kid", kid);
        Attempt::new(&good, what, token.sign(&shop_key(Alg::RS256)), refused)
    };
    let huge = json!("x".repeat(4000));
    [
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
    ]
    .into_iter()
    .map(|kid| with(kid, Rejection::KeyUnknown))
    .chain([with(huge.clone(), malformed(InvalidCompact::TooLarge))])
    .collect()
}

/// Attack 7: places from which a key could be fetched, or a certificate in its stead.
pub fn attack_07_fetches() -> Vec<Attempt> {
    with_parameters(&[
        ("jku", json!("https://evil.test/jwks.json")),
        ("x5u", json!("https://evil.test/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ])
}

/// Attack 11: parameters that change what the rest means.
pub fn attack_11_extensions() -> Vec<Attempt> {
    with_parameters(&[
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("cty", json!("JWT")),
        ("Alg", json!("none")),
        ("mintage", json!(1)),
    ])
}

fn with_parameters(parameters: &[(&str, Value)]) -> Vec<Attempt> {
    let good = orders();
    let attempt = |(name, value): &(&str, Value)| {
        let token = Forge::of(&good.token).header(name, value.clone());
        let token = token.sign(&shop_key(Alg::RS256));
        let refused = Rejection::HeaderParameter((*name).to_owned());
        Attempt::new(&good, format!("{name} {value}"), token, refused)
    };
    parameters.iter().map(attempt).collect()
}

/// Attack 10: ECDSA signatures of zeros.
pub fn attack_10_zeros() -> Vec<Attempt> {
    let good = Cluster::standard().good(PAYMENTS);
    let [header, claims, _] = parts(&good.token);
    // The order n of P-256: r or s equal to it is zero in the field.
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(&order[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let zeros = vec![0; 32];
    let one: Vec<u8> = [vec![0; 31], vec![1]].concat();
    [
        ("r = s = 0", &zeros, &zeros),
        ("r = 0", &zeros, &one),
        ("s = 0", &one, &zeros),
        ("r = s = n", &order, &order),
    ]
    .map(|(what, r, s)| {
        let token = format!("{header}.{claims}.{}", segment([r.as_slice(), s].concat()));
        Attempt::new(&good, what, token, Rejection::Signature)
    })
    .into()
}

/// Attack 10: signatures in another form than JWS writes them.
pub fn attack_10_forms() -> Vec<Attempt> {
    let good = Cluster::standard().good(PAYMENTS);
    let [header, claims, signature] = parts(&good.token);
    let of_another = orders().token;
    [
        ("DER", segment([0x30, 6, 2, 1, 1, 2, 1, 1])),
        ("half", signature[..40].to_owned()),
        ("twice", format!("{signature}{signature}")),
        ("another token's", parts(&of_another)[2].to_owned()),
    ]
    .map(|(what, forged)| {
        let token = format!("{header}.{claims}.{forged}");
        Attempt::new(&good, what, token, Rejection::Signature)
    })
    .into()
}

/// Attack 15: tokens that would be expensive to unpack, with a payload of which nothing may be read.
pub fn attack_15_bombs() -> Vec<Attempt> {
    let good = orders();
    let mut attempts = Vec::new();
    for (what, header) in [
        (
            "zip",
            json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }),
        ),
        (
            "PBES2",
            json!({ "alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2s": "AAAA", "p2c": u32::MAX }),
        ),
    ] {
        let header = segment(header.to_string());
        let token = format!("{header}.AAAA.AAAA.{}.AAAA", "A".repeat(4000));
        let refused = malformed(InvalidCompact::Segments);
        attempts.push(Attempt::new(&good, what, token, refused));
    }
    // As a signed token: refused for its header, so the payload, which is no base64url, was not looked at.
    for (name, value) in [
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("p2c", json!(u32::MAX)),
        ("p2s", json!("AAAA")),
    ] {
        let (header, _) = Forge::of(&good.token).header(name, value).texts();
        let token = format!("{}.%%%%.{}", segment(header), parts(&good.token)[2]);
        let refused = Rejection::HeaderParameter(name.to_owned());
        attempts.push(Attempt::new(&good, name, token, refused));
    }
    attempts
}
