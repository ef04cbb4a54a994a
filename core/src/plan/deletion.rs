//! Tenants that are being deleted. One is served as before while something refers to it, so that nothing in use loses
//! its issuer by a slip; then it goes, and what was remembered of it, too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::State;
use super::admission::labels;
use crate::TenantRef;
use crate::ownership::{Kind, Name, Object};
use crate::world::{Tenant, World};

/// The tenants that are being deleted, each with the objects that it waits for.
pub(super) type Deletions = BTreeMap<TenantRef, Vec<Object>>;

/// Finds what refers to each tenant that is being deleted. An `ApiAudience` that the tenant does not admit is none of its,
/// or anybody could hold a tenant back.
pub(super) fn settle(world: &World) -> Deletions {
    let deleting: BTreeMap<&TenantRef, &Tenant> = world
        .tenants
        .iter()
        .filter(|tenant| tenant.deleting)
        .map(|tenant| (&tenant.at, tenant))
        .collect();
    let mut deletions: Deletions = deleting
        .keys()
        .map(|at| ((*at).clone(), Vec::new()))
        .collect();
    if deletions.is_empty() {
        return deletions;
    }
    let mut wait = |tenant: &TenantRef, kind, at: &crate::ObjectRef| {
        let at = at.clone();
        if let Some(objects) = deletions.get_mut(tenant) {
            objects.push(Object { kind, at });
        }
    };
    for audience in &world.audiences {
        let namespace = &audience.at.namespace;
        let admits = |tenant: &&Tenant| tenant.allows(namespace, labels(world, namespace));
        if deleting.get(&audience.tenant).is_some_and(admits) {
            wait(&audience.tenant, Kind::ApiAudience, &audience.at);
        }
    }
    for application in &world.applications {
        let namespace = &application.at.namespace;
        let admits = |tenant: &&Tenant| tenant.allows(namespace, labels(world, namespace));
        if deleting.get(&application.tenant).is_some_and(admits) {
            wait(&application.tenant, Kind::Application, &application.at);
        }
    }
    for domain in &world.domains {
        wait(&domain.tenant, Kind::CustomDomain, &domain.at);
    }
    for objects in deletions.values_mut() {
        objects.sort();
    }
    deletions
}

/// Whether a tenant is being deleted and waits for nothing.
pub(super) fn goes(deletions: &Deletions, tenant: &TenantRef) -> bool {
    deletions.get(tenant).is_some_and(Vec::is_empty)
}

/// The state without what was remembered of tenants that go. Nobody is left who could believe a key or a promise of
/// theirs. Who held their domains is remembered: those are the cluster's.
pub(super) fn forget<'a>(state: &'a State, deletions: &Deletions) -> Cow<'a, State> {
    let stays = |tenant: &TenantRef| !goes(deletions, tenant);
    if deletions.values().all(|objects| !objects.is_empty()) {
        return Cow::Borrowed(state);
    }
    let mut state = state.clone();
    state.claims.retain(|claim| match &claim.name {
        Name::Domain(_) => true,
        Name::Identifier(tenant, _) => stays(tenant),
    });
    state.audiences.retain(|ledger| stays(&ledger.tenant));
    state.tenants.retain(|ledger| stays(&ledger.tenant));
    state.secrets.retain(|ledger| stays(&ledger.tenant));
    state.keyrings.retain(|ring| stays(&ring.owner.tenant));
    state.bundles.retain(|stamp| stays(&stamp.tenant));
    state.rotations.retain(|rotation| stays(&rotation.tenant));
    state.brought.retain(|tenant, _| stays(tenant));
    state.endpoints.retain(|tenant, _| stays(tenant));
    Cow::Owned(state)
}

/// What an admin should know of a tenant that waits.
pub(super) fn note(deletions: &Deletions, tenant: &TenantRef) -> Option<String> {
    let objects = deletions.get(tenant).filter(|all| !all.is_empty())?;
    Some(format!(
        "it is being deleted and goes when nothing refers to it any more; until then it is served: delete {}",
        super::status::few(objects)
    ))
}
