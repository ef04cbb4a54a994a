//! Which of the declared objects are served, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::State;
use crate::ledger::{self, AudienceLedger, TenantLedger};
use crate::ownership::{self, Claim, Holder, Kind, Name, Object, Want};
use crate::world::{
    Audience, AudienceAlg, CustomDomain, Grantee, Issuance, NamespaceInfo, Tenant, World,
};
use crate::{
    Alg, Domain, Identifier, Namespace, ObjectRef, Scope, Seconds, TenantRef, Uid, UnixTime,
    WorkloadId,
};

/// The life of Management API tokens, and so the least that a tenant's key must outlive.
pub(super) const MANAGEMENT_LIFETIME: Seconds = 86_400;

/// How an object fares: its `Ready` condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The object.
    pub object: Object,
    /// Why it is as it is.
    pub reason: Reason,
    /// In words, with the mend.
    pub message: String,
    /// What an admin should know although the object is served.
    pub notes: Vec<String>,
}

/// The reasons of a `Ready` condition.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Reason {
    /// A Central audience needs a key that the tenant's key set may not list.
    AlgorithmNotAllowed,
    /// Only the tenant endpoint can serve this algorithm.
    AlgorithmNotServed,
    /// Another object holds the name.
    Conflict,
    /// The tenant does not admit the namespace.
    NamespaceNotAllowed,
    /// Control over the domain has not been shown.
    NotVerified,
    /// The identifier belongs to the tenant itself.
    Reserved,
    /// It is served.
    Served,
    /// The tenant does not exist.
    TenantNotFound,
    /// The tenant exists and is not served itself.
    TenantNotServed,
}

impl Reason {
    /// Whether `Ready` is `True`.
    pub fn is_ready(self) -> bool {
        self == Self::Served
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A served tenant.
pub(super) struct ServedTenant<'a> {
    pub tenant: &'a Tenant,
    pub ledger: TenantLedger,
}

/// A served audience.
pub(super) struct ServedAudience<'a> {
    pub audience: &'a Audience,
    pub alg: Alg,
    pub ledger: AudienceLedger,
}

/// What is served.
pub(super) struct Served<'a> {
    pub world: &'a World,
    pub claims: Vec<Claim>,
    pub tenants: Vec<ServedTenant<'a>>,
    pub audiences: Vec<ServedAudience<'a>>,
    /// Ledgers of audiences that are no longer served.
    pub withdrawn: Vec<AudienceLedger>,
    /// Ledgers of tenants that are no longer served.
    pub withdrawn_tenants: Vec<TenantLedger>,
    pub statuses: Vec<Status>,
}

type Verdict = Result<(), (Reason, String)>;

