//! Which of the declared objects are served, with what they promised.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use super::admission::{
    Tenants, audience_alg, check_reserved, count_grants, default_audiences, domain_verdict,
    object_ref, opt_in_notes, reserved_identifiers, tenant_notes,
};
use super::applications::{self, Applications};
use super::deletion::{self, Deletions};
use super::names::Names;
use super::secrets;
use super::status::{Reason, Report, Status, Verdict};
use crate::ledger::{self, AudienceLedger, SecretLedger, TenantLedger};
use crate::ownership::{Claim, Kind, Name};
use crate::world::{Audience, AudienceAlg, Tenant, World};
use crate::{Domain, Identifier, Seconds, TenantRef, UnixTime};

/// The life of Management API tokens, and so the least that a tenant's key must outlive.
pub(super) const MANAGEMENT_LIFETIME: Seconds = 86_400;

/// A served tenant.
pub(super) struct ServedTenant<'a> {
    pub tenant: &'a Tenant,
    pub ledger: TenantLedger,
    pub audiences: Vec<ServedAudience<'a>>,
}

/// A served audience.
pub(super) struct ServedAudience<'a> {
    pub audience: &'a Audience,
    pub ledger: AudienceLedger,
}

/// What is served.
pub(super) struct Served<'a> {
    pub world: &'a World,
    /// The applications of tenants that have an endpoint.
    pub applications: Applications<'a>,
    pub claims: Vec<Claim>,
    pub tenants: Vec<ServedTenant<'a>>,
    /// The APIs whose tokens have no key pair: the endpoint alone makes them, and no sidecar is told of them.
    pub hmac: Hmac<'a>,
    /// What the secrets of applications promised.
    pub secrets: Vec<SecretLedger>,
    /// Ledgers of audiences that are no longer served.
    pub withdrawn: Vec<AudienceLedger>,
    /// Ledgers of tenants that are no longer served.
    pub withdrawn_tenants: Vec<TenantLedger>,
    pub statuses: Vec<Status>,
}

type Domains<'a> = BTreeMap<&'a TenantRef, BTreeSet<Domain>>;
type Reserved<'a> = BTreeMap<&'a TenantRef, BTreeSet<String>>;
type Hmac<'a> = BTreeMap<&'a TenantRef, Vec<&'a Audience>>;
type Audiences<'a> = BTreeMap<&'a TenantRef, Vec<ServedAudience<'a>>>;

pub(super) fn settle<'a>(
    now: UnixTime,
    world: &'a World,
    state: &State,
    deletions: &Deletions,
) -> Served<'a> {
    let names = Names::settle(now, world, state, deletions);
    let mut report = Report::default();
    let tenants = serve_tenants(world, &names, deletions, &mut report);
    let domains = serve_domains(world, &tenants, &names, &mut report);
    let secrets = secrets::settle(now, world, state, &tenants);
    let applications = applications::serve(now, world, &tenants, &secrets, &mut report);
    let ledgers: BTreeMap<(&TenantRef, &Identifier), &AudienceLedger> = state
        .audiences
        .iter()
        .map(|ledger| ((&ledger.tenant, &ledger.identifier), ledger))
        .collect();
    let reserved: Reserved<'_> = domains
        .iter()
        .map(|(tenant, domains)| (*tenant, reserved_identifiers(domains)))
        .collect();
    let mut audiences = Audiences::new();
    let mut hmac = Hmac::new();
    for audience in &world.audiences {
        let verdict = admit(audience, world, &tenants, &reserved, &names);
        let (grants, notes) = match &verdict {
            Ok((tenant, AudienceAlg::Hs256)) => {
                hmac.entry(&tenant.at).or_default().push(audience);
                let (grants, mut notes) = count_grants(audience, tenant, world);
                notes.extend(opt_in_notes(audience, grants.keys(), world));
                notes.extend(applications::grant_notes(audience, &applications));
                (BTreeMap::new(), notes)
            }
            Ok((tenant, AudienceAlg::Asymmetric(alg))) => {
                let (grants, mut notes) = count_grants(audience, tenant, world);
                notes.extend(opt_in_notes(audience, grants.keys(), world));
                notes.extend(applications::grant_notes(audience, &applications));
                notes.extend(applications::signing_note(tenant, *alg));
                (grants, notes)
            }
            Err(_) => (BTreeMap::new(), Vec::new()),
        };
        report.add(Kind::ApiAudience, &audience.at, &verdict, notes);
        if let Ok((tenant, AudienceAlg::Asymmetric(alg))) = verdict {
            let before = ledgers
                .get(&(&audience.tenant, &audience.identifier))
                .copied();
            let delay = tenant.propagation_delay;
            let ledger = ledger::settle_audience(now, before, (audience, alg), &grants, delay);
            let of_tenant = audiences.entry(&tenant.at).or_default();
            of_tenant.push(ServedAudience { audience, ledger });
        }
    }
    Served {
        world,
        applications,
        secrets,
        claims: names.into_claims(),
        hmac,
        withdrawn: withdraw_audiences(now, state, &tenants, &audiences),
        withdrawn_tenants: withdraw_tenants(now, state, &tenants),
        tenants: settle_tenants(now, state, &tenants, &domains, audiences),
        statuses: report.0,
    }
}

