use crate::code::Coded as _;
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

crate::coded! {
    /// The reasons for which a token is rejected: those of [`Rejection`] and [`OutOfBounds`].
    pub enum Rule {
        /// [`Rejection::AlgNotAccepted`].
        AlgNotAccepted = "alg-not-accepted",
        /// [`Rejection::AlgNotOfAudience`].
        AlgNotOfAudience = "alg-not-of-audience",
        /// [`Rejection::AlgOfKey`].
        AlgOfKey = "alg-of-key",
        /// [`Rejection::Audience`].
        Audience = "audience",
        /// [`Rejection::Claim`].
        Claim = "claim",
        /// [`Rejection::Constrained`].
        Constrained = "constrained",
        /// [`Rejection::Expired`].
        Expired = "expired",
        /// [`Rejection::HeaderParameter`].
        HeaderParameter = "header-parameter",
        /// [`Rejection::IssuedInFuture`].
        IssuedInFuture = "issued-in-future",
        /// [`Rejection::Issuer`].
        Issuer = "issuer",
        /// [`Rejection::KeyNotActive`].
        KeyNotActive = "key-not-active",
        /// [`Rejection::KeyRemoved`].
        KeyRemoved = "key-removed",
        /// [`Rejection::KeyRevoked`].
        KeyRevoked = "key-revoked",
        /// [`Rejection::KeyUnknown`].
        KeyUnknown = "key-unknown",
        /// [`Rejection::Lifetime`].
        Lifetime = "lifetime",
        /// [`Rejection::Malformed`].
        Malformed = "malformed",
        /// [`Rejection::NotYetValid`].
        NotYetValid = "not-yet-valid",
        /// [`OutOfBounds::Audience`].
        OutOfBoundsAudience = "out-of-bounds-audience",
        /// [`OutOfBounds::Claims`].
        OutOfBoundsClaims = "out-of-bounds-claims",
        /// [`OutOfBounds::Client`].
        OutOfBoundsClient = "out-of-bounds-client",
        /// [`OutOfBounds::Scope`].
        OutOfBoundsScope = "out-of-bounds-scope",
        /// [`OutOfBounds::Subject`].
        OutOfBoundsSubject = "out-of-bounds-subject",
        /// [`Rejection::Signature`].
        Signature = "signature",
        /// [`Rejection::Type`].
        Type = "type",
    }
}

impl Rejection {
    /// The reason.
    pub fn rule(&self) -> Rule {
        match self {
            Self::AlgNotAccepted => Rule::AlgNotAccepted,
            Self::AlgNotOfAudience => Rule::AlgNotOfAudience,
            Self::AlgOfKey => Rule::AlgOfKey,
            Self::Audience => Rule::Audience,
            Self::Claim(_) => Rule::Claim,
            Self::Constrained => Rule::Constrained,
            Self::Expired => Rule::Expired,
            Self::HeaderParameter(_) => Rule::HeaderParameter,
            Self::IssuedInFuture => Rule::IssuedInFuture,
            Self::Issuer => Rule::Issuer,
            Self::KeyNotActive => Rule::KeyNotActive,
            Self::KeyRemoved => Rule::KeyRemoved,
            Self::KeyRevoked => Rule::KeyRevoked,
            Self::KeyUnknown => Rule::KeyUnknown,
            Self::Lifetime => Rule::Lifetime,
            Self::Malformed(_) => Rule::Malformed,
            Self::NotYetValid => Rule::NotYetValid,
            Self::OutOfBounds { what, .. } => match what {
                OutOfBounds::Audience => Rule::OutOfBoundsAudience,
                OutOfBounds::Claims => Rule::OutOfBoundsClaims,
                OutOfBounds::Client => Rule::OutOfBoundsClient,
                OutOfBounds::Scope => Rule::OutOfBoundsScope,
                OutOfBounds::Subject => Rule::OutOfBoundsSubject,
            },
            Self::Signature => Rule::Signature,
            Self::Type => Rule::Type,
        }
    }

    /// The reason's name: stable, for logs and metrics.
    pub fn code(&self) -> &'static str {
        self.rule().code()
    }
}
