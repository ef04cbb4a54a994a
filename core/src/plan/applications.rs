//! The applications of each tenant, and what its endpoint is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::admission::{Tenants, count_grants, labels};
use super::bundles::stamp;
use super::served::{Served, ServedAudience, ServedTenant};
use super::status::{Reason, Report, Verdict};
use super::{Stamp, State, secrets};
use crate::bundle::Stamped;
use crate::endpoint::{Api, Application, Central, Config, Origin, RedirectUri, client_id};
use crate::keyring::Keyring;
use crate::ledger::{AudienceLedger, Bounds, GrantTerms, SecretLedger, Term};
use crate::ownership::Kind;
use crate::sorted::SortedMap;
use crate::world::{
    self, ApplicationKind, AudienceAlg, ClientAuth, Grantee, Issuance, Tenant, World,
};
use crate::{
    ClientId, Domain, Identifier, LEEWAY, ObjectRef, Scope, TenantRef, UnixTime, WorkloadId,
};

/// The applications that are served, by tenant and place.
pub(super) type Applications<'a> = BTreeMap<&'a TenantRef, BTreeMap<&'a ObjectRef, Application>>;

/// Decides which applications are served.
pub(super) fn serve<'a>(
    now: UnixTime,
    world: &'a World,
    tenants: &Tenants<'a>,
    secrets: &[SecretLedger],
    report: &mut Report,
) -> Applications<'a> {
    let mut served = Applications::new();
    let secrets: BTreeMap<&ObjectRef, &SecretLedger> =
        secrets.iter().map(|ledger| (&ledger.at, ledger)).collect();
    for application in &world.applications {
        let mut notes = Vec::new();
        let secret = secrets.get(&application.at).copied();
        let verdict = admit(application, world, tenants)
            .and_then(|tenant| read(now, application, tenant, secret, &mut notes));
        report.add(Kind::Application, &application.at, &verdict, notes);
        if let Ok(read) = verdict {
            let of_tenant = served.entry(&application.tenant).or_default();
            of_tenant.insert(&application.at, read);
        }
    }
    served
}

/// The tenant that serves an application.
pub(super) fn admit<'a>(
    application: &world::Application,
    world: &World,
    tenants: &Tenants<'a>,
) -> Verdict<&'a Tenant> {
    let tenant = tenants.find(&application.tenant)?;
    let namespace = &application.at.namespace;
    if !tenant.allows(namespace, labels(world, namespace)) {
        let text = format!(
            "tenant {} does not admit namespace {namespace}; a cluster admin can widen its spec.allowedNamespaces",
            tenant.at
        );
        return Err((Reason::NamespaceNotAllowed, text));
    }
    if tenant.endpoint.is_none() {
        let text = format!(
            "tenant {} has no endpoint, where users sign in and applications get tokens; set its spec.endpoint.enabled: true, and see its own status",
            tenant.at
        );
        return Err((Reason::NoEndpoint, text));
    }
    Ok(tenant)
}

/// Reads what the schema could not judge: one address that means something else than it seems to spoils the application.
fn read(
    now: UnixTime,
    application: &world::Application,
    tenant: &Tenant,
    secret: Option<&SecretLedger>,
    notes: &mut Vec<String>,
) -> Verdict<Application> {
    let native = application.kind == ApplicationKind::Native;
    let wrong = |field: &str, error: &dyn std::fmt::Display| {
        (Reason::InvalidAddress, format!("spec.{field}: {error}"))
    };
    let uris = |field: &'static str, texts: &[String]| {
        let mut uris = Vec::with_capacity(texts.len());
        for text in texts {
            match RedirectUri::parse(text) {
                Ok(uri) if uri.origin().is_none() && !native => {
                    let only = format!(
                        "{uri} has an app's own scheme, which only an application of type Native may have"
                    );
                    return Err(wrong(field, &only));
                }
                Ok(uri) => uris.push(uri),
                Err(error) => return Err(wrong(field, &error)),
            }
        }
        Ok(uris)
    };
    let redirect_uris = uris("redirectUris", &application.redirect_uris)?;
    let logout_uris = uris("logoutUris", &application.logout_uris)?;
    let mut web_origins = BTreeSet::new();
    for text in &application.web_origins {
        match Origin::parse(text) {
            Ok(origin) => web_origins.insert(origin),
            Err(error) => return Err(wrong("webOrigins", &error)),
        };
    }
    if web_origins.is_empty() {
        web_origins.extend(redirect_uris.iter().filter_map(RedirectUri::origin));
    }
    let at_home = application.at.namespace == tenant.at.namespace;
    if application.first_party && !at_home {
        notes.push(format!(
            "firstParty counts only in namespace {}, the tenant's own: users are asked before it gets tokens",
            tenant.at.namespace
        ));
    }
    // Without a secret there is nothing to be good, whatever is remembered of one.
    let secret = secret.filter(|_| application.auth != ClientAuth::None);
    notes.extend(secret.and_then(|ledger| secrets::note(application, ledger)));
    let secret_generation = secret.and_then(|ledger| ledger.in_use(now));
    let secret_generation = secret_generation.unwrap_or(application.secret.generation);
    let mut other_secrets = secret.map(|ledger| ledger.generations.clone());
    if let Some(others) = &mut other_secrets {
        others.retain(|generation, _| *generation != secret_generation);
    }
    Ok(Application {
        client: client_id(&tenant.uid, &application.uid),
        at: application.at.clone(),
        name: application
            .name
            .clone()
            .unwrap_or_else(|| application.at.name.to_string()),
        kind: application.kind,
        auth: application.auth,
        secret_generation,
        other_secrets: other_secrets.unwrap_or_default(),
        grant_types: application.grant_types.clone(),
        first_party: application.first_party && at_home,
        redirect_uris,
        logout_uris,
        web_origins,
        refresh: application.refresh,
    })
}