pub(super) fn settle<'a>(now: UnixTime, world: &'a World, state: &State) -> Served<'a> {
    let names = Names::settle(now, world, state);
    let mut statuses = Vec::new();
    let mut report = |kind: Kind, at: &ObjectRef, verdict: Verdict, notes: Vec<String>| {
        let (reason, message) = verdict
            .err()
            .unwrap_or_else(|| (Reason::Served, "Served".to_owned()));
        statuses.push(Status {
            object: Object {
                kind,
                at: at.clone(),
            },
            reason,
            message,
            notes,
        });
        reason.is_ready()
    };

    let mut tenants: BTreeMap<&TenantRef, &Tenant> = BTreeMap::new();
    for tenant in &world.tenants {
        let at = object_ref(&tenant.at);
        let verdict = names.holds(Kind::Tenant, &at, &Name::Domain(tenant.domain.clone()));
        if report(Kind::Tenant, &at, verdict, tenant_notes(tenant, world)) {
            tenants.insert(&tenant.at, tenant);
        }
    }

    let mut domains: BTreeMap<&TenantRef, BTreeSet<Domain>> = BTreeMap::new();
    for tenant in tenants.values() {
        domains
            .entry(&tenant.at)
            .or_default()
            .insert(tenant.domain.clone());
    }
    for domain in &world.domains {
        let verdict = find_tenant(&tenants, world, &domain.tenant)
            .and_then(|_| domain_verdict(domain))
            .and_then(|()| {
                names.holds(
                    Kind::CustomDomain,
                    &domain.at,
                    &Name::Domain(domain.domain.clone()),
                )
            });
        if report(Kind::CustomDomain, &domain.at, verdict, Vec::new()) {
            domains
                .entry(&domain.tenant)
                .or_default()
                .insert(domain.domain.clone());
        }
    }

    let ledgers: BTreeMap<(&TenantRef, &Identifier), &AudienceLedger> = state
        .audiences
        .iter()
        .map(|ledger| ((&ledger.tenant, &ledger.identifier), ledger))
        .collect();
    let mut audiences = Vec::new();
    for audience in &world.audiences {
        let verdict = find_tenant(&tenants, world, &audience.tenant).and_then(|tenant| {
            let alg = audience_alg(audience, tenant, world)?;
            if is_reserved(&audience.identifier, domains.get(&tenant.at)) {
                let text = format!(
                    "identifier {} belongs to the tenant itself (its issuers, /userinfo and /api/v2/ on its domains); choose another",
                    audience.identifier
                );
                return Err((Reason::Reserved, text));
            }
            let name = Name::Identifier(audience.tenant.clone(), audience.identifier.clone());
            names.holds(Kind::ApiAudience, &audience.at, &name)?;
            Ok((tenant, alg))
        });
        let (grants, notes) = match &verdict {
            Ok((tenant, _)) => count_grants(audience, tenant, world),
            Err(_) => (BTreeMap::new(), Vec::new()),
        };
        report(
            Kind::ApiAudience,
            &audience.at,
            verdict.clone().map(|_| ()),
            notes,
        );
        if let Ok((tenant, alg)) = verdict {
            let before = ledgers
                .get(&(&audience.tenant, &audience.identifier))
                .copied();
            let ledger =
                ledger::settle_audience(now, before, audience, &grants, tenant.propagation_delay);
            audiences.push(ServedAudience {
                audience,
                alg,
                ledger,
            });
        }
    }

    let kept: BTreeSet<_> = audiences
        .iter()
        .map(|entry| (entry.ledger.tenant.clone(), entry.ledger.identifier.clone()))
        .collect();
    let withdrawn = state
        .audiences
        .iter()
        .filter(|ledger| !kept.contains(&(ledger.tenant.clone(), ledger.identifier.clone())));
    let withdrawn = withdrawn
        .filter_map(|ledger| ledger::settle_withdrawn(now, ledger))
        .collect();

    let withdrawn_tenants = state
        .tenants
        .iter()
        .filter(|ledger| !tenants.contains_key(&ledger.tenant));
    let withdrawn_tenants = withdrawn_tenants
        .map(|ledger| {
            let who = (&ledger.tenant, &ledger.uid);
            ledger::settle_tenant(now, Some(ledger), who, &BTreeSet::new(), 0, 0)
        })
        .filter(|ledger| !ledger.domains.is_empty())
        .collect();
    let tenants = tenants
        .into_values()
        .map(|tenant| {
            let before = state
                .tenants
                .iter()
                .find(|ledger| ledger.tenant == tenant.at);
            let lifetimes = audiences
                .iter()
                .filter(|entry| entry.audience.tenant == tenant.at);
            let lifetime = lifetimes
                .map(|entry| entry.audience.lifetime)
                .fold(MANAGEMENT_LIFETIME, Seconds::max);
            let who = (&tenant.at, &tenant.uid);
            let names = domains.get(&tenant.at).cloned().unwrap_or_default();
            let ledger =
                ledger::settle_tenant(now, before, who, &names, lifetime, tenant.propagation_delay);
            ServedTenant { tenant, ledger }
        })
        .collect();
    Served {
        world,
        claims: names.resolution.claims,
        tenants,
        audiences,
        withdrawn,
        withdrawn_tenants,
        statuses,
    }
}

