use crate::keyring::Owner;

/// Why a token is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The header's `alg` is none of ours: `none`, HMAC, or unknown.
    #[error("the token's alg is not an accepted signature algorithm")]
    AlgNotAccepted,
    /// The audience's tokens do not have this algorithm.
    #[error("the API does not accept tokens signed with this alg")]
    AlgNotOfAudience,
    /// The header's `alg` is not the key's.
    #[error("the token's alg is not the one of its key")]
    AlgOfKey,
    /// `aud` is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// A claim is missing or has the wrong form.
    #[error("claim {0} is missing or malformed")]
    Claim(&'static str),
    /// The token is bound to a key or certificate (`cnf`), which a bearer cannot prove.
    #[error("the token is sender-constrained and cannot be used as a bearer token")]
    Constrained,
    /// `exp` is in the past.
    #[error("the token has expired")]
    Expired,
    /// The header has a parameter that is not accepted: an embedded or remote key, `crit`, `b64`, `zip`, `enc` …
    #[error("header parameter {0:?} is not accepted")]
    HeaderParameter(String),
    /// `iat` is in the future.
    #[error("the token says it was issued in the future")]
    IssuedInFuture,
    /// `iss` is no issuer of the tenant, or for the Management API not the host called.
    #[error("the token's issuer is not accepted here")]
    Issuer,
    /// The key is past its life.
    #[error("the token's key has been withdrawn")]
    KeyRemoved,
    /// The key was revoked.
    #[error("the token's key has been revoked")]
    KeyRevoked,
    /// No `kid`, or one that is not known.
    #[error("the token's key is not known here")]
    KeyUnknown,
    /// The key does not sign yet.
    #[error("the token's key is not active yet")]
    KeyNotActive,
    /// It lives longer than any token under its key may.
    #[error("the token's life is longer than any that was issued")]
    Lifetime,
    /// Not a compact JWS at all.
    #[error("malformed token: {0}")]
    Malformed(#[from] crate::jose::InvalidCompact),
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A namespace's key spoke for something it may not speak for.
    #[error("{owner} may not speak for this token: {what}")]
    OutOfBounds {
        /// Whose key signed.
        owner: Box<Owner>,
        /// What was out of bounds.
        what: OutOfBounds,
    },
    /// The signature is not the key's over this token.
    #[error("the signature is invalid")]
    Signature,
    /// `typ` is neither `JWT` nor `at+jwt`.
    #[error("the token's typ is not that of an access token")]
    Type,
}

/// Which bound of a namespace's key was overstepped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OutOfBounds {
    /// An audience that was not granted to the namespace, several audiences, or one with central issuance.
    #[error("audience")]
    Audience,
    /// A claim that workloads' tokens do not have: `act`, `permissions`, `org_id`, anything.
    #[error("claims")]
    Claims,
    /// A client of another namespace, or an application.
    #[error("client")]
    Client,
    /// A scope that was not granted to the namespace.
    #[error("scope")]
    Scope,
    /// A user.
    #[error("subject")]
    Subject,
}

impl Rejection {
    /// The reason's name: stable, for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlgNotAccepted => "alg-not-accepted",
            Self::AlgNotOfAudience => "alg-not-of-audience",
            Self::AlgOfKey => "alg-of-key",
            Self::Audience => "audience",
            Self::Claim(_) => "claim",
            Self::Constrained => "constrained",
            Self::Expired => "expired",
            Self::HeaderParameter(_) => "header-parameter",
            Self::IssuedInFuture => "issued-in-future",
            Self::Issuer => "issuer",
            Self::KeyNotActive => "key-not-active",
            Self::KeyRemoved => "key-removed",
            Self::KeyRevoked => "key-revoked",
            Self::KeyUnknown => "key-unknown",
            Self::Lifetime => "lifetime",
            Self::Malformed(_) => "malformed",
            Self::NotYetValid => "not-yet-valid",
            Self::OutOfBounds { what, .. } => match what {
                OutOfBounds::Audience => "out-of-bounds-audience",
                OutOfBounds::Claims => "out-of-bounds-claims",
                OutOfBounds::Client => "out-of-bounds-client",
                OutOfBounds::Scope => "out-of-bounds-scope",
                OutOfBounds::Subject => "out-of-bounds-subject",
            },
            Self::Signature => "signature",
            Self::Type => "type",
        }
    }
}