/// What is to be said of an API's grants to applications that count for nothing.
pub(super) fn grant_notes(
    audience: &world::Audience,
    applications: &Applications<'_>,
) -> Vec<String> {
    let mut notes = Vec::new();
    let served = applications.get(&audience.tenant);
    for grant in &audience.grants {
        let Grantee::Application(at) = &grant.to else {
            continue;
        };
        if !served.is_some_and(|served| served.contains_key(at)) {
            notes.push(format!(
                "the grant to Application {at} grants nothing: tenant {} serves no application of that name",
                audience.tenant
            ));
        }
        let beyond: Vec<&Scope> = grant
            .scopes
            .iter()
            .filter(|scope| !audience.scopes.contains(scope))
            .collect();
        if !beyond.is_empty() {
            let beyond = crate::ident::write_scopes(beyond);
            notes.push(format!("the grant to Application {at} names scopes that spec.scopes does not declare, and they grant nothing: {beyond}"));
        }
    }
    notes
}

/// What the endpoint of each tenant that has one is told.
pub(super) fn settle(
    now: UnixTime,
    served: &Served<'_>,
    keyrings: &[Keyring],
    state: &State,
) -> (
    BTreeMap<TenantRef, Stamped<Config>>,
    BTreeMap<TenantRef, Stamp>,
) {
    let mut json = Vec::new();
    let with_endpoint = served.tenants.iter().filter_map(|entry| {
        let login = entry.tenant.endpoint.as_ref()?;
        let tenant = &entry.tenant.at;
        let config = config(now, served, entry, keyrings, Arc::clone(login));
        let (told, stamp) = stamp(now, config, state.endpoints.get(tenant), &mut json);
        Some(((tenant.clone(), told), (tenant.clone(), stamp)))
    });
    with_endpoint.unzip()
}

fn config(
    now: UnixTime,
    served: &Served<'_>,
    entry: &ServedTenant<'_>,
    keyrings: &[Keyring],
    login: Arc<world::EndpointWishes>,
) -> Config {
    let tenant = entry.tenant;
    let none = BTreeMap::new();
    let applications = served.applications.get(&tenant.at).unwrap_or(&none);
    let places: BTreeMap<&ObjectRef, &ClientId> = applications
        .iter()
        .map(|(at, application)| (*at, &application.client))
        .collect();
    let own = keyrings
        .iter()
        .filter(|ring| ring.owner.namespace.is_none() && ring.owner.tenant == tenant.at);
    let default = tenant.default_audience.as_ref();
    let hmac = served
        .hmac
        .get(&tenant.at)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut apis: BTreeMap<Identifier, Api> = entry
        .audiences
        .iter()
        .filter_map(|audience| {
            Some((
                audience.audience.identifier.clone(),
                api(now, served.world, audience, &places)?,
            ))
        })
        .collect();
    apis.extend(hmac.iter().map(|audience| {
        let api = Api {
            central: Some(Central {
                until: None,
                grants: shared_grants(served.world, tenant, audience).collect(),
            }),
            ..declared_api(audience, &places)
        };
        (audience.identifier.clone(), api)
    }));
    let is_open = |domain: &Domain| {
        let term = entry.ledger.domains.get(domain);
        matches!(term, Some(Term::Open { .. }))
    };
    let customs = served.world.domains.iter();
    let customs = customs.filter(|of| of.tenant == tenant.at && of.verified && is_open(&of.domain));
    let certificates = customs
        .filter_map(|of| Some((of.domain.clone(), of.certificate.clone()?)))
        .chain(
            login
                .certificate
                .clone()
                .map(|own| (tenant.domain.clone(), own)),
        );
    let default = apis.values().find(|api| Some(&api.at) == default);
    let default_audience = default.map(|api| api.identifier.clone());
    Config {
        tenant: tenant.at.clone(),
        tenant_uid: tenant.uid.clone(),
        domain: tenant.domain.clone(),
        domains: entry.ledger.domains.clone(),
        max_age: tenant.max_bundle_age,
        default_audience,
        allow_non_rsa: tenant.allow_non_rsa,
        keys: own.flat_map(|ring| &ring.keys).cloned().collect(),
        apis,
        applications: applications
            .values()
            .map(|application| (application.client.clone(), application.clone()))
            .collect(),
        certificates: certificates.collect(),
        login,
    }
}