/// The claims on names, settled.
struct Names {
    resolution: ownership::Resolution,
}

impl Names {
    fn settle(now: UnixTime, world: &World, state: &State) -> Self {
        let longest = |tenant: &TenantRef| {
            let lifetimes = world
                .audiences
                .iter()
                .filter(|audience| audience.tenant == *tenant);
            lifetimes
                .map(|audience| audience.lifetime)
                .fold(MANAGEMENT_LIFETIME, Seconds::max)
        };
        let holder = |kind, at: &ObjectRef, uid: &Uid| {
            let namespace_uid = world
                .namespaces
                .get(&at.namespace)
                .map_or_else(|| uid.clone(), |ns| ns.uid.clone());
            Holder {
                object: Object {
                    kind,
                    at: at.clone(),
                },
                uid: uid.clone(),
                namespace_uid,
            }
        };
        let tenants = world.tenants.iter().map(|tenant| Want {
            name: Name::Domain(tenant.domain.clone()),
            holder: holder(Kind::Tenant, &object_ref(&tenant.at), &tenant.uid),
            created: tenant.created,
            keep: longest(&tenant.at),
        });
        // Only a verified domain may take a name; one that lapsed later keeps what it holds.
        let held = |domain: &CustomDomain| {
            state.claims.iter().any(|claim| {
                claim.holder.uid == domain.uid && claim.name == Name::Domain(domain.domain.clone())
            })
        };
        let domains = world
            .domains
            .iter()
            .filter(|domain| domain.verified || held(domain))
            .map(|domain| Want {
                name: Name::Domain(domain.domain.clone()),
                holder: holder(Kind::CustomDomain, &domain.at, &domain.uid),
                created: domain.created,
                keep: longest(&domain.tenant),
            });
        // Only an audience that its tenant admits may take a name in the tenant.
        let admitted = |audience: &&Audience| {
            let tenant = world
                .tenants
                .iter()
                .find(|tenant| tenant.at == audience.tenant);
            tenant.is_some_and(|tenant| {
                tenant.allows(
                    &audience.at.namespace,
                    labels(world, &audience.at.namespace),
                )
            })
        };
        let audiences = world
            .audiences
            .iter()
            .filter(admitted)
            .map(|audience| Want {
                name: Name::Identifier(audience.tenant.clone(), audience.identifier.clone()),
                holder: holder(Kind::ApiAudience, &audience.at, &audience.uid),
                created: audience.created,
                keep: audience.lifetime,
            });
        let wants: Vec<Want> = tenants.chain(domains).chain(audiences).collect();
        Self {
            resolution: ownership::resolve(now, &state.claims, &wants),
        }
    }

    fn holds(&self, kind: Kind, at: &ObjectRef, name: &Name) -> Verdict {
        match self.resolution.losers.get(&(
            Object {
                kind,
                at: at.clone(),
            },
            name.clone(),
        )) {
            None => Ok(()),
            Some(holder) => Err((
                Reason::Conflict,
                format!(
                    "{name} is held by {holder}; choose another, or delete that object and wait until its tokens have ended"
                ),
            )),
        }
    }
}

fn find_tenant<'a>(
    tenants: &BTreeMap<&TenantRef, &'a Tenant>,
    world: &World,
    at: &TenantRef,
) -> Result<&'a Tenant, (Reason, String)> {
    tenants.get(at).copied().ok_or_else(|| {
        if world.tenants.iter().any(|tenant| tenant.at == *at) {
            (
                Reason::TenantNotServed,
                format!("tenant {at} is not served itself; see its own status"),
            )
        } else {
            (
                Reason::TenantNotFound,
                format!("there is no tenant {at}; create it or correct tenantRef"),
            )
        }
    })
}

fn domain_verdict(domain: &CustomDomain) -> Verdict {
    if domain.verified {
        Ok(())
    } else {
        Err((
            Reason::NotVerified,
            format!("control over {} has not been shown yet", domain.domain),
        ))
    }
}