fn serve_tenants<'a>(
    world: &'a World,
    names: &Names,
    deletions: &Deletions,
    report: &mut Report,
) -> Tenants<'a> {
    let found = default_audiences(world);
    let served = world.tenants.iter().filter(|tenant| {
        let at = object_ref(&tenant.at);
        let verdict = if deletion::goes(deletions, &tenant.at) {
            let text = "it is being deleted, and nothing refers to it any more";
            Err((Reason::Deleting, text.to_owned()))
        } else {
            names.holds(Kind::Tenant, &at, &Name::Domain(tenant.domain.clone()))
        };
        let mut notes = tenant_notes(tenant, &found);
        notes.extend(deletion::note(deletions, &tenant.at));
        notes.extend(names.notes(&tenant.at));
        notes.extend(tenant.unreadable.iter().cloned());
        report.add(Kind::Tenant, &at, &verdict, notes)
    });
    Tenants {
        served: served.map(|tenant| (&tenant.at, tenant)).collect(),
        declared: world.tenants.iter().map(|tenant| &tenant.at).collect(),
    }
}

/// The domains of each served tenant: its own and its custom ones.
fn serve_domains<'a>(
    world: &'a World,
    tenants: &Tenants<'a>,
    names: &Names,
    report: &mut Report,
) -> Domains<'a> {
    let mut domains: Domains<'a> = tenants
        .served
        .iter()
        .map(|(at, tenant)| (*at, BTreeSet::from([tenant.domain.clone()])))
        .collect();
    for domain in &world.domains {
        let name = Name::Domain(domain.domain.clone());
        let verdict = tenants
            .find(&domain.tenant)
            .and_then(|_| domain_verdict(domain))
            .and_then(|()| names.holds(Kind::CustomDomain, &domain.at, &name));
        if report.add(Kind::CustomDomain, &domain.at, &verdict, Vec::new()) {
            domains
                .entry(&domain.tenant)
                .or_default()
                .insert(domain.domain.clone());
        }
    }
    domains
}

/// Whether an audience is served: under which tenant, with which algorithm.
fn admit<'a>(
    audience: &Audience,
    world: &World,
    tenants: &Tenants<'a>,
    reserved: &Reserved<'_>,
    names: &Names,
) -> Verdict<(&'a Tenant, AudienceAlg)> {
    let tenant = tenants.find(&audience.tenant)?;
    let alg = audience_alg(audience, tenant, world)?;
    check_reserved(&audience.identifier, reserved.get(&tenant.at))?;
    let name = Name::Identifier(audience.tenant.clone(), audience.identifier.clone());
    names.holds(Kind::ApiAudience, &audience.at, &name)?;
    Ok((tenant, alg))
}

fn withdraw_audiences(
    now: UnixTime,
    state: &State,
    tenants: &Tenants<'_>,
    served: &Audiences<'_>,
) -> Vec<AudienceLedger> {
    let kept: BTreeSet<(&TenantRef, &Identifier)> = served
        .values()
        .flatten()
        .map(|entry| (&entry.ledger.tenant, &entry.ledger.identifier))
        .collect();
    state
        .audiences
        .iter()
        .filter(|ledger| !kept.contains(&(&ledger.tenant, &ledger.identifier)))
        .filter_map(|ledger| {
            let tenant = tenants.served.get(&ledger.tenant);
            let delay = tenant.map_or(0, |tenant| tenant.propagation_delay);
            ledger::settle_withdrawn(now, ledger, delay)
        })
        .collect()
}

fn withdraw_tenants(now: UnixTime, state: &State, tenants: &Tenants<'_>) -> Vec<TenantLedger> {
    state
        .tenants
        .iter()
        .filter(|ledger| !tenants.served.contains_key(&ledger.tenant))
        .map(|ledger| {
            let who = (&ledger.tenant, &ledger.uid);
            ledger::settle_tenant(now, Some(ledger), who, &BTreeSet::new(), 0, 0)
        })
        .filter(|ledger| !ledger.domains.is_empty())
        .collect()
}

fn settle_tenants<'a>(
    now: UnixTime,
    state: &State,
    tenants: &Tenants<'a>,
    domains: &Domains<'_>,
    mut audiences: Audiences<'a>,
) -> Vec<ServedTenant<'a>> {
    let before: BTreeMap<&TenantRef, &TenantLedger> = state
        .tenants
        .iter()
        .map(|ledger| (&ledger.tenant, ledger))
        .collect();
    let settled = tenants.served.iter().map(|(at, tenant)| {
        let audiences = audiences.remove(at).unwrap_or_default();
        let lifetimes = audiences.iter().map(|entry| entry.audience.lifetime);
        let lifetime = lifetimes.fold(MANAGEMENT_LIFETIME, Seconds::max);
        let names = domains.get(at).cloned().unwrap_or_default();
        let who = (*at, &tenant.uid);
        let delay = tenant.propagation_delay;
        let before = before.get(at).copied();
        ServedTenant {
            tenant,
            ledger: ledger::settle_tenant(now, before, who, &names, lifetime, delay),
            audiences,
        }
    });
    settled.collect()
}
