//! Whether a workload gets the token it asks for, and the reason if not.

use std::collections::BTreeMap;

use crate::bundle::Body;
use crate::code::Coded as _;
use crate::endpoint::{Api, Config};
use crate::ledger::{Bounds, Term};
use crate::sorted::SortedMap;
use crate::world::{AudienceAlg, Dialect, Issuance};
use crate::{
    Domain, Identifier, Issuer, ObjectName, Scope, Seconds, TenantRef, UnixTime, WorkloadId, ident,
};

/// The rules for one workload, from the bundle of its namespace.
#[derive(Clone, Debug)]
pub struct Policy {
    tenant: TenantRef,
    workload: WorkloadId,
    workload_text: String,
    domain: Domain,
    issuer: Issuer,
    domain_term: Option<Term>,
    tenant_domains: Vec<Domain>,
    default_audience: Option<Identifier>,
    rules: BTreeMap<Identifier, Offer>,
}

/// An audience as this workload may have it.
#[derive(Clone, Debug)]
struct Offer {
    terms: Terms,
    scopes: Vec<Scope>,
    grant: Option<Bounds>,
}

/// The terms of a granted token that come from the audience.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Terms {
    /// The algorithm.
    pub alg: AudienceAlg,
    /// The shape.
    pub dialect: Dialect,
    /// Who signs.
    pub issuance: Issuance,
    /// How long it lives.
    pub lifetime: Seconds,
}

/// What a workload asks for; as sent, unparsed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `audience`, or `resource` (RFC 8707).
    pub audience: Option<&'a str>,
    /// `scope`; absent or empty for all that is granted.
    pub scope: Option<&'a str>,
}

/// A request that is granted.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Granted {
    /// The `iss`.
    pub issuer: Issuer,
    /// The `aud`.
    pub audience: Identifier,
    /// The scopes, in the order in which the API declares them, so that equal grants are equal texts.
    pub scope: String,
    /// How to make the token.
    pub terms: Terms,
}

/// Why a request is refused. The texts begin with Auth0's own where it has one, then name the rule and the mend.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No audience was named, and the tenant has no default.
    #[error(
        "audience is missing (audience-missing: tenant {tenant} has no default audience; send audience=<identifier of an API>)"
    )]
    AudienceMissing {
        /// The tenant.
        tenant: TenantRef,
    },
    /// Nothing in the workload's namespace was ever granted an audience of this name.
    #[error(
        "Service not enabled within domain: {audience} (audience-unknown: no ApiAudience of tenant {tenant} with this identifier grants anything to namespace {namespace}; check the identifier, or add a grant)",
        namespace = workload.namespace
    )]
    AudienceUnknown {
        /// As asked for.
        audience: String,
        /// The tenant.
        tenant: TenantRef,
        /// Who asked.
        workload: WorkloadId,
    },
    /// The pod's domain is not, or no longer, an issuer of the tenant.
    #[error(
        "domain {domain} is not an issuer of tenant {tenant} (domain-not-served: its CustomDomain is missing, not verified or in conflict; correct the annotation mintage.dev/domain)"
    )]
    DomainNotServed {
        /// As the annotation says.
        domain: Domain,
        /// The tenant.
        tenant: TenantRef,
    },
    /// The domain was added a moment ago, and validators may not know yet.
    #[error(
        "domain {domain} is not an issuer yet (domain-pending: it becomes one in {seconds} s, when every validator has heard of it; try again then)"
    )]
    DomainPending {
        /// The pod's domain.
        domain: Domain,
        /// How long to wait.
        seconds: Seconds,
    },
    /// The audience stands for tokens of users, which a workload cannot have.
    #[error(
        "Service not enabled within domain: {audience} (audience-for-users: tokens for the tenant itself and for /userinfo are given to users who sign in, not to workloads)"
    )]
    ForUsers {
        /// As asked for.
        audience: String,
    },
    /// The audience exists, and this workload has no grant.
    #[error(
        "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to this API. (grant-missing: add {{workload: {{namespace: {}, serviceAccount: {}}}}} to spec.grants of its ApiAudience)",
        workload.namespace,
        workload.service_account
    )]
    GrantMissing {
        /// The audience.
        audience: String,
        /// Who asked.
        workload: WorkloadId,
    },
    /// Granted a moment ago, and validators may not know yet.
    #[error(
        "Client is not authorized to access \"{audience}\" yet (grant-pending: the grant takes effect in {seconds} s, when every validator has heard of it; try again then)"
    )]
    GrantPending {
        /// The audience.
        audience: Identifier,
        /// How long to wait.
        seconds: Seconds,
    },
    /// The audience's tokens are signed by the sidecars of its workloads, and not by the tenant's key that was asked.
    #[error(
        "tokens for {audience} are signed by the sidecar of the workload itself (issuance-local: its ApiAudience says issuance: Local; ask the sidecar in the pod)"
    )]
    Local {
        /// The audience.
        audience: Identifier,
    },
    /// The scope parameter is not a list of scope tokens (RFC 6749 section 3.3).
    #[error("{0} (scope-malformed: send scopes with single spaces between them)")]
    ScopeMalformed(#[from] ident::InvalidName),
    /// Some of the scopes are not granted.
    #[error(
        "Client has not been granted scopes: {} (scope-not-granted: granted for {audience} is: {})",
        scopes.join(" "),
        if granted.is_empty() { "no scope" } else { granted }
    )]
    ScopeNotGranted {
        /// The audience.
        audience: Identifier,
        /// What was asked for and is not granted.
        scopes: Vec<String>,
        /// All that is granted.
        granted: String,
    },
}