fn audience_alg(
    audience: &Audience,
    tenant: &Tenant,
    world: &World,
) -> Result<Alg, (Reason, String)> {
    let namespace = &audience.at.namespace;
    if !tenant.allows(namespace, labels(world, namespace)) {
        let text = format!(
            "tenant {} does not admit namespace {namespace}; a cluster admin can widen its spec.allowedNamespaces",
            tenant.at
        );
        return Err((Reason::NamespaceNotAllowed, text));
    }
    match audience.alg {
        AudienceAlg::Hs256 => {
            let text = "HS256 tokens are made by the tenant endpoint only, which this version does not have yet; choose RS256".to_owned();
            Err((Reason::AlgorithmNotServed, text))
        }
        AudienceAlg::Asymmetric(alg)
            if audience.issuance == Issuance::Central && !alg.is_rsa() && !tenant.allow_non_rsa =>
        {
            let text = format!(
                "{alg} with issuance Central needs spec.jwks.allowNonRsa: true in tenant {}, because clients that read RSA keys only break on its key set otherwise",
                tenant.at
            );
            Err((Reason::AlgorithmNotAllowed, text))
        }
        AudienceAlg::Asymmetric(alg) => Ok(alg),
    }
}

fn is_reserved(identifier: &Identifier, domains: Option<&BTreeSet<Domain>>) -> bool {
    let value = identifier.as_str();
    // A trailing slash more or less must not make a look-alike.
    let same = |reserved: &str| value.trim_end_matches('/') == reserved.trim_end_matches('/');
    domains.into_iter().flatten().any(|domain| {
        same(domain.as_str())
            || same(domain.issuer().as_str())
            || same(&domain.userinfo())
            || same(&domain.management_api())
    })
}

/// The grants that count, and what is to be said about the others.
fn count_grants(
    audience: &Audience,
    tenant: &Tenant,
    world: &World,
) -> (BTreeMap<WorkloadId, BTreeSet<Scope>>, Vec<String>) {
    let mut counted: BTreeMap<WorkloadId, BTreeSet<Scope>> = BTreeMap::new();
    let mut notes = Vec::new();
    for grant in &audience.grants {
        let workload = match &grant.to {
            Grantee::Workload(workload) => workload,
            Grantee::Application(at) => {
                notes.push(format!("the grant to Application {at} waits for the tenant endpoint, which this version does not have yet"));
                continue;
            }
        };
        if !tenant.allows(&workload.namespace, labels(world, &workload.namespace)) {
            notes.push(format!(
                "the grant to {workload} grants nothing: tenant {} does not admit its namespace",
                tenant.at
            ));
            continue;
        }
        let (declared, beyond): (Vec<_>, Vec<_>) = grant
            .scopes
            .iter()
            .partition(|scope| audience.scopes.contains(scope));
        if !beyond.is_empty() {
            let beyond = crate::ident::write_scopes(beyond);
            notes.push(format!("the grant to {workload} names scopes that spec.scopes does not declare, and they grant nothing: {beyond}"));
        }
        counted
            .entry(workload.clone())
            .or_default()
            .extend(declared.into_iter().cloned());
    }
    (counted, notes)
}

fn tenant_notes(tenant: &Tenant, world: &World) -> Vec<String> {
    let Some(at) = &tenant.default_audience else {
        return Vec::new();
    };
    let found = world
        .audiences
        .iter()
        .any(|audience| audience.at == *at && audience.tenant == tenant.at);
    if found {
        Vec::new()
    } else {
        vec![format!(
            "defaultAudienceRef names {at}, and this tenant has no such ApiAudience: requests without an audience are refused"
        )]
    }
}

pub(super) fn labels<'a>(world: &'a World, namespace: &Namespace) -> &'a BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    world
        .namespaces
        .get(namespace)
        .map_or(&NONE, |NamespaceInfo { labels, .. }| labels)
}

fn object_ref(tenant: &TenantRef) -> ObjectRef {
    ObjectRef::new(tenant.namespace.clone(), tenant.name.clone())
}
