//! Which token answers a request: its format follows from the audience (row S3).

use super::config::{Api, Config};
use crate::world::AudienceAlg;
use crate::{Alg, Domain, Identifier};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a> {
    /// A custom API: a JWT.
    Api(&'a Api),
    /// The Management API of the tenant: a JWT.
    Management,
    /// `/userinfo` alone: opaque.
    UserInfo,
}

impl Target<'_> {
    /// The audience that means this target, whatever the tenant's default becomes.
    pub fn audience(&self, config: &Config) -> String {
        match self {
            Self::Api(api) => api.identifier.to_string(),
            Self::Management => config.domain.management_api(),
            Self::UserInfo => config.domain.userinfo(),
        }
    }
}

/// There is no token for that name here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnknownAudience {
    /// There is no API of it.
    #[error("Service not found: {0}")]
    NotFound(String),
    /// Only sidecars sign for the API, with keys of their namespaces.
    #[error(
        "Service not enabled for applications: {identifier} has {alg}, and the tenant's own keys are RSA keys. Set spec.jwks.allowNonRsa: true in the Tenant, or choose RS256 in the ApiAudience"
    )]
    NotSigned {
        /// The API.
        identifier: Identifier,
        /// Its algorithm.
        alg: Alg,
    },
}

impl Config {
    /// The target of an audience as asked for (row S3): none and an empty one mean the tenant's default, and without a
    /// default `/userinfo`; the tenant's own name, its issuer and the address of `/userinfo` mean `/userinfo`.
    pub fn target(&self, asked: Option<&str>) -> Result<Target<'_>, UnknownAudience> {
        let asked = asked.filter(|audience| !audience.is_empty());
        let default = self.default_audience.as_ref();
        let Some(audience) = asked.or(default.map(Identifier::as_str)) else {
            return Ok(Target::UserInfo);
        };
        if let Some(api) = self.apis.get(audience) {
            return match api.alg {
                AudienceAlg::Asymmetric(alg) if !alg.is_rsa() && !self.allow_non_rsa => {
                    let identifier = api.identifier.clone();
                    Err(UnknownAudience::NotSigned { identifier, alg })
                }
                AudienceAlg::Asymmetric(_) | AudienceAlg::Hs256 => Ok(Target::Api(api)),
            };
        }
        if audience == self.domain.management_api() {
            return Ok(Target::Management);
        }
        let is_own = |domain: &Domain| {
            audience == domain.as_str()
                || domain.issuer() == *audience
                || audience == domain.userinfo()
        };
        if self.domains.keys().any(is_own) {
            return Ok(Target::UserInfo);
        }
        // A hostile text must not fill a page or a log line.
        let shown = audience.chars().take(200).collect();
        Err(UnknownAudience::NotFound(shown))
    }
}
