//! The rules that one object must fulfil to be served.

use std::collections::{BTreeMap, BTreeSet};

use super::status::{Reason, Verdict};
use crate::world::{
    Audience, AudienceAlg, CustomDomain, Grantee, Issuance, NamespaceInfo, Tenant, World,
};
use crate::{Domain, Identifier, Namespace, ObjectRef, Scope, TenantRef, WorkloadId};

/// The tenants: those that are served, and every one that is declared.
pub(super) struct Tenants<'a> {
    pub served: BTreeMap<&'a TenantRef, &'a Tenant>,
    pub declared: BTreeSet<&'a TenantRef>,
}

impl<'a> Tenants<'a> {
    pub fn find(&self, at: &TenantRef) -> Verdict<&'a Tenant> {
        self.served.get(at).copied().ok_or_else(|| {
            if self.declared.contains(at) {
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
}

pub(super) fn domain_verdict(domain: &CustomDomain) -> Verdict {
    if domain.verified {
        Ok(())
    } else {
        Err((
            Reason::NotVerified,
            format!(
                "control over {} has not been shown, or is not any more",
                domain.domain
            ),
        ))
    }
}

pub(super) fn audience_alg(
    audience: &Audience,
    tenant: &Tenant,
    world: &World,
) -> Verdict<AudienceAlg> {
    let namespace = &audience.at.namespace;
    if !tenant.allows(namespace, labels(world, namespace)) {
        let text = format!(
            "tenant {} does not admit namespace {namespace}; a cluster admin can widen its spec.allowedNamespaces",
            tenant.at
        );
        return Err((Reason::NamespaceNotAllowed, text));
    }
    match audience.alg {
        AudienceAlg::Hs256 if tenant.endpoint.is_none() => {
            let text = format!(
                "HS256 tokens are made by the tenant endpoint only, and tenant {} has none; set its spec.endpoint.enabled: true, or choose RS256",
                tenant.at
            );
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
        alg => Ok(alg),
    }
}

/// The identifiers that stand for a tenant itself, as [`plain`] writes them.
pub(super) fn reserved_identifiers(domains: &BTreeSet<Domain>) -> BTreeSet<String> {
    domains
        .iter()
        .flat_map(|domain| {
            [
                plain(domain.as_str()).to_owned(),
                plain(domain.issuer().as_str()).to_owned(),
                plain(&domain.userinfo()).to_owned(),
                plain(&domain.management_api()).to_owned(),
            ]
        })
        .collect()
}

/// Refuses an identifier that stands for the tenant itself.
pub(super) fn check_reserved(
    identifier: &Identifier,
    reserved: Option<&BTreeSet<String>>,
) -> Verdict {
    if reserved.is_some_and(|reserved| reserved.contains(plain(identifier.as_str()))) {
        let text = format!(
            "identifier {identifier} belongs to the tenant itself (its issuers, /userinfo and /api/v2/ on its domains); choose another"
        );
        Err((Reason::Reserved, text))
    } else {
        Ok(())
    }
}

/// An identifier without the slashes at its end: one more or less must not make a look-alike.
fn plain(identifier: &str) -> &str {
    identifier.trim_end_matches('/')
}

/// The grants to workloads that count, and what is to be said about the others.
pub(super) fn count_grants(
    audience: &Audience,
    tenant: &Tenant,
    world: &World,
) -> (BTreeMap<WorkloadId, BTreeSet<Scope>>, Vec<String>) {
    let mut counted: BTreeMap<WorkloadId, BTreeSet<Scope>> = BTreeMap::new();
    let mut notes = Vec::new();
    for grant in &audience.grants {
        let Grantee::Workload(workload) = &grant.to else {
            continue;
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

/// What is to be said of namespaces that have no keys although the API needs them to: those of the workloads that sign
/// for it, and the one whose pods accept its tokens.
pub(super) fn opt_in_notes<'a>(
    audience: &Audience,
    workloads: impl Iterator<Item = &'a WorkloadId>,
    world: &World,
) -> Vec<String> {
    const MEND: &str =
        "label it mintage.dev/injection: enabled, or its pods mintage.dev/inject: \"true\"";
    let has_keys = |namespace: &Namespace| {
        let info = world.namespaces.get(namespace);
        info.is_some_and(|info| info.opted_in)
    };
    let mut notes = Vec::new();
    let without: BTreeSet<&Namespace> = workloads
        .map(|workload| &workload.namespace)
        .filter(|namespace| !has_keys(namespace))
        .collect();
    let without: Vec<&Namespace> = without.into_iter().collect();
    if !without.is_empty() {
        let namespaces = if without.len() == 1 {
            "namespace"
        } else {
            "namespaces"
        };
        notes.push(format!(
            "workloads of {namespaces} {} get no tokens: a namespace has to be there and to opt in first; {MEND}",
            super::status::few(&without)
        ));
    }
    // The tenant signs, and anybody can validate.
    if audience.issuance == Issuance::Central {
        return notes;
    }
    let home = &audience.at.namespace;
    if !has_keys(home) {
        notes.push(format!(
            "no sidecar of namespace {home} can validate its tokens: the namespace has not opted in; {MEND}"
        ));
    }
    notes
}

/// The tenants whose default audience is there.
pub(super) fn default_audiences(world: &World) -> BTreeSet<&TenantRef> {
    let named: BTreeSet<(&TenantRef, &ObjectRef)> = world
        .tenants
        .iter()
        .filter_map(|tenant| Some((&tenant.at, tenant.default_audience.as_ref()?)))
        .collect();
    world
        .audiences
        .iter()
        .filter(|audience| named.contains(&(&audience.tenant, &audience.at)))
        .map(|audience| &audience.tenant)
        .collect()
}

/// What an admin should know of a tenant; `found` are the tenants whose default audience is there.
pub(super) fn tenant_notes(tenant: &Tenant, found: &BTreeSet<&TenantRef>) -> Vec<String> {
    match &tenant.default_audience {
        Some(at) if !found.contains(&tenant.at) => vec![format!(
            "defaultAudienceRef names {at}, and this tenant has no such ApiAudience: requests without an audience are refused"
        )],
        _ => Vec::new(),
    }
}

pub(super) fn labels<'a>(world: &'a World, namespace: &Namespace) -> &'a BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    world
        .namespaces
        .get(namespace)
        .map_or(&NONE, |NamespaceInfo { labels, .. }| labels)
}

pub(super) fn object_ref(tenant: &TenantRef) -> ObjectRef {
    ObjectRef::new(tenant.namespace.clone(), tenant.name.clone())
}
