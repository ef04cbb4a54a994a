use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BASE64URL;
use crate::{Alg, Kid};

/// A public key as published: RFC 7517 with `use: sig`, one `alg`, and the thumbprint as `kid`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Jwk {
    /// The key's numbers.
    #[serde(flatten)]
    pub material: Material,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: Usage,
    /// The one algorithm of the key.
    pub alg: Alg,
    /// Its name.
    pub kid: Kid,
}

/// The value of `use`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Usage {
    /// Signatures.
    #[serde(rename = "sig")]
    Sig,
}

/// The numbers of a public key, base64url (RFC 7518 section 6, RFC 8037 section 2). A key is in every bundle that lists
/// it, and they all have these in common.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kty")]
pub enum Material {
    /// P-256.
    #[serde(rename = "EC")]
    Ec {
        /// Always `P-256`.
        crv: Arc<str>,
        /// 32 bytes.
        x: Arc<str>,
        /// 32 bytes.
        y: Arc<str>,
    },
    /// Ed25519.
    #[serde(rename = "OKP")]
    Okp {
        /// Always `Ed25519`.
        crv: Arc<str>,
        /// 32 bytes.
        x: Arc<str>,
    },
    /// RSA, 2048 to 8192 bits.
    #[serde(rename = "RSA")]
    Rsa {
        /// The public exponent.
        e: Arc<str>,
        /// The modulus.
        n: Arc<str>,
    },
}

/// A JWK that is not a public signature key of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidJwk {
    /// `alg` and `kty`/`crv` do not belong together, or there is no `alg`.
    #[error("the JWK's alg is missing, unknown, or not one for its kty")]
    Algorithm,
    /// A member has the wrong type or form.
    #[error("the JWK is malformed: {0}")]
    Malformed(&'static str),
    /// The numbers are no key, or too weak a one.
    #[error("the JWK's numbers are not an acceptable key")]
    Material,
    /// It carries private members.
    #[error("the JWK carries private key material; only its public part may be published")]
    Private,
    /// `use` or `key_ops` say that it does not verify signatures.
    #[error("the JWK is not for verifying signatures")]
    Usage,
}

impl Material {
    /// The RFC 7638 thumbprint: SHA-256 over the required members in lexical order.
    pub fn thumbprint(&self) -> Kid {
        // The members hold base64url and curve names only, so no character needs escaping.
        let canonical = match self {
            Self::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::Rsa { e, n } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        let name = BASE64URL.encode(digest(&SHA256, canonical.as_bytes()));
        Kid::parse(&name).expect("base64url of 32 bytes is a kid")
    }
}

impl Jwk {
    /// Publishes key material for one algorithm under its thumbprint.
    pub fn new(material: Material, alg: Alg) -> Self {
        let kid = material.thumbprint();
        Self {
            material,
            usage: Usage::Sig,
            alg,
            kid,
        }
    }

    /// Reads a JWK from anywhere, strictly: known members of the right type, no private part, fit for signatures, one
    /// algorithm. The algorithm is `alg`, or where it is absent the only one its curve has; an RSA key must say it.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidJwk> {
        let value = crate::json::parse(bytes)
            .map_err(|_| InvalidJwk::Malformed("not JSON, or a member named twice"))?;
        Self::from_value(&value)
    }

    /// As [`Jwk::parse`], of JSON that was read already.
    pub fn from_value(value: &Value) -> Result<Self, InvalidJwk> {
        let members = value
            .as_object()
            .ok_or(InvalidJwk::Malformed("not an object"))?;
        let text = |name: &'static str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(InvalidJwk::Malformed("a member is not a string")),
        };
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .iter()
            .any(|name| members.contains_key(*name))
        {
            return Err(InvalidJwk::Private);
        }
        if text("use")?.is_some_and(|usage| usage != "sig") {
            return Err(InvalidJwk::Usage);
        }
        match members.get("key_ops") {
            None => {}
            Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => {}
            Some(_) => return Err(InvalidJwk::Usage),
        }
        let need = |name| {
            text(name)?
                .map(Arc::from)
                .ok_or(InvalidJwk::Malformed("a required member is missing"))
        };
        let material = match text("kty")? {
            Some("EC") => Material::Ec {
                crv: need("crv")?,
                x: need("x")?,
                y: need("y")?,
            },
            Some("OKP") => Material::Okp {
                crv: need("crv")?,
                x: need("x")?,
            },
            Some("RSA") => Material::Rsa {
                e: need("e")?,
                n: need("n")?,
            },
            _ => return Err(InvalidJwk::Malformed("kty is not EC, OKP or RSA")),
        };
        let alg = match (text("alg")?, &material) {
            (Some(name), _) => name.parse().map_err(|_| InvalidJwk::Algorithm)?,
            (None, Material::Ec { .. }) => Alg::ES256,
            (None, Material::Okp { .. }) => Alg::EdDSA,
            (None, Material::Rsa { .. }) => return Err(InvalidJwk::Algorithm),
        };
        let kid = match text("kid")? {
            Some(kid) => Kid::parse(kid).map_err(|_| InvalidJwk::Malformed("kid"))?,
            None => material.thumbprint(),
        };
        Ok(Self {
            material,
            usage: Usage::Sig,
            alg,
            kid,
        })
    }
}