crate::coded! {
    /// The rules that refuse a token: those of [`Refusal`], and those of [`crate::mint::NoOrder`].
    pub enum Rule {
        /// [`Refusal::ForUsers`].
        AudienceForUsers = "audience-for-users",
        /// [`Refusal::AudienceMissing`].
        AudienceMissing = "audience-missing",
        /// [`Refusal::AudienceUnknown`].
        AudienceUnknown = "audience-unknown",
        /// [`Refusal::DomainNotServed`].
        DomainNotServed = "domain-not-served",
        /// [`Refusal::DomainPending`].
        DomainPending = "domain-pending",
        /// [`Refusal::GrantMissing`].
        GrantMissing = "grant-missing",
        /// [`Refusal::GrantPending`].
        GrantPending = "grant-pending",
        /// [`crate::mint::NoOrder::Central`].
        IssuanceCentral = "issuance-central",
        /// [`Refusal::Local`].
        IssuanceLocal = "issuance-local",
        /// [`crate::mint::NoOrder::KeyUnavailable`].
        KeyUnavailable = "key-unavailable",
        /// [`Refusal::ScopeMalformed`].
        ScopeMalformed = "scope-malformed",
        /// [`Refusal::ScopeNotGranted`].
        ScopeNotGranted = "scope-not-granted",
    }
}

impl Refusal {
    /// The rule.
    pub fn rule(&self) -> Rule {
        match self {
            Self::AudienceMissing { .. } => Rule::AudienceMissing,
            Self::AudienceUnknown { .. } => Rule::AudienceUnknown,
            Self::DomainNotServed { .. } => Rule::DomainNotServed,
            Self::DomainPending { .. } => Rule::DomainPending,
            Self::ForUsers { .. } => Rule::AudienceForUsers,
            Self::GrantMissing { .. } => Rule::GrantMissing,
            Self::GrantPending { .. } => Rule::GrantPending,
            Self::Local { .. } => Rule::IssuanceLocal,
            Self::ScopeMalformed(_) => Rule::ScopeMalformed,
            Self::ScopeNotGranted { .. } => Rule::ScopeNotGranted,
        }
    }

    /// The rule's name: stable, for logs and metrics.
    pub fn code(&self) -> &'static str {
        self.rule().code()
    }
}

