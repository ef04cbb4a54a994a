//! Who gets what: for a user who signed in, and for an application that acts for itself.

use std::collections::BTreeSet;

use super::config::{Api, Application, Config};
use super::request::Request;
use super::target::{Target, UnknownAudience};
use crate::ident::{parse_scopes, write_scopes};
use crate::policy::{self, Granted, Policy, Refusal};
use crate::world::{ApplicationKind, GrantType};
use crate::{ClientId, Domain, Identifier, LEEWAY, Scope, UnixTime, UserId, WorkloadId};

/// The scopes that speak of the user and not of an API (OpenID Connect Core section 5.4, and `offline_access` of section 11).
pub const IDENTITY_SCOPES: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
];

/// What a request of a user's application comes to: the token's target and scopes.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked<'a> {
    /// What the token is for.
    pub target: Target<'a>,
    /// The scopes about the user, `openid` first.
    pub identity: Vec<Scope>,
    /// The scopes of the API, in its order.
    pub api: Vec<Scope>,
}

/// What is known of who sits before the browser.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// Who it is; `None` if nobody has signed in.
    pub user: Option<&'a UserId>,
    /// When they signed in; `None` if they have not.
    pub authenticated_at: Option<UnixTime>,
    /// The scopes that they allowed the application before, for the same target.
    pub consented: &'a BTreeSet<Scope>,
    /// Whether they signed in for this very request.
    pub signed_in: bool,
    /// Whether they have just answered the consent page of this very request, which nobody is asked who has to sign in.
    pub answered: bool,
}

/// What is to happen next with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The user is asked what the application may do.
    Consent,
    /// The code is given.
    Issue,
    /// Nothing may be shown, so the application is told what would have been (`error`, `error_description`).
    Refuse(&'static str, &'static str),
    /// The user signs in.
    SignIn,
}

impl Asked<'_> {
    /// All scopes: about the user, then of the API.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.identity.iter().chain(&self.api)
    }

    /// Whether a scope about the user is among them.
    pub fn has(&self, scope: &str) -> bool {
        self.identity.iter().any(|asked| asked.as_str() == scope)
    }

    /// What is to happen next.
    pub fn step(
        &self,
        now: UnixTime,
        application: &Application,
        request: &Request,
        visitor: Visitor<'_>,
    ) -> Step {
        // Whoever signed in for this request need not do so again.
        let done = visitor.signed_in || visitor.answered;
        let (meant, from) = (request.user.as_deref(), request.connection.as_deref());
        let is_meant = |user: &UserId| {
            meant.is_none_or(|meant| meant == user.as_str())
                && from.is_none_or(|from| from == user.connection())
        };
        let is_another = !visitor.user.is_none_or(is_meant);
        if is_another && done {
            // OpenID Connect Core section 3.1.2.1: not the code of somebody else.
            let text = "Another user signed in than id_token_hint or connection is for";
            return Step::Refuse("login_required", text);
        }
        let fresh = |at: UnixTime| {
            // Of a time to come, after a clock was set back: nobody knows how long ago it was.
            let known = at <= now + LEEWAY;
            let young = request
                .max_age
                .is_none_or(|age| age > 0 && known && now - at <= age);
            done || (!request.prompt.signs_in_again() && young)
        };
        if is_another || !visitor.authenticated_at.is_some_and(fresh) {
            return if request.prompt.none {
                Step::Refuse("login_required", "Login required")
            } else {
                Step::SignIn
            };
        }
        if self.needs_consent(application, request, visitor) {
            return if request.prompt.none {
                Step::Refuse("consent_required", "Consent required")
            } else {
                Step::Consent
            };
        }
        Step::Issue
    }

    fn needs_consent(
        &self,
        application: &Application,
        request: &Request,
        visitor: Visitor<'_>,
    ) -> bool {
        if visitor.answered {
            return false;
        }
        if request.prompt.consent {
            return true;
        }
        // Another program may stand at the place that an app on the user's machine registered: each time the user is asked
        // (RFC 8252 section 8.6; attack 31).
        let anybody =
            application.kind == ApplicationKind::Native && request.redirect.is_unverifiable();
        if anybody {
            return true;
        }
        let own = application.first_party
            && match self.target {
                Target::Api(api) => api.users.skip_consent,
                Target::Management => false,
                Target::UserInfo => true,
            };
        // A token without scopes still calls an API in the user's name. One for the profile alone is then good for nothing.
        let first = self.target != Target::UserInfo && visitor.consented.is_empty();
        let beyond = !self.scopes().all(|scope| visitor.consented.contains(scope));
        !own && (first || beyond)
    }
}

impl Config {
    /// What a request comes to. Scopes that the API does not know are left out, as at Auth0; so is `offline_access` where
    /// nobody allows it. `assigned` are the user's own scopes of the API, which count where it says so.
    pub fn asked(
        &self,
        application: &Application,
        audience: Option<&str>,
        scopes: &[Scope],
        assigned: Option<&BTreeSet<Scope>>,
    ) -> Result<Asked<'_>, UnknownAudience> {
        let target = self.target(audience)?;
        let offline = application.may(GrantType::RefreshToken)
            && match target {
                Target::Api(api) => api.users.offline_access,
                Target::Management => false,
                Target::UserInfo => true,
            };
        let identity = IDENTITY_SCOPES.iter().filter_map(|name| {
            let asked = scopes.iter().find(|scope| scope.as_str() == *name)?;
            (*name != "offline_access" || offline).then(|| asked.clone())
        });
        let of_api = |api: &Api| {
            let held = |scope: &&Scope| {
                scopes.contains(scope)
                    && (!api.users.rbac || assigned.is_some_and(|all| all.contains(*scope)))
            };
            api.scopes.iter().filter(held).cloned().collect()
        };
        Ok(Asked {
            target,
            identity: identity.collect(),
            api: match target {
                Target::Api(api) => of_api(api),
                Target::Management | Target::UserInfo => Vec::new(),
            },
        })
    }
}

