//! Whether a token that the tenant's endpoint gave is the one that was ordered there.

use serde_json::Value;

use super::authentic::read_claims;
use super::judge::check_times;
use super::{Claims, Rejection, Verifier};
use crate::claims::{GTY_CLIENT_CREDENTIALS, client_subject};
use crate::ident::write_scopes;
use crate::jose::Compact;
use crate::policy::Granted;
use crate::world::{AudienceAlg, Dialect};
use crate::{LEEWAY, UnixTime, WorkloadId};

/// A token that is the one that was ordered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// The key that signed.
    pub kid: String,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `exp`.
    pub expires_at: UnixTime,
    /// `jti`, where the dialect has one.
    pub jti: Option<String>,
}

impl Verifier {
    /// Judges a token that is said to be what was granted to a workload: signed by the tenant's own key, for this workload, audience
    /// and scopes, by this issuer, and nothing else. Of an API that shares a secret (HS256) nobody but it and the endpoint can check the
    /// signature; there the connection says who made the token.
    pub fn check_delivery(
        &self,
        token: &str,
        granted: &Granted,
        client: &WorkloadId,
        now: UnixTime,
    ) -> Result<Delivery, Rejection> {
        let (kid, dialect, claims) = match granted.terms.alg {
            AudienceAlg::Asymmetric(_) => {
                let authentic = self.authenticate(token, now)?;
                let known = self.keys.get(&authentic.kid);
                let trusted = &known.ok_or(Rejection::KeyUnknown)?.trusted;
                // A namespace's key is believed for what its own sidecars sign.
                if trusted.namespace.is_some() {
                    return Err(Rejection::KeyUnknown);
                }
                check_times(&authentic.claims, trusted.key.longest_lifetime, now)?;
                let kid = authentic.kid.as_str().to_owned();
                (kid, authentic.dialect, authentic.claims)
            }
            AudienceAlg::Hs256 => unsigned(token, granted, now)?,
        };
        check(&claims, dialect, granted, client)?;
        Ok(Delivery {
            kid,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
            jti: claims.jti,
        })
    }
}

/// What a token says that an API's secret signs.
fn unsigned(
    token: &str,
    granted: &Granted,
    now: UnixTime,
) -> Result<(String, Dialect, Claims), Rejection> {
    let compact = Compact::parse(token)?;
    let text = |name| compact.header.get(name).and_then(Value::as_str);
    let dialect = granted.terms.dialect;
    if text("alg") != Some(granted.terms.alg.as_str()) {
        return Err(Rejection::AlgNotAccepted);
    }
    if text("typ") != Some(dialect.typ()) {
        return Err(Rejection::Type);
    }
    let claims = read_claims(&compact.payload()?, dialect)?;
    if now >= claims.expires_at {
        return Err(Rejection::Expired);
    }
    if claims.issued_at > now + LEEWAY {
        return Err(Rejection::IssuedInFuture);
    }
    let kid = text("kid").unwrap_or_default().to_owned();
    Ok((kid, dialect, claims))
}

/// Whether claims are those of the order. Algorithm, shape and life may be those of a moment ago or to come: validators know
/// both.
fn check(
    claims: &Claims,
    dialect: Dialect,
    granted: &Granted,
    client: &WorkloadId,
) -> Result<(), Rejection> {
    let client = client.to_string();
    if granted.issuer != *claims.issuer {
        return Err(Rejection::Issuer);
    }
    let is_for_it =
        matches!(claims.audiences.as_slice(), [one] if *one == granted.audience.as_str());
    if !is_for_it || claims.audience_is_array {
        return Err(Rejection::Audience);
    }
    if claims.client != client {
        return Err(Rejection::Claim(match dialect {
            Dialect::Auth0 => "azp",
            Dialect::Rfc9068 => "client_id",
        }));
    }
    if claims.subject != client_subject(&client) {
        return Err(Rejection::Claim("sub"));
    }
    if write_scopes(&claims.scopes) != granted.scope {
        return Err(Rejection::Claim("scope"));
    }
    let gty = (dialect == Dialect::Auth0).then_some(GTY_CLIENT_CREDENTIALS);
    if claims.gty.as_deref() != gty {
        return Err(Rejection::Claim("gty"));
    }
    if claims.has_others {
        return Err(Rejection::Claim("set"));
    }
    Ok(())
}