impl Policy {
    /// The rules for a workload of the bundle's namespace; one of another namespace has no grants. `domain` picks one of the tenant's domains as the issuer;
    /// without it, it is the tenant's own.
    pub fn new(body: &Body, workload: WorkloadId, domain: Option<&Domain>) -> Self {
        let domain = domain.unwrap_or(&body.domain).clone();
        let grant_of = |grants: &SortedMap<ObjectName, Bounds>| {
            let grant = grants.get(&workload.service_account);
            grant
                .filter(|_| workload.namespace == body.namespace)
                .cloned()
        };
        let shared = body.endpoint.iter().flat_map(|endpoint| &endpoint.shared);
        let shared = shared.map(|audience| {
            let terms = Terms {
                alg: AudienceAlg::Hs256,
                dialect: audience.dialect,
                issuance: Issuance::Central,
                lifetime: audience.lifetime,
            };
            let (scopes, grant) = (audience.scopes.clone(), grant_of(&audience.grants));
            let offer = Offer {
                terms,
                scopes,
                grant,
            };
            (audience.identifier.clone(), offer)
        });
        let rules = body.issue.iter().map(|audience| {
            let terms = Terms {
                alg: audience.alg.into(),
                dialect: audience.dialect,
                issuance: audience.issuance,
                lifetime: audience.lifetime,
            };
            let (scopes, grant) = (audience.scopes.clone(), grant_of(&audience.grants));
            let offer = Offer {
                terms,
                scopes,
                grant,
            };
            (audience.identifier.clone(), offer)
        });
        Self {
            tenant: body.tenant.clone(),
            domain_term: body.domains.get(&domain).copied(),
            issuer: domain.issuer(),
            domain,
            tenant_domains: body.domains.keys().cloned().collect(),
            default_audience: body.default_audience.clone(),
            rules: rules.chain(shared).collect(),
            workload_text: workload.to_string(),
            workload,
        }
    }

    /// The rules of the tenant's endpoint for a workload that asks it by one of its domains, as far as they are about this
    /// audience; without one, about the tenant's default.
    pub(crate) fn at_endpoint(
        config: &Config,
        workload: WorkloadId,
        domain: &Domain,
        audience: Option<&Api>,
    ) -> Self {
        let rule = audience.map(|api| {
            let terms = Terms {
                alg: api.alg,
                dialect: api.dialect,
                issuance: Issuance::Central,
                lifetime: api.lifetime,
            };
            let central = api.central.as_ref();
            let grant = central.and_then(|central| central.grants.get(&workload));
            let offer = Offer {
                terms,
                scopes: api.scopes.clone(),
                grant: grant.cloned(),
            };
            (api.identifier.clone(), offer)
        });
        Self {
            tenant: config.tenant.clone(),
            domain_term: config.domains.get(domain).copied(),
            issuer: domain.issuer(),
            domain: domain.clone(),
            tenant_domains: config.domains.keys().cloned().collect(),
            default_audience: config.default_audience.clone(),
            rules: rule.into_iter().collect(),
            workload_text: workload.to_string(),
            workload,
        }
    }

    /// Whose rules these are.
    pub fn workload(&self) -> &WorkloadId {
        &self.workload
    }

    /// Whose rules these are, as its `client_id`.
    pub fn workload_text(&self) -> &str {
        &self.workload_text
    }

