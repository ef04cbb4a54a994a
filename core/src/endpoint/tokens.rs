//! What tokens of users and applications say.

use serde::Serialize;
use serde_json::{Map, Value};

use super::users::Profile;
use crate::claims::{GTY_CLIENT_CREDENTIALS, Jti, client_subject, jti_text};
use crate::ident::write_scopes;
use crate::jose::encode_segment;
use crate::world::Dialect;
use crate::{ClientId, Issuer, Scope, Seconds, UnixTime, UserId};

/// An access token for a custom API or the Management API.
#[derive(Clone, Debug)]
pub struct UserToken<'a> {
    /// `iss`: the domain that it was asked from (row S5).
    pub issuer: &'a Issuer,
    /// The user; `None` for an application that acts for itself.
    pub user: Option<&'a UserId>,
    /// The application.
    pub client: &'a ClientId,
    /// `aud`: one text, or an array of two (row S4).
    pub audience: Vec<String>,
    /// `scope`; absent where empty.
    pub scopes: Vec<Scope>,
    /// `permissions`: all scopes of the API that the user was assigned, where it says so.
    pub permissions: Option<Vec<Scope>>,
    /// The shape.
    pub dialect: Dialect,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `exp` minus `iat`.
    pub lifetime: Seconds,
    /// Whether a refresh token was shown for it.
    pub refreshed: bool,
}

impl UserToken<'_> {
    /// The payload segment; `jti` is used where the dialect has one.
    pub fn payload(&self, jti: Jti) -> String {
        #[derive(Serialize)]
        struct Payload<'a> {
            iss: &'a Issuer,
            sub: String,
            aud: Value,
            iat: UnixTime,
            exp: UnixTime,
            #[serde(skip_serializing_if = "String::is_empty")]
            scope: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            gty: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            azp: Option<&'a ClientId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            client_id: Option<&'a ClientId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            jti: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            permissions: Option<&'a [Scope]>,
        }
        let rfc9068 = self.dialect == Dialect::Rfc9068;
        let gty = match (self.user, self.refreshed) {
            (None, _) => Some(GTY_CLIENT_CREDENTIALS),
            (Some(_), true) => Some("refresh_token"),
            (Some(_), false) => None,
        };
        encode_segment(&Payload {
            iss: self.issuer,
            sub: match self.user {
                Some(user) => user.to_string(),
                None => client_subject(self.client.as_str()),
            },
            aud: match self.audience.as_slice() {
                [one] => one.as_str().into(),
                several => several.into(),
            },
            iat: self.issued_at,
            exp: self.issued_at + self.lifetime,
            scope: write_scopes(&self.scopes),
            gty: gty.filter(|_| !rfc9068),
            azp: (!rfc9068).then_some(self.client),
            client_id: rfc9068.then_some(self.client),
            jti: self.dialect.has_jti().then(|| jti_text(&jti)),
            permissions: self.permissions.as_deref(),
        })
    }
}

/// An ID token (OpenID Connect Core section 2).
#[derive(Clone, Debug)]
pub struct IdToken<'a> {
    /// `iss`.
    pub issuer: &'a Issuer,
    /// `sub`.
    pub user: &'a UserId,
    /// `aud`.
    pub client: &'a ClientId,
    /// `auth_time`.
    pub authenticated_at: UnixTime,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `nonce`, as sent.
    pub nonce: Option<&'a str>,
    /// `sid`: the name of the session, which is not its secret.
    pub session: &'a str,
    /// What is known of the user.
    pub profile: &'a Profile,
    /// What the application may know of the user.
    pub scopes: &'a [Scope],
}

impl IdToken<'_> {
    /// How long one lives, in seconds, as at Auth0.
    pub const LIFETIME: Seconds = 36_000;

    /// The payload segment.
    pub fn payload(&self) -> String {
        let mut claims = self.profile.claims(self.scopes);
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", self.issuer.as_str().into());
        set("sub", self.user.as_str().into());
        set("aud", self.client.as_str().into());
        set("iat", self.issued_at.0.into());
        set("exp", (self.issued_at + Self::LIFETIME).0.into());
        set("auth_time", self.authenticated_at.0.into());
        set("sid", self.session.into());
        if let Some(nonce) = self.nonce {
            set("nonce", nonce.into());
        }
        encode_segment(&Map::from_iter(claims))
    }
}
