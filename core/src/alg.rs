//! The signature algorithms a key of ours may have (RFC 7518 section 3.1, RFC 8037).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An asymmetric JWS algorithm. `none` and the HMAC family cannot be written with this type, so a token that asks for
/// them cannot reach a key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Alg {
    /// Ed25519 (RFC 8037).
    EdDSA,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
}

impl Alg {
    /// Every algorithm, in the order of its name.
    pub const ALL: [Self; 6] = [
        Self::EdDSA,
        Self::ES256,
        Self::PS256,
        Self::RS256,
        Self::RS384,
        Self::RS512,
    ];

    /// The name in a JOSE header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::PS256 => "PS256",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
        }
    }

    /// Whether the same input always gives the same signature. Only then may one signature serve every equal request
    /// of a second.
    pub const fn is_deterministic(self) -> bool {
        matches!(self, Self::EdDSA | Self::RS256 | Self::RS384 | Self::RS512)
    }

    /// Whether keys of this algorithm are RSA keys, which every client library reads.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::PS256 | Self::RS256 | Self::RS384 | Self::RS512)
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Alg> for jsonwebtoken::Algorithm {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::EdDSA => Self::EdDSA,
            Alg::ES256 => Self::ES256,
            Alg::PS256 => Self::PS256,
            Alg::RS256 => Self::RS256,
            Alg::RS384 => Self::RS384,
            Alg::RS512 => Self::RS512,
        }
    }
}

/// The name is none of ours. Names are compared exactly: `NONE`, `rs256` and `HS256` all end here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("algorithm is not one of EdDSA, ES256, PS256, RS256, RS384, RS512")]
pub struct UnknownAlg;

impl FromStr for Alg {
    type Err = UnknownAlg;

    fn from_str(name: &str) -> Result<Self, UnknownAlg> {
        Self::ALL
            .into_iter()
            .find(|alg| alg.as_str() == name)
            .ok_or(UnknownAlg)
    }
}