/// What is granted to an application that acts for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed<'a> {
    /// The API.
    pub api: &'a Api,
    /// The scopes, in its order.
    pub scopes: Vec<Scope>,
}

/// Why an application that acts for itself gets no token. Auth0's texts, with the mend.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientRefusal {
    /// It named no API.
    #[error("No audience parameter was provided, and no default audience has been configured")]
    AudienceMissing,
    /// Only sidecars sign for the API.
    #[error("{0}")]
    AudienceNotSigned(String),
    /// There is no such API.
    #[error("Service not enabled within domain: {0}")]
    AudienceUnknown(String),
    /// It has no grant.
    #[error(
        "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to this API. (grant-missing: add {{application: {{namespace: {namespace}, name: {name}}}}} to spec.grants of its ApiAudience)"
    )]
    GrantMissing {
        /// The API.
        audience: String,
        /// The application's namespace.
        namespace: String,
        /// The application's name.
        name: String,
    },
    /// It named the tenant's Management API, of which nothing can be granted.
    #[error(
        "Client is not authorized to access \"{0}\". You need to create a \"client-grant\" associated to this API. (grant-missing: the Management API is no ApiAudience, and nothing of it can be granted to an application yet)"
    )]
    ManagementUngranted(String),
    /// The scopes are no list of scopes.
    #[error("{0}")]
    ScopeMalformed(String),
    /// Some of the scopes are not granted.
    #[error("Client has not been granted scopes: {0}")]
    ScopeNotGranted(String),
}

impl Config {
    /// Decides a request of an application that acts for itself; without scopes, all that are granted.
    pub fn client_grant(
        &self,
        application: &Application,
        audience: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Allowed<'_>, ClientRefusal> {
        let asked = audience.filter(|audience| !audience.is_empty());
        if asked.is_none() && self.default_audience.is_none() {
            return Err(ClientRefusal::AudienceMissing);
        }
        let shown = || asked.unwrap_or_default().chars().take(200).collect();
        let missing = |audience: String| ClientRefusal::GrantMissing {
            audience,
            namespace: application.at.namespace.to_string(),
            name: application.at.name.to_string(),
        };
        let api = match self.target(asked) {
            Ok(Target::Api(api)) => api,
            Ok(Target::Management) => {
                let audience = self.domain.management_api();
                return Err(ClientRefusal::ManagementUngranted(audience));
            }
            Ok(Target::UserInfo) => return Err(ClientRefusal::AudienceUnknown(shown())),
            Err(UnknownAudience::NotFound(audience)) => {
                return Err(ClientRefusal::AudienceUnknown(audience));
            }
            Err(unsigned @ UnknownAudience::NotSigned { .. }) => {
                return Err(ClientRefusal::AudienceNotSigned(unsigned.to_string()));
            }
        };
        let granted =
            grant(api, &application.client).ok_or_else(|| missing(api.identifier.to_string()))?;
        let scopes = match scope.filter(|scope| !scope.is_empty()) {
            None => granted.clone(),
            Some(text) => {
                let asked = parse_scopes(text)
                    .map_err(|error| ClientRefusal::ScopeMalformed(error.to_string()))?;
                let beyond: Vec<&Scope> = asked
                    .iter()
                    .filter(|scope| !granted.contains(*scope))
                    .collect();
                if !beyond.is_empty() {
                    return Err(ClientRefusal::ScopeNotGranted(write_scopes(beyond)));
                }
                asked.into_iter().collect()
            }
        };
        let in_order = api.scopes.iter().filter(|scope| scopes.contains(*scope));
        Ok(Allowed {
            api,
            scopes: in_order.cloned().collect(),
        })
    }
}

impl Config {
    /// Decides a request of a workload that asks by one of the tenant's domains, as its sidecar decides it for APIs that it signs
    /// for itself.
    pub fn workload_grant(
        &self,
        now: UnixTime,
        workload: &WorkloadId,
        domain: &Domain,
        request: policy::Request<'_>,
    ) -> Result<(&Api, Granted), Refusal> {
        let default = self.default_audience.as_ref().map(Identifier::as_str);
        let asked = request.audience.filter(|audience| !audience.is_empty());
        let api = asked
            .or(default)
            .and_then(|audience| self.apis.get(audience));
        let policy = Policy::at_endpoint(self, workload.clone(), domain, api);
        let is_central = |api: &Api| {
            let central = api.central.as_ref();
            central.is_some_and(|central| central.until.is_none_or(|until| now <= until))
        };
        if let Some(local) = api.filter(|api| !is_central(api)) {
            return Err(Refusal::Local {
                audience: local.identifier.clone(),
            });
        }
        let granted = policy.decide(now, request)?;
        // Without an API there is no rule that could have granted anything.
        let api = api.ok_or_else(|| policy.unknown(granted.audience.as_str()))?;
        Ok((api, granted))
    }
}

fn grant<'a>(api: &'a Api, client: &ClientId) -> Option<&'a BTreeSet<Scope>> {
    api.grants.get(client)
}
