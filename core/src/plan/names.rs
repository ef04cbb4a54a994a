//! Claims on the names that have one holder.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use super::admission::{labels, object_ref};
use super::deletion::{self, Deletions};
use super::served::MANAGEMENT_LIFETIME;
use super::status::{Reason, Verdict};
use crate::ownership::{self, Claim, Holder, Kind, Name, Object, Want};
use crate::shared::Shared;
use crate::world::{Audience, CustomDomain, Tenant, World};
use crate::{Domain, ObjectRef, Seconds, TenantRef, Uid, UnixTime};

/// The claims on names, settled.
pub(super) struct Names {
    resolution: ownership::Resolution,
    notes: BTreeMap<TenantRef, Vec<String>>,
}

impl Names {
    /// Settles them: who wants a name is decided here, who gets it in [`ownership`].
    pub fn settle(now: UnixTime, world: &World, state: &State, deletions: &Deletions) -> Self {
        let wants = wants(world, state, deletions);
        let released = Released::of(world);
        let frees = |claim: &Claim| released.frees(claim);
        let resolution = ownership::resolve(now, &state.claims, &wants, frees);
        let notes = released.notes(&resolution.claims);
        Self { resolution, notes }
    }

    /// Every claim, held or kept for a holder that is gone.
    pub fn into_claims(self) -> Vec<Claim> {
        self.resolution.claims
    }

    /// What a tenant's admin should know of the names that are to be freed.
    pub fn notes(&self, tenant: &TenantRef) -> impl Iterator<Item = String> + '_ {
        self.notes.get(tenant).into_iter().flatten().cloned()
    }

    /// Whether an object holds a name it wants.
    pub fn holds(&self, kind: Kind, at: &ObjectRef, name: &Name) -> Verdict {
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

fn wants(world: &World, state: &State, deletions: &Deletions) -> Vec<Want> {
    let mut longest: BTreeMap<&TenantRef, Seconds> = BTreeMap::new();
    for audience in &world.audiences {
        let known = longest
            .entry(&audience.tenant)
            .or_insert(MANAGEMENT_LIFETIME);
        *known = audience.lifetime.max(*known);
    }
    let longest = |tenant: &TenantRef| longest.get(tenant).copied().unwrap_or(MANAGEMENT_LIFETIME);
    let holder = |kind, at: &ObjectRef, uid: &Uid| Holder {
        object: Object {
            kind,
            at: at.clone(),
        },
        uid: uid.clone(),
        namespace_uid: namespace_uid(world, at).unwrap_or(uid).clone(),
    };
    let stay = |tenant: &&Tenant| !deletion::goes(deletions, &tenant.at);
    let tenants = world.tenants.iter().filter(stay).map(|tenant| Want {
        name: Name::Domain(tenant.domain.clone()),
        holder: holder(Kind::Tenant, &object_ref(&tenant.at), &tenant.uid),
        created: tenant.created,
        keep: longest(&tenant.at),
    });
    let by_ref: BTreeMap<&TenantRef, &Tenant> = world
        .tenants
        .iter()
        .map(|tenant| (&tenant.at, tenant))
        .collect();
    let repeats = |custom: &CustomDomain| {
        let tenant = by_ref.get(&custom.tenant);
        tenant.is_some_and(|tenant| tenant.domain == custom.domain)
    };
    // Only a verified domain may take a name; one that lapsed later keeps what it holds.
    let holders: BTreeMap<&Domain, &Uid> = state
        .claims
        .iter()
        .filter_map(|claim| match &claim.name {
            Name::Domain(domain) => Some((domain, &claim.holder.uid)),
            Name::Identifier(_, _) => None,
        })
        .collect();
    let held = |domain: &CustomDomain| holders.get(&domain.domain) == Some(&&domain.uid);
    let domains = world
        .domains
        .iter()
        .filter(|domain| domain.verified || held(domain))
        .map(|domain| Want {
            name: Name::Domain(domain.domain.clone()),
            holder: holder(Kind::CustomDomain, &domain.at, &domain.uid),
            // One that repeats its tenant's own domain must not take it from the tenant.
            created: if repeats(domain) {
                UnixTime(i64::MAX)
            } else {
                domain.created
            },
            keep: longest(&domain.tenant),
        });
    // Only an audience that its tenant admits may take a name in the tenant.
    let admitted = |audience: &&Shared<Audience>| {
        let namespace = &audience.at.namespace;
        let tenant = by_ref.get(&audience.tenant);
        tenant.is_some_and(|tenant| tenant.allows(namespace, labels(world, namespace)))
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
    tenants.chain(domains).chain(audiences).collect()
}

/// The life of an object's namespace, if that has been seen.
fn namespace_uid<'a>(world: &'a World, at: &ObjectRef) -> Option<&'a Uid> {
    world.namespaces.get(&at.namespace).map(|info| &info.uid)
}

/// The names that tenants' admins free before their time: identifiers of the tenant, and domains whose last holder was in
/// the tenant's namespace, in the same life of it.
struct Released<'a> {
    world: &'a World,
    tenants: BTreeMap<&'a TenantRef, &'a BTreeSet<String>>,
}

impl<'a> Released<'a> {
    fn of(world: &'a World) -> Self {
        let asks = |tenant: &&Tenant| !tenant.release_claims.is_empty();
        let tenants = world.tenants.iter().filter(asks);
        Self {
            world,
            tenants: tenants
                .map(|tenant| (&tenant.at, &tenant.release_claims))
                .collect(),
        }
    }

    /// Whether an admin who may do so frees the name.
    fn frees(&self, claim: &Claim) -> bool {
        match &claim.name {
            Name::Identifier(tenant, identifier) => self
                .tenants
                .get(tenant)
                .is_some_and(|names| names.contains(identifier.as_str())),
            Name::Domain(domain) => {
                let asks = |(tenant, names): (&&TenantRef, &&BTreeSet<String>)| {
                    tenant.namespace == claim.holder.object.at.namespace
                        && names.contains(domain.as_str())
                };
                self.tenants.iter().any(asks) && self.is_same_life(&claim.holder)
            }
        }
    }

    fn is_same_life(&self, holder: &Holder) -> bool {
        namespace_uid(self.world, &holder.object.at) == Some(&holder.namespace_uid)
    }

    /// What each of the admins should know: names that are held still, and domains that are not theirs.
    fn notes(&self, claims: &[Claim]) -> BTreeMap<TenantRef, Vec<String>> {
        let mut notes: BTreeMap<TenantRef, Vec<String>> = BTreeMap::new();
        for claim in claims.iter().filter(|_| !self.tenants.is_empty()) {
            let name = match &claim.name {
                Name::Identifier(_, identifier) => identifier.as_str(),
                Name::Domain(domain) => domain.as_str(),
            };
            let is_about = |tenant: &TenantRef| match &claim.name {
                Name::Identifier(of, _) => of == tenant,
                Name::Domain(_) => true,
            };
            let holder = &claim.holder.object;
            let what = if claim.released_at.is_none() {
                format!(
                    "{holder} holds it: it is freed when that is gone; take it out of the annotation if it is to be kept"
                )
            } else {
                format!(
                    "{holder}, which held it, was in another namespace or another life of this one: it is freed when its tokens have ended"
                )
            };
            let asks = self.tenants.iter();
            for (tenant, _) in
                asks.filter(|(tenant, names)| is_about(tenant) && names.contains(name))
            {
                let note = format!("mintage.dev/release-claim names {name}, and {what}");
                notes.entry((*tenant).clone()).or_default().push(note);
            }
        }
        notes
    }
}
