use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use jsonwebtoken::crypto::JwtVerifier;

use super::BASE64URL;
use super::jwk::{InvalidJwk, Jwk, Material};
use super::roca::is_affected;
use crate::Alg;

/// A public key, parsed once, that verifies signatures of its one algorithm.
#[derive(Clone, Debug)]
pub struct PublicKey {
    alg: Alg,
    key: ParsedPublicKey,
}

/// `n` has at most this many bytes (8192 bits), so that a crafted key cannot make verification slow.
const MAX_MODULUS: usize = 1024;

impl PublicKey {
    /// Takes the key of a JWK; its numbers are checked here (length, curve, point on the curve, exponent).
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, InvalidJwk> {
        let key = match (&jwk.material, jwk.alg) {
            (Material::Ec { crv, x, y }, Alg::ES256) if &**crv == "P-256" => {
                // SEC 1 uncompressed point.
                let point = [[4].as_slice(), &coordinate(x)?, &coordinate(y)?].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .map_err(|_| InvalidJwk::Material)?
            }
            (Material::Okp { crv, x }, Alg::EdDSA) if &**crv == "Ed25519" => {
                ParsedPublicKey::new(&ED25519, coordinate(x)?).map_err(|_| InvalidJwk::Material)?
            }
            (Material::Rsa { e, n }, alg) => {
                rsa(e, n, rsa_parameters(alg).ok_or(InvalidJwk::Algorithm)?)?
            }
            _ => return Err(InvalidJwk::Algorithm),
        };
        Ok(Self { alg: jwk.alg, key })
    }

    /// The key's algorithm.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Whether `signature` is the key's signature over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl signature::Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        if self.verifies(message, signature) {
            Ok(())
        } else {
            Err(signature::Error::new())
        }
    }
}

/// The key behind jsonwebtoken's own interface: it verifies with the key parsed once, where that crate's own verifiers
/// parse it again for each token.
impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        self.alg.into()
    }
}

/// The verification parameters of an RSA algorithm.
fn rsa_parameters(alg: Alg) -> Option<&'static RsaParameters> {
    match alg {
        Alg::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
        Alg::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Alg::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Alg::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Alg::EdDSA | Alg::ES256 => None,
    }
}

fn coordinate(text: &str) -> Result<[u8; 32], InvalidJwk> {
    BASE64URL
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(InvalidJwk::Malformed(
            "a coordinate is not base64url of 32 bytes",
        ))
}

fn rsa(
    e: &str,
    n: &str,
    parameters: &'static RsaParameters,
) -> Result<ParsedPublicKey, InvalidJwk> {
    let number = |text: &str| {
        BASE64URL
            .decode(text)
            .ok()
            // RFC 7518 section 2 (Base64urlUInt): no leading zero octets.
            .filter(|bytes| {
                bytes.first().is_some_and(|first| *first != 0) && bytes.len() <= MAX_MODULUS
            })
            .ok_or(InvalidJwk::Malformed("n or e is not a base64url number"))
    };
    let (e, n) = (number(e)?, number(n)?);
    // 65537 is what everybody uses. A huge exponent makes verification slow, a tiny one has been attacked.
    if e != [1, 0, 1] {
        return Err(InvalidJwk::Material);
    }
    if n.len() < 256 || is_affected(&n) {
        return Err(InvalidJwk::Material);
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(parameters)
        .map_err(|_| InvalidJwk::Material)
}
