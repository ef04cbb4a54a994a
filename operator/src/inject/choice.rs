//! Which tenant and which issuer a pod has.

use std::collections::BTreeMap;

use mintage_core::inject::{NoTenant, PodWishes, choose_tenant};
use mintage_core::plan::Reason;
use mintage_core::world::{CustomDomain, World};
use mintage_core::{Domain, Issuer, Namespace, TenantRef};
use mintage_crds::status;

use super::parts::Recipe;
use super::refusal::Refusal;
use crate::snapshot::Snapshot;

/// What a pod with these annotations gets.
pub fn choose(
    snapshot: &Snapshot,
    namespace: &Namespace,
    annotations: &BTreeMap<String, String>,
) -> Result<Recipe, Refusal> {
    let world = &snapshot.world;
    if !world.namespaces.contains_key(namespace) {
        return Err(Refusal::NamespaceUnknown(namespace.clone()));
    }
    let wishes = PodWishes::parse(annotations)?;
    let of_namespace = match (&wishes.tenant, snapshot.namespace_tenants.get(namespace)) {
        (Some(_), _) | (None, None) => None,
        (None, Some(Ok(tenant))) => Some(tenant),
        (None, Some(Err(cause))) => {
            return Err(Refusal::NamespaceAnnotation {
                namespace: namespace.clone(),
                cause: cause.clone(),
            });
        }
    };
    let tenant = choose_tenant(world, namespace, wishes.tenant.as_ref(), of_namespace)?;
    let issuer = issuer(snapshot, &tenant, wishes.domain.as_ref())?;
    let mut tenants = world.tenants.iter();
    let declared = tenants.find(|one| one.at == tenant);
    Ok(Recipe {
        endpoint: declared.is_some_and(|one| one.endpoint.is_some()),
        tenant,
        issuer,
        wishes,
    })
}

fn issuer(
    snapshot: &Snapshot,
    tenant: &TenantRef,
    wished: Option<&Domain>,
) -> Result<Issuer, Refusal> {
    let world = &snapshot.world;
    let own = world.tenants.iter().find(|one| one.at == *tenant);
    let own = own.ok_or_else(|| NoTenant::NotFound {
        tenant: tenant.clone(),
    })?;
    let Some(domain) = wished.filter(|domain| **domain != own.domain) else {
        return Ok(own.domain.issuer());
    };
    let custom = || {
        let of_tenant = world.domains.iter().filter(|one| one.tenant == *tenant);
        of_tenant.filter(|one| one.domain == *domain)
    };
    if let Some(verified) = custom().find(|one| one.verified) {
        refuse_loser(snapshot, verified)?;
        return Ok(domain.issuer());
    }
    Err(match custom().next() {
        Some(unverified) => Refusal::DomainUnverified {
            at: unverified.at.clone(),
        },
        None => Refusal::DomainUnknown {
            tenant: tenant.clone(),
            domain: domain.clone(),
        },
    })
}

/// A verified domain may still be somebody else's, who was there first. The plan has said so in the object's condition.
fn refuse_loser(snapshot: &Snapshot, domain: &CustomDomain) -> Result<(), Refusal> {
    let object = snapshot.domains.get(&domain.at);
    let conditions = object.and_then(|object| Some(&object.status.as_ref()?.conditions));
    let ready = conditions.and_then(|conditions| status::ready(conditions));
    match ready.filter(|ready| ready.reason == Reason::Conflict.to_string()) {
        None => Ok(()),
        Some(ready) => Err(Refusal::DomainConflict {
            at: domain.at.clone(),
            message: ready.message.clone(),
        }),
    }
}

/// What the pod asks for and does not get for now. It is no reason to refuse: audiences and pods are applied in any
/// order, and the sidecar takes an audience up when it comes.
pub fn warnings(world: &World, namespace: &Namespace, recipe: &Recipe) -> Vec<String> {
    let is_there = |name: &_| {
        let mut audiences = world.audiences.iter();
        audiences.any(|one| {
            one.at.namespace == *namespace && one.at.name == *name && one.tenant == recipe.tenant
        })
    };
    let missing = recipe.wishes.accept.iter().filter(|name| !is_there(*name));
    let warning = |name| {
        format!(
            "mintage: no ApiAudience {name} of tenant {} is in namespace {namespace} yet: its tokens are refused until it is",
            recipe.tenant
        )
    };
    missing.map(warning).collect()
}
