//! What a token says: the claims of a client-credentials access token in the two dialects.

use base64::Engine as _;
use serde::Serialize;

use crate::jose::{BASE64URL, encode_segment};
use crate::world::Dialect;
use crate::{Alg, Identifier, Issuer, Kid, Seconds, UnixTime, WorkloadId};

/// The random bytes of a `jti`.
pub type Jti = [u8; 16];

/// A `jti` as it stands in a token.
pub fn jti_text(jti: &Jti) -> String {
    BASE64URL.encode(jti)
}

/// The `sub` of a client acting for itself, as Auth0 writes it: `<client_id>@clients`.
pub fn client_subject(client: &str) -> String {
    format!("{client}@clients")
}

/// The value of Auth0's `gty` in a client-credentials token.
pub const GTY_CLIENT_CREDENTIALS: &str = "client-credentials";

impl Dialect {
    /// The header's `typ` (RFC 9068 section 2.1 for the latter).
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Auth0 => "JWT",
            Self::Rfc9068 => "at+jwt",
        }
    }

    /// The name in an `ApiAudience`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth0 => "Auth0",
            Self::Rfc9068 => "RFC9068",
        }
    }

    /// Whether its tokens carry a `jti`, so that no two are equal.
    pub const fn has_jti(self) -> bool {
        matches!(self, Self::Rfc9068)
    }
}

/// Everything that a token of a workload says, but for `jti`.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// `aud`.
    pub audience: &'a Identifier,
    /// `azp` or `client_id`, and in `sub`.
    pub client: &'a WorkloadId,
    /// The shape.
    pub dialect: Dialect,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `iss`.
    pub issuer: &'a Issuer,
    /// `exp` minus `iat`.
    pub lifetime: Seconds,
    /// `scope`; absent where empty.
    pub scope: &'a str,
}

/// The header segment of every token under one key in one dialect.
pub fn header_segment(alg: Alg, dialect: Dialect, kid: &Kid) -> String {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: Alg,
        typ: &'static str,
        kid: &'a Kid,
    }
    encode_segment(&Header {
        alg,
        typ: dialect.typ(),
        kid,
    })
}

/// The payload segment; `jti` is used where the dialect has one.
pub fn payload_segment(content: Content<'_>, jti: Jti) -> String {
    #[derive(Serialize)]
    struct Payload<'a> {
        iss: &'a Issuer,
        sub: String,
        aud: &'a Identifier,
        iat: UnixTime,
        exp: UnixTime,
        #[serde(skip_serializing_if = "str::is_empty")]
        scope: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        gty: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        azp: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        jti: Option<String>,
    }
    let client = content.client.to_string();
    let rfc9068 = content.dialect == Dialect::Rfc9068;
    encode_segment(&Payload {
        iss: content.issuer,
        sub: client_subject(&client),
        aud: content.audience,
        iat: content.issued_at,
        exp: content.issued_at + content.lifetime,
        scope: content.scope,
        gty: (!rfc9068).then_some(GTY_CLIENT_CREDENTIALS),
        azp: (!rfc9068).then_some(&client),
        client_id: rfc9068.then_some(&client),
        jti: content.dialect.has_jti().then(|| jti_text(&jti)),
    })
}
