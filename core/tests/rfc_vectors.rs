//! Examples from the RFCs, and jsonwebtoken as a second reader and writer of the same tokens.

#![expect(
    clippy::unwrap_used,
    reason = "helpers are test code, though no test functions themselves"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use mintage_core::Alg;
use mintage_core::claims::{Content, header_segment, payload_segment};
use mintage_core::jose::{Compact, Jwk, Pkcs8, PrivateKey, PublicKey};
use mintage_core::world::Dialect;
use mintage_core::{Issuer, UnixTime};
use serde_json::{Value, json};

/// RFC 7515 appendix A.2: the public key and the token.
const A2_JWK: &str = r#"{"kty":"RSA","alg":"RS256","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
const A2_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/// RFC 7515 appendix A.3.
const A3_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const A3_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 8037 appendices A.2, A.4 and A.5.
const ED_JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

#[test]
fn rfc_7515_and_8037_signatures() {
    for (section, jwk, token) in [
        ("RFC 7515 A.2", A2_JWK, A2_TOKEN),
        ("RFC 7515 A.3", A3_JWK, A3_TOKEN),
        ("RFC 8037 A.4, A.5", ED_JWK, ED_TOKEN),
    ] {
        let key = PublicKey::from_jwk(&Jwk::parse(jwk.as_bytes()).unwrap()).unwrap();
        let compact = Compact::parse(token).unwrap();
        let input = compact.signing_input.as_bytes();
        assert_eq!(compact.header["alg"], key.alg().as_str(), "{section}");
        assert!(key.verifies(input, &compact.signature), "{section}");
        for place in [0, 7, compact.signature.len() - 1] {
            let mut signature = compact.signature.clone();
            signature[place] ^= 1;
            assert!(!key.verifies(input, &signature), "{section}: byte {place}");
        }
        assert!(!key.verifies(&input[1..], &compact.signature), "{section}");
    }
}

#[test]
fn rfc_8037_payload() {
    let compact = Compact::parse(ED_TOKEN).unwrap();
    assert_eq!(compact.payload().unwrap(), b"Example of Ed25519 signing");
}

#[test]
fn rfc_7638_and_8037_thumbprints() {
    let rfc7638 = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256"}"#;
    for (jwk, thumbprint) in [
        (rfc7638, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ED_JWK, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ] {
        let jwk = Jwk::parse(jwk.as_bytes()).unwrap();
        assert_eq!(jwk.material.thumbprint().as_str(), thumbprint);
        assert_eq!(
            jwk.kid.as_str(),
            thumbprint,
            "the name of a key that has none"
        );
    }
}

fn key(alg: Alg) -> (PrivateKey, Pkcs8) {
    let pkcs8 = Pkcs8::generate(alg).unwrap();
    (PrivateKey::from_pkcs8(alg, &pkcs8).unwrap(), pkcs8)
}

fn token(key: &PrivateKey, dialect: Dialect) -> String {
    let issuer: Issuer = "https://acme.test/".parse().unwrap();
    let content = Content {
        audience: &"https://orders.test".parse().unwrap(),
        client: &"shop/checkout".parse().unwrap(),
        dialect,
        issued_at: UnixTime(1_795_000_000),
        issuer: &issuer,
        lifetime: 86_400 * 365 * 50, // jsonwebtoken reads the clock
        scope: "read:orders",
    };
    let header = header_segment(key.alg(), dialect, key.kid());
    key.sign_compact(&header, &payload_segment(content, [1; 16]))
        .unwrap()
}

#[test]
fn jsonwebtoken_accepts_our_tokens_of_every_alg() {
    for alg in Alg::ALL {
        let (key, _) = key(alg);
        let published = serde_json::to_string(key.jwk()).unwrap();
        let read: jsonwebtoken::jwk::Jwk = serde_json::from_str(&published).unwrap();
        let decoding = DecodingKey::from_jwk(&read).unwrap();
        let mut validation = Validation::new(alg.into());
        validation.set_audience(&["https://orders.test"]);
        validation.set_issuer(&["https://acme.test/"]);
        for dialect in [Dialect::Auth0, Dialect::Rfc9068] {
            let token = token(&key, dialect);
            let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
            assert_eq!(
                decoded.header.kid.as_deref(),
                Some(key.kid().as_str()),
                "{alg}"
            );
            assert_eq!(decoded.claims["sub"], "shop/checkout@clients", "{alg}");
            let mut forged = token.into_bytes();
            let last = forged.len() - 20;
            forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(jsonwebtoken::decode::<Value>(&forged, &decoding, &validation).is_err());
        }
    }
}

#[test]
fn we_accept_jsonwebtokens_signatures_of_every_alg() {
    for alg in Alg::ALL {
        let (key, pkcs8) = key(alg);
        let der = serde_json::to_value(&pkcs8).unwrap();
        let der = STANDARD.decode(der.as_str().unwrap()).unwrap();
        let encoding = match alg {
            Alg::ES256 => EncodingKey::from_ec_der(&der),
            Alg::EdDSA => EncodingKey::from_ed_der(&der),
            // It wants PKCS#1, which lies in PKCS#8 behind 26 bytes for a key of 2048 bits.
            _ => EncodingKey::from_rsa_der(&der[26..]),
        };
        let header = Header::new(alg.into());
        let token = jsonwebtoken::encode(&header, &json!({ "a": 1 }), &encoding).unwrap();
        let compact = Compact::parse(&token).unwrap();
        let public = PublicKey::from_jwk(key.jwk()).unwrap();
        assert!(
            public.verifies(compact.signing_input.as_bytes(), &compact.signature),
            "{alg}"
        );
    }
}
