//! Bad tokens, each a good one of `shop/checkout` for the orders API with one thing changed.

use mintage_core::Alg;
use serde_json::json;

use crate::cluster::{ACME, Cluster, Forge, GLOBEX, LEDGER, NOW, ORDERS, segment, sign_texts};

/// A token that the orders API accepts.
pub fn good() -> String {
    Cluster::standard().token(ACME, "shop/checkout", ORDERS)
}

/// Tokens that it refuses, each with the reason's code.
pub fn bad() -> Vec<(&'static str, String)> {
    let cluster = Cluster::standard();
    let good = good();
    let key = cluster.key("identity/acme/shop", Alg::RS256);
    let stranger = cluster.key("identity/acme/shop-evil", Alg::RS256);
    let forge = Forge::of(&good);
    let claim = |name, value| forge.clone().claim(name, value).sign(&key);
    let header = |name, value| forge.clone().header(name, value).sign(&key);
    let times = |iat: i64, exp: i64| {
        let forge = forge.clone().claim("iat", NOW.0 + iat);
        forge.claim("exp", NOW.0 + exp).sign(&key)
    };
    let (head, claims) = forge.texts();
    let unsigned = segment(head.replace("RS256", "none")) + "." + &segment(&claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let payload = signed.split_once('.').unwrap().1;
    let changed = segment(claims.replace("read:orders", "read:other0"));
    vec![
        ("malformed", "abc".to_owned()),
        ("malformed", good.clone() + ".x"),
        ("malformed", format!("{unsigned}.")),
        ("malformed", "a".repeat(9000)),
        ("alg-not-accepted", unsigned + ".eA"),
        ("alg-not-accepted", header("alg", json!("HS256"))),
        ("alg-of-key", header("alg", json!("PS256"))),
        ("signature", forge.sign(&stranger)),
        ("signature", good.replace(payload, &changed)),
        ("signature", format!("{signed}.{}", flip(signature))),
        ("key-unknown", header("kid", json!("nobody"))),
        (
            "key-unknown",
            cluster.token(GLOBEX, "shop/checkout", ORDERS),
        ),
        ("type", header("typ", json!("id+jwt"))),
        (
            "header-parameter",
            header("jku", json!("https://evil.test/jwks")),
        ),
        ("header-parameter", header("jwk", json!({}))),
        ("header-parameter", header("crit", json!(["exp"]))),
        ("claim", claim("iat", json!(null))),
        ("claim", claim("exp", json!("tomorrow"))),
        (
            "claim",
            sign_texts(
                &head,
                &claims.replace("\"aud\"", "\"iss\":\"x\",\"aud\""),
                &key,
            ),
        ),
        ("constrained", claim("cnf", json!({"jkt": "x"}))),
        ("expired", times(-1000, -30)),
        ("issued-in-future", times(31, 1000)),
        ("not-yet-valid", claim("nbf", json!(NOW.0 + 31))),
        ("lifetime", times(0, 86_401)),
        ("issuer", claim("iss", json!("https://globex.test:7743/"))),
        ("audience", claim("aud", json!("https://elsewhere.test"))),
        ("audience", cluster.token(ACME, "shop/checkout", LEDGER)),
        (
            "out-of-bounds-client",
            claim("azp", json!("shop-evil/checkout")),
        ),
        (
            "out-of-bounds-client",
            claim("azp", json!("an-application")),
        ),
        ("out-of-bounds-subject", claim("sub", json!("auth0|user"))),
        (
            "out-of-bounds-scope",
            claim("scope", json!("read:orders admin:orders")),
        ),
        ("out-of-bounds-claims", claim("act", json!({"sub": "x"}))),
        (
            "out-of-bounds-audience",
            claim("aud", json!([ORDERS, "https://acme.test/userinfo"])),
        ),
    ]
}

/// Changes a letter in the middle, where no bits are left over.
fn flip(signature: &str) -> String {
    let mut bytes = signature.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}