    /// The issuer of the workload's tokens.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Decides a request.
    pub fn decide(&self, now: UnixTime, request: Request<'_>) -> Result<Granted, Refusal> {
        let domain = || self.domain.clone();
        match self.domain_term {
            Some(Term::Open { from }) if from > now => {
                let seconds = from - now;
                return Err(Refusal::DomainPending {
                    domain: domain(),
                    seconds,
                });
            }
            Some(Term::Open { .. }) => {}
            Some(Term::Closed { .. }) | None => {
                let tenant = self.tenant.clone();
                return Err(Refusal::DomainNotServed {
                    domain: domain(),
                    tenant,
                });
            }
        }
        let default = self.default_audience.as_ref().map(Identifier::as_str);
        let audience = request
            .audience
            .filter(|audience| !audience.is_empty())
            .or(default)
            .ok_or_else(|| Refusal::AudienceMissing {
                tenant: self.tenant.clone(),
            })?;
        let (identifier, rule) = self
            .rules
            .get_key_value(audience)
            .ok_or_else(|| self.unknown(audience))?;
        let missing = || Refusal::GrantMissing {
            audience: audience.to_owned(),
            workload: self.workload.clone(),
        };
        let grant = rule.grant.as_ref().ok_or_else(missing)?;
        match grant.term {
            Term::Open { from } if from > now => {
                return Err(Refusal::GrantPending {
                    audience: identifier.clone(),
                    seconds: from - now,
                });
            }
            Term::Open { .. } => {}
            Term::Closed { .. } => return Err(missing()),
        }
        let scope = grant_scopes(now, identifier, rule, grant, request.scope)?;
        Ok(Granted {
            issuer: self.issuer.clone(),
            audience: identifier.clone(),
            scope,
            terms: rule.terms,
        })
    }

    /// The best refusal for an audience that the namespace knows nothing of.
    pub(crate) fn unknown(&self, audience: &str) -> Refusal {
        let audience = audience.to_owned();
        let is = |form: &dyn Fn(&Domain) -> String| {
            self.tenant_domains
                .iter()
                .any(|domain| form(domain) == audience)
        };
        if is(&|domain| domain.to_string())
            || is(&|domain| domain.issuer().to_string())
            || is(&Domain::userinfo)
        {
            Refusal::ForUsers { audience }
        } else if is(&Domain::management_api) {
            Refusal::GrantMissing {
                audience,
                workload: self.workload.clone(),
            }
        } else {
            // A hostile value must fill neither the answer nor a log line.
            Refusal::AudienceUnknown {
                audience: audience.chars().take(Identifier::MAX_LEN).collect(),
                tenant: self.tenant.clone(),
                workload: self.workload.clone(),
            }
        }
    }

    /// What the workload may ask for now: each audience with its scopes.
    pub fn offers(&self, now: UnixTime) -> impl Iterator<Item = (&Identifier, Terms, String)> + '_ {
        self.rules.iter().filter_map(move |(identifier, rule)| {
            let grant = rule
                .grant
                .as_ref()
                .filter(|grant| grant.term.is_used(now))?;
            let scopes = grant_scopes(now, identifier, rule, grant, None).ok()?;
            Some((identifier, rule.terms, scopes))
        })
    }
}

/// The scopes of a token: those asked for, all of which must be granted, or all that are granted.
fn grant_scopes(
    now: UnixTime,
    audience: &Identifier,
    rule: &Offer,
    grant: &Bounds,
    asked: Option<&str>,
) -> Result<String, Refusal> {
    let is_used = |scope: &&Scope| {
        grant
            .scopes
            .get(*scope)
            .is_some_and(|term| term.is_used(now))
    };
    let granted: Vec<&Scope> = rule.scopes.iter().filter(is_used).collect();
    let asked = ident::parse_scopes(asked.unwrap_or_default())?;
    if asked.is_empty() {
        return Ok(ident::write_scopes(granted));
    }
    let refused: Vec<&Scope> = asked
        .iter()
        .filter(|scope| !granted.contains(scope))
        .collect();
    if refused.is_empty() {
        return Ok(ident::write_scopes(
            granted.into_iter().filter(|scope| asked.contains(scope)),
        ));
    }
    let pending = refused
        .iter()
        .filter_map(|scope| match grant.scopes.get(*scope) {
            Some(Term::Open { from }) if *from > now => Some(*from - now),
            _ => None,
        });
    let pending: Vec<Seconds> = pending.collect();
    if pending.len() == refused.len() {
        let seconds = pending.into_iter().max().unwrap_or(0);
        return Err(Refusal::GrantPending {
            audience: audience.clone(),
            seconds,
        });
    }
    Err(Refusal::ScopeNotGranted {
        audience: audience.clone(),
        scopes: refused.iter().map(ToString::to_string).collect(),
        granted: ident::write_scopes(granted),
    })
}
