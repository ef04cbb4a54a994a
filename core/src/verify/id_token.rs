//! ID tokens that come back to the tenant, as hints (OpenID Connect RP-Initiated Logout section 4).

use serde_json::Value;

use super::Verifier;
use super::authentic::read_header;
use crate::UnixTime;
use crate::jose::Compact;
use crate::keyring::State;
use crate::world::Dialect;

/// Whom an ID token of the tenant was for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdClaims {
    /// `sub`.
    pub subject: String,
    /// `aud`: the `client_id`.
    pub client: String,
}

impl Verifier {
    /// Reads an ID token that the tenant itself signed. It may have ended: it says who asks, and allows nothing. `None` for
    /// access tokens, tokens under namespaces' keys, and whatever else is no ID token.
    pub fn id_token(&self, token: &str, now: UnixTime) -> Option<IdClaims> {
        let compact = Compact::parse(token).ok()?;
        let (alg, dialect, kid) = read_header(&compact.header).ok()?;
        let known = self.keys.get(kid)?;
        let own = known.trusted.namespace.is_none() && known.public.alg() == alg;
        let sound = dialect == Dialect::Auth0 && known.trusted.key.state(now) != State::Revoked;
        let input = compact.signing_input.as_bytes();
        if !own || !sound || !known.public.verifies(input, &compact.signature) {
            return None;
        }
        let Value::Object(claims) = crate::json::parse(&compact.payload().ok()?).ok()? else {
            return None;
        };
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        // An access token has a client and a scope beside its audience, and never `auth_time`.
        let is_id_token = claims.contains_key("auth_time")
            && !["azp", "client_id", "scope"]
                .iter()
                .any(|name| claims.contains_key(*name));
        let issued_here = self
            .issuers
            .keys()
            .any(|issuer| text("iss") == Some(issuer.as_str()));
        (is_id_token && issued_here).then_some(())?;
        Some(IdClaims {
            subject: text("sub")?.to_owned(),
            client: text("aud")?.to_owned(),
        })
    }
}
