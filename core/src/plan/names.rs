//! Claims on the names that have one holder.

use super::State;
use super::admission::{labels, object_ref};
use super::deletion::{self, Deletions};
use super::served::MANAGEMENT_LIFETIME;
use super::status::{Reason, Verdict};
use crate::ownership::{self, Claim, Holder, Kind, Name, Object, Want};
use crate::world::{Audience, CustomDomain, Tenant, World};
use crate::{ObjectRef, Seconds, TenantRef, Uid, UnixTime};

/// The claims on names, settled.
pub(super) struct Names {
    resolution: ownership::Resolution,
}

impl Names {
    /// Settles them: who wants a name is decided here, who gets it in [`ownership`].
    pub fn settle(now: UnixTime, world: &World, state: &State, deletions: &Deletions) -> Self {
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
        let stay = |tenant: &&Tenant| !deletion::goes(deletions, &tenant.at);
        let tenants = world.tenants.iter().filter(stay).map(|tenant| Want {
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

    /// Every claim, held or kept for a holder that is gone.
    pub fn claims(&self) -> Vec<Claim> {
        self.resolution.claims.clone()
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