fn api(
    now: UnixTime,
    world: &World,
    entry: &ServedAudience<'_>,
    places: &BTreeMap<&ObjectRef, &ClientId>,
) -> Option<Api> {
    Some(Api {
        alg: AudienceAlg::Asymmetric(entry.ledger.alg(now)?),
        algs: entry.ledger.algs.clone(),
        lifetime: entry.ledger.lifetime.now,
        central: central(now, world, &entry.ledger),
        ..declared_api(entry.audience, places)
    })
}

/// What workloads get at the endpoint: while the API says so, or will, and a little longer.
fn central(now: UnixTime, world: &World, ledger: &AudienceLedger) -> Option<Central> {
    let until = match *ledger.issuance.get(&Issuance::Central)? {
        Term::Open { .. } => None,
        // Sidecars that have not heard of it yet go on asking for as long as news takes.
        Term::Closed { believe_until, .. } => {
            Some(believe_until - ledger.longest_lifetime - LEEWAY)
        }
    };
    if until.is_some_and(|until| until < now) {
        return None;
    }
    let bounds = |grant: &GrantTerms| Bounds {
        term: grant.term,
        scopes: grant.scopes.clone(),
    };
    let grants = ledger.grants.iter();
    let grants = grants.filter(|(workload, _)| is_opted_in(world, workload));
    let grants = grants.map(|(workload, grant)| (workload.clone(), bounds(grant)));
    Some(Central {
        until,
        grants: grants.collect(),
    })
}

fn is_opted_in(world: &World, workload: &WorkloadId) -> bool {
    let namespace = world.namespaces.get(&workload.namespace);
    namespace.is_some_and(|namespace| namespace.opted_in)
}

/// What each workload was granted of an API whose tokens have no key pair: nobody else has to hear of it before it counts.
pub(super) fn shared_grants(
    world: &World,
    tenant: &Tenant,
    audience: &world::Audience,
) -> impl Iterator<Item = (WorkloadId, Bounds)> {
    let always = Term::Open {
        from: UnixTime::default(),
    };
    let (grants, _) = count_grants(audience, tenant, world);
    let grants = grants.into_iter();
    let grants = grants.filter(|(workload, _)| is_opted_in(world, workload));
    grants.map(move |(workload, scopes)| {
        let bounds = Bounds {
            term: always,
            scopes: scopes.into_iter().map(|scope| (scope, always)).collect(),
        };
        (workload, bounds)
    })
}

/// An API as its object declares it.
fn declared_api(audience: &world::Audience, places: &BTreeMap<&ObjectRef, &ClientId>) -> Api {
    let mut grants: BTreeMap<ClientId, BTreeSet<Scope>> = BTreeMap::new();
    for grant in &audience.grants {
        let Grantee::Application(at) = &grant.to else {
            continue;
        };
        if let Some(client) = places.get(at) {
            let declared = grant
                .scopes
                .iter()
                .filter(|scope| audience.scopes.contains(scope));
            let granted = grants.entry((*client).clone()).or_default();
            granted.extend(declared.cloned());
        }
    }
    Api {
        at: audience.at.clone(),
        uid: audience.uid.clone(),
        identifier: audience.identifier.clone(),
        about: audience.about.clone(),
        alg: audience.alg,
        algs: SortedMap::new(),
        dialect: audience.dialect,
        lifetime: audience.lifetime,
        scopes: audience.scopes.clone(),
        users: audience.users,
        grants,
        central: None,
    }
}

/// What is to be said of an API that the endpoint cannot sign for.
pub(super) fn signing_note(tenant: &Tenant, alg: crate::Alg) -> Option<String> {
    let unsigned = tenant.endpoint.is_some() && !alg.is_rsa() && !tenant.allow_non_rsa;
    unsigned.then(|| {
        format!(
            "applications and users get no tokens for it: its algorithm is {alg}, and the tenant's own keys are RSA keys; set spec.jwks.allowNonRsa: true in tenant {}, or choose RS256",
            tenant.at
        )
    })
}

/// Whether the tenant's own keys sign for an audience that its workloads sign for themselves: users and applications get
/// theirs at the endpoint.
pub(super) fn endpoint_signs(tenant: &Tenant, issuance: Issuance, alg: crate::Alg) -> bool {
    issuance == Issuance::Local
        && tenant.endpoint.is_some()
        && (alg.is_rsa() || tenant.allow_non_rsa)
}
