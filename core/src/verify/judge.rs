//! Second step: whether the claims are good here and now.

use super::{Authentic, Claims, Expected, OutOfBounds, Rejection, Verifier};
use crate::bundle::TrustedKey;
use crate::claims::{GTY_CLIENT_CREDENTIALS, client_subject};
use crate::keyring::Owner;
use crate::world::Dialect;
use crate::{Alg, Identifier, LEEWAY, Scope, Seconds, UnixTime, WorkloadId};

/// A good token.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    /// The audience it was accepted for: one of those expected.
    pub audience: &'a str,
    /// All it says.
    pub token: &'a Authentic,
}

impl Verified<'_> {
    /// Those of the scopes that the token does not have.
    pub fn lacks<'s>(&self, scopes: &'s [Scope]) -> Vec<&'s Scope> {
        scopes
            .iter()
            .filter(|scope| !self.token.claims.scopes.contains(scope))
            .collect()
    }
}

impl Verifier {
    /// Judges signed claims: key, times, issuer, audience, algorithm, and the bounds of the key that signed.
    pub fn judge<'a>(
        &self,
        token: &'a Authentic,
        expected: Expected<'_>,
        now: UnixTime,
    ) -> Result<Verified<'a>, Rejection> {
        let claims = &token.claims;
        self.check_key(token.kid.as_str(), now)?;
        let trusted = &self
            .keys
            .get(&token.kid)
            .ok_or(Rejection::KeyUnknown)?
            .trusted;
        check_times(claims, trusted.key.longest_lifetime, now)?;
        self.check_issuer(claims, now)?;
        let audience = match expected {
            Expected::Apis(accepted) => {
                let is_accepted = |audience: &&String| accepted.contains(audience.as_str());
                let audience = claims
                    .audiences
                    .iter()
                    .find(is_accepted)
                    .ok_or(Rejection::Audience)?;
                let api = self
                    .accept
                    .get(audience.as_str())
                    .ok_or(Rejection::Audience)?;
                if !api
                    .algs
                    .get(&token.alg)
                    .is_some_and(|term| term.is_believed(now))
                {
                    return Err(Rejection::AlgNotOfAudience);
                }
                audience
            }
            Expected::UserInfo => {
                let is_ours = |audience: &&String| {
                    let of = |issuer: &crate::Issuer| issuer.domain().userinfo();
                    self.issuers.keys().any(|issuer| of(issuer) == **audience)
                };
                let audience = claims.audiences.iter().find(is_ours);
                let audience = audience.ok_or(Rejection::Audience)?;
                if token.alg != Alg::RS256 {
                    return Err(Rejection::AlgNotOfAudience);
                }
                audience
            }
            Expected::Management { host } => {
                let management = self.domain.management_api();
                let audience = claims
                    .audiences
                    .iter()
                    .find(|audience| **audience == management)
                    .ok_or(Rejection::Audience)?;
                // Row S5: a token got on one domain is good at the Management API of that domain only.
                if claims.issuer != host.issuer().as_str() {
                    return Err(Rejection::Issuer);
                }
                if token.alg != Alg::RS256 {
                    return Err(Rejection::AlgNotOfAudience);
                }
                audience
            }
        };
        if let Some(namespace) = &trusted.namespace {
            check_bounds(token, trusted, now).map_err(|what| Rejection::OutOfBounds {
                owner: Box::new(Owner::namespace(self.tenant.clone(), namespace.clone())),
                what,
            })?;
        }
        Ok(Verified { audience, token })
    }

    /// Whether a token is one of the tenant's own issuers', as of now.
    pub(super) fn check_issuer(&self, claims: &Claims, now: UnixTime) -> Result<(), Rejection> {
        let issuer = self.issuers.get(claims.issuer.as_str());
        let believed = issuer.is_some_and(|term| term.is_believed(now));
        believed.then_some(()).ok_or(Rejection::Issuer)
    }
}

pub(super) fn check_times(
    claims: &Claims,
    longest: Seconds,
    now: UnixTime,
) -> Result<(), Rejection> {
    if now >= claims.expires_at + LEEWAY {
        return Err(Rejection::Expired);
    }
    if claims.issued_at > now + LEEWAY {
        return Err(Rejection::IssuedInFuture);
    }
    if claims
        .not_before
        .is_some_and(|moment| moment > now + LEEWAY)
    {
        return Err(Rejection::NotYetValid);
    }
    let lifetime = claims.expires_at - claims.issued_at;
    if lifetime <= 0 || lifetime > longest {
        return Err(Rejection::Lifetime);
    }
    Ok(())
}

/// A namespace's key speaks for its own workloads, at the audiences and for the scopes granted to the namespace, and
/// says nothing else.
fn check_bounds(token: &Authentic, trusted: &TrustedKey, now: UnixTime) -> Result<(), OutOfBounds> {
    let claims = &token.claims;
    let client = WorkloadId::parse(&claims.client).map_err(|_| OutOfBounds::Client)?;
    if Some(&client.namespace) != trusted.namespace.as_ref() {
        return Err(OutOfBounds::Client);
    }
    if claims.subject != client_subject(&claims.client) {
        return Err(OutOfBounds::Subject);
    }
    let gty = (token.dialect == Dialect::Auth0).then_some(GTY_CLIENT_CREDENTIALS);
    let jti = token.dialect == Dialect::Rfc9068;
    if claims.has_others || claims.gty.as_deref() != gty || claims.jti.is_some() != jti {
        return Err(OutOfBounds::Claims);
    }
    let ([audience], false) = (claims.audiences.as_slice(), claims.audience_is_array) else {
        return Err(OutOfBounds::Audience);
    };
    let audience = Identifier::parse(audience).map_err(|_| OutOfBounds::Audience)?;
    let bounds = trusted
        .bounds
        .get(&audience)
        .filter(|bounds| bounds.term.is_believed(now));
    let bounds = bounds.ok_or(OutOfBounds::Audience)?;
    let is_granted = |scope: &Scope| {
        bounds
            .scopes
            .get(scope)
            .is_some_and(|term| term.is_believed(now))
    };
    if claims.scopes.iter().all(is_granted) {
        Ok(())
    } else {
        Err(OutOfBounds::Scope)
    }
}
