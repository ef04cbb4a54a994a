//! Public keys as they are published.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::Alg;
use mintage_core::jose::{Jwk, Material, PublicKey};
use mintage_core::jwks::Jwks;
use mintage_fuzz::edited;
use serde_json::Value;

use crate::cluster::Cluster;

const WORDS: &[&str] = &[
    "\"kty\":\"RSA\",",
    "\"kty\":\"EC\",",
    "\"kty\":\"OKP\",",
    "\"kty\":\"oct\",",
    "\"crv\":\"P-256\",",
    "\"crv\":\"P-384\",",
    "\"crv\":\"X25519\",",
    "\"d\":\"AA\",",
    "\"k\":\"AA\",",
    "\"use\":\"enc\",",
    "\"use\":\"sig\",",
    "\"key_ops\":[\"verify\"],",
    "\"key_ops\":[\"sign\"],",
    "\"alg\":\"ES256\",",
    "\"alg\":\"PS256\",",
    "\"alg\":\"none\",",
    "\"e\":\"AQAB\",",
    "\"e\":\"AQ\",",
    "\"n\":\"AQAB\",",
    "\"kid\":\"a\",",
    "AAAAAAAA",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\u0064",
    "null",
    "1",
];

/// A valid key of each kind, as JSON.
static KEYS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let key = |alg| Cluster::standard().key("identity/acme/shop", alg);
    [Alg::RS256, Alg::ES256, Alg::EdDSA]
        .map(|alg| serde_json::to_vec(key(alg).jwk()).unwrap())
        .into()
});

pub fn check(input: &[u8]) {
    read(input);
    for key in &*KEYS {
        read(&edited(key, input, WORDS));
    }
}

fn read(bytes: &[u8]) {
    let parsed = Jwk::parse(bytes);
    assert_eq!(parsed, Jwk::parse(bytes), "the same verdict twice");
    if let Ok(jwk) = parsed {
        accepted(bytes, &jwk);
    }
    // A set is what other parties publish, as serde reads it.
    if let Ok(set) = serde_json::from_slice::<Jwks>(bytes) {
        let written = serde_json::to_vec(&set).unwrap();
        assert_eq!(serde_json::from_slice::<Jwks>(&written).unwrap(), set);
        for jwk in &set.keys {
            usable(jwk);
        }
    }
}

/// What holds for every key that is taken.
fn accepted(bytes: &[u8], jwk: &Jwk) {
    let source: Value = serde_json::from_slice(bytes).unwrap();
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(source.get(private).is_none(), "{source}");
    }
    if source.get("kid").is_none() {
        assert_eq!(jwk.kid, jwk.material.thumbprint());
    }
    let written = serde_json::to_vec(jwk).unwrap();
    assert_eq!(Jwk::parse(&written).as_ref(), Ok(jwk), "as it was written");
    usable(jwk);
}

/// A key with which signatures are checked has the size that its algorithm asks for, and checks them.
fn usable(jwk: &Jwk) {
    let key = PublicKey::from_jwk(jwk);
    assert_eq!(key.is_ok(), PublicKey::from_jwk(jwk).is_ok());
    let Ok(key) = key else { return };
    assert_eq!(key.alg(), jwk.alg);
    let length = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap().len();
    match &jwk.material {
        Material::Ec { crv, x, y } => {
            assert_eq!((&**crv, length(x), length(y)), ("P-256", 32, 32));
            assert_eq!(jwk.alg, Alg::ES256);
        }
        Material::Okp { crv, x } => {
            assert_eq!((&**crv, length(x)), ("Ed25519", 32));
            assert_eq!(jwk.alg, Alg::EdDSA);
        }
        Material::Rsa { e, n } => {
            assert_eq!(&**e, "AQAB");
            assert!((256..=1024).contains(&length(n)), "{n}");
            assert!(jwk.alg.is_rsa());
        }
    }
    for signature in [&[][..], &[0; 64], &[0; 256]] {
        assert!(!key.verifies(b"message", signature));
    }
}
