use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::JwtSigner;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::BASE64URL;
use super::jwk::{Jwk, Material};
use super::roca::is_affected;
use crate::{Alg, Kid};

/// A private key as stored: PKCS#8 DER, wiped from memory when dropped, written as standard base64.
#[derive(Clone, Eq)]
pub struct Pkcs8(Zeroizing<Vec<u8>>);

/// In a time that depends on the lengths alone, so that no comparison tells how far two keys agree.
impl PartialEq for Pkcs8 {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Pkcs8 {
    /// Makes a new key for an algorithm: RSA of 2048 bits, P-256 or Ed25519. An RSA key takes about 70 ms.
    ///
    /// Together with the salts of PS256 and the nonces of ES256 this is the only randomness drawn in this crate: aws-lc
    /// takes none from outside. No decision depends on it.
    pub fn generate(alg: Alg) -> Result<Self, InvalidPrivateKey> {
        let der = match alg {
            Alg::EdDSA => Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref().to_vec(),
            Alg::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?
                .to_pkcs8v1()?
                .as_ref()
                .to_vec(),
            Alg::PS256 | Alg::RS256 | Alg::RS384 | Alg::RS512 => {
                RsaKeyPair::generate(KeySize::Rsa2048)?
                    .as_der()?
                    .as_ref()
                    .to_vec()
            }
        };
        Ok(Self(Zeroizing::new(der)))
    }

    /// Takes DER as it is; whether it is a key shows when it is opened ([`PrivateKey::from_pkcs8`]).
    pub fn from_der(der: Vec<u8>) -> Self {
        Self(Zeroizing::new(der))
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkcs8(…)")
    }
}

impl Serialize for Pkcs8 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for Pkcs8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The decoder's own error would quote a byte of the key.
        let der = STANDARD
            .decode(&*text)
            .map_err(|_| serde::de::Error::custom("a private key is not base64"))?;
        Ok(Self(Zeroizing::new(der)))
    }
}

/// A private key that cannot be used. It says nothing about the key's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidPrivateKey {
    /// The bytes are no PKCS#8 key of the algorithm.
    #[error("not a PKCS#8 private key of the stated algorithm")]
    Malformed,
    /// RSA below 2048 or above 8192 bits, or an exponent other than 65537.
    #[error("RSA keys must have 2048 to 8192 bits and the exponent 65537")]
    Size,
    /// The key can be computed from its public part.
    #[error(
        "the RSA key is of a kind that can be factored (CVE-2017-15361); make a new one with other means"
    )]
    Weak,
}

impl From<aws_lc_rs::error::Unspecified> for InvalidPrivateKey {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Malformed
    }
}

impl From<aws_lc_rs::error::KeyRejected> for InvalidPrivateKey {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Self::Malformed
    }
}

/// The crypto library refused to sign; no cause is known that a caller could mend.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("signing failed")]
pub struct SigningFailed;

/// A private key, parsed once, that signs with its one algorithm.
pub struct PrivateKey {
    jwk: Jwk,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl PrivateKey {
    /// Parses a stored key for an algorithm.
    pub fn from_pkcs8(alg: Alg, pkcs8: &Pkcs8) -> Result<Self, InvalidPrivateKey> {
        let der = pkcs8.0.as_slice();
        let encode = |bytes: &[u8]| BASE64URL.encode(bytes).into();
        let (pair, material) = match alg {
            Alg::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(der)?;
                let x = encode(pair.public_key().as_ref());
                (
                    Pair::Ed(pair),
                    Material::Okp {
                        crv: "Ed25519".into(),
                        x,
                    },
                )
            }
            Alg::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)?;
                // SEC 1 uncompressed point: 0x04, then 32 bytes of x and of y.
                let point = pair.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
                (
                    Pair::Ec(pair),
                    Material::Ec {
                        crv: "P-256".into(),
                        x,
                        y,
                    },
                )
            }
            Alg::PS256 => rsa(der, &RSA_PSS_SHA256)?,
            Alg::RS256 => rsa(der, &RSA_PKCS1_SHA256)?,
            Alg::RS384 => rsa(der, &RSA_PKCS1_SHA384)?,
            Alg::RS512 => rsa(der, &RSA_PKCS1_SHA512)?,
        };
        Ok(Self {
            jwk: Jwk::new(material, alg),
            pair,
        })
    }

    /// The public part.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The key's name.
    pub fn kid(&self) -> &Kid {
        &self.jwk.kid
    }

    /// The key's algorithm.
    pub fn alg(&self) -> Alg {
        self.jwk.alg
    }

    /// Signs a message; the signature is in the form of JWS (ECDSA: r and s, 64 bytes).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        match &self.pair {
            Pair::Ec(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| SigningFailed),
            Pair::Ed(pair) => pair
                .try_sign(message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| SigningFailed),
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| SigningFailed)?;
                Ok(signature)
            }
        }
    }
}

fn rsa(
    der: &[u8],
    encoding: &'static dyn RsaEncoding,
) -> Result<(Pair, Material), InvalidPrivateKey> {
    let pair = RsaKeyPair::from_pkcs8(der)?;
    let public = pair.public_key();
    let e = public.exponent().big_endian_without_leading_zero();
    if !(256..=1024).contains(&pair.public_modulus_len()) || e != [1, 0, 1] {
        return Err(InvalidPrivateKey::Size);
    }
    let n = public.modulus().big_endian_without_leading_zero();
    if is_affected(n) {
        return Err(InvalidPrivateKey::Weak);
    }
    let material = Material::Rsa {
        e: BASE64URL.encode(e).into(),
        n: BASE64URL.encode(n).into(),
    };
    Ok((Pair::Rsa(pair, encoding), material))
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("kid", self.kid())
            .field("alg", &self.alg())
            .finish_non_exhaustive()
    }
}

impl signature::Signer<Vec<u8>> for PrivateKey {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        self.sign(message).map_err(|_| signature::Error::new())
    }
}

/// The key behind jsonwebtoken's own interface. That crate's signers parse an RSA key again for every signature, which
/// halves their speed; this one has parsed it once.
impl JwtSigner for PrivateKey {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        self.alg().into()
    }
}
