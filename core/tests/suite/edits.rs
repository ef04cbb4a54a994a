//! Random edits of a world, for properties that hold whatever admins do.

use mintage_core::world::{Audience, AudienceAlg, Dialect, Issuance};
use mintage_core::{Alg, Seconds};
use proptest::prelude::*;

use crate::support::{ACME, Cluster, GLOBEX, custom_domain, grant, name, standard};

/// One thing an admin does, or time that passes. Numbers pick an audience, workload or alike, modulo how many there are.
#[derive(Clone, Debug)]
pub enum Edit {
    Alg(usize, usize),
    Bring(usize, usize),
    Brings(usize, bool),
    CustomDomain(bool),
    Dialect(usize, bool),
    Grant(usize, usize, usize),
    Issuance(usize, bool),
    Lifetime(usize, Seconds),
    Rotate(u8),
    Wait(Seconds),
    Withdraw(Withdrawal),
}

/// What takes something back for good, or at once.
#[derive(Clone, Debug)]
pub enum Withdrawal {
    Admit(usize, bool),
    Delete(usize),
    DeleteTenant(usize, bool),
    LoseKey(usize),
    RevokeKey(usize),
    RevokeNow(usize, bool),
}

pub const WORKLOADS: [&str; 4] = ["shop/checkout", "shop/audit", "other/worker", "orders/api"];

const NAMESPACES: [&str; 3] = ["shop", "other", "orders"];

/// Edits that withdraw nothing at once.
pub fn gentle() -> BoxedStrategy<Edit> {
    let index = 0..8_usize;
    prop_oneof![
        2 => (index.clone(), index.clone()).prop_map(|(at, alg)| Edit::Alg(at, alg)),
        1 => (index.clone(), index.clone()).prop_map(|(at, alg)| Edit::Bring(at, alg)),
        1 => (index.clone(), any::<bool>()).prop_map(|(at, brings)| Edit::Brings(at, brings)),
        1 => any::<bool>().prop_map(Edit::CustomDomain),
        1 => (index.clone(), any::<bool>()).prop_map(|(at, rfc)| Edit::Dialect(at, rfc)),
        4 => (index.clone(), index.clone(), index.clone()).prop_map(|(at, to, scopes)| Edit::Grant(at, to, scopes)),
        2 => (index.clone(), any::<bool>()).prop_map(|(at, local)| Edit::Issuance(at, local)),
        1 => (index, 60..5000_i64).prop_map(|(at, seconds)| Edit::Lifetime(at, seconds)),
        1 => any::<u8>().prop_map(Edit::Rotate),
        6 => prop_oneof![0..20_i64, 0..700_i64, 0..20_000_i64].prop_map(Edit::Wait),
    ]
    .boxed()
}

/// Every edit.
pub fn any_edit() -> BoxedStrategy<Edit> {
    let index = 0..8_usize;
    let withdrawal = prop_oneof![
        (index.clone(), any::<bool>()).prop_map(|(at, admit)| Withdrawal::Admit(at, admit)),
        index.clone().prop_map(Withdrawal::Delete),
        (index.clone(), any::<bool>()).prop_map(|(at, gone)| Withdrawal::DeleteTenant(at, gone)),
        index.clone().prop_map(Withdrawal::LoseKey),
        index.clone().prop_map(Withdrawal::RevokeKey),
        (index, any::<bool>()).prop_map(|(at, now)| Withdrawal::RevokeNow(at, now)),
    ];
    prop_oneof![3 => gentle(), 1 => withdrawal.prop_map(Edit::Withdraw)].boxed()
}

/// The standard world with short lives and rotations, so that much happens.
pub fn lively() -> Cluster {
    let mut world = standard();
    for tenant in &mut world.tenants {
        tenant.allow_non_rsa = true;
        tenant.rotation_period = 9000;
    }
    for audience in &mut world.audiences {
        audience.lifetime = 1200;
    }
    Cluster::new(world)
}

impl Edit {
    /// Does it, and calls `planned` after each plan.
    pub fn run(&self, cluster: &mut Cluster, planned: &mut impl FnMut(&Cluster)) {
        let until = match self {
            Self::Wait(seconds) => cluster.now + *seconds,
            _ => cluster.now,
        };
        while let Some(due) = cluster.next_due.filter(|due| *due < until) {
            cluster.plan_at(due);
            planned(cluster);
        }
        self.change(cluster);
        cluster.plan_at(until);
        planned(cluster);
    }

    fn change(&self, cluster: &mut Cluster) {
        if let Self::Bring(at, alg) = self {
            cluster.bring([ACME, GLOBEX][at % 2], Alg::ALL[alg % Alg::ALL.len()]);
            return;
        }
        let world = &mut cluster.world;
        match self {
            Self::Brings(at, brings) => {
                world.tenants[at % 2].key_secret = brings.then(|| name("keys"));
            }
            Self::CustomDomain(there) => {
                world
                    .domains
                    .retain(|domain| domain.at.name.as_str() != "edit");
                let domain = custom_domain("identity/edit", ACME, "edit.acme.test");
                world.domains.extend(there.then_some(domain));
            }
            Self::Rotate(request) => {
                for tenant in &mut world.tenants {
                    tenant.rotate_request = Some(request.to_string());
                }
            }
            Self::Bring(_, _) | Self::Wait(_) => {}
            Self::Withdraw(withdrawal) => withdrawal.change(cluster),
            Self::Alg(at, _)
            | Self::Dialect(at, _)
            | Self::Grant(at, _, _)
            | Self::Issuance(at, _)
            | Self::Lifetime(at, _) => {
                let at = at % world.audiences.len();
                self.change_audience(&mut world.audiences[at]);
            }
        }
    }

    fn change_audience(&self, audience: &mut Audience) {
        match self {
            Self::Alg(_, alg) => {
                audience.alg = AudienceAlg::Asymmetric(Alg::ALL[alg % Alg::ALL.len()]);
            }
            Self::Dialect(_, true) => audience.dialect = Dialect::Rfc9068,
            Self::Dialect(_, false) => audience.dialect = Dialect::Auth0,
            Self::Grant(_, to, scopes) => {
                let mut given = grant(WORKLOADS[to % WORKLOADS.len()], "");
                audience.grants.retain(|known| known.to != given.to);
                // The bits pick the scopes; the highest takes the grant away.
                if scopes & 4 == 0 {
                    let declared = audience.scopes.iter().enumerate();
                    let picked = declared.filter(|(bit, _)| scopes & (1 << bit) != 0);
                    given.scopes = picked.map(|(_, scope)| scope.clone()).collect();
                    audience.grants.push(given);
                }
            }
            Self::Issuance(_, true) => audience.issuance = Issuance::Local,
            Self::Issuance(_, false) => audience.issuance = Issuance::Central,
            Self::Lifetime(_, seconds) => audience.lifetime = *seconds,
            Self::Bring(_, _)
            | Self::Brings(_, _)
            | Self::CustomDomain(_)
            | Self::Rotate(_)
            | Self::Wait(_)
            | Self::Withdraw(_) => {}
        }
    }
}

impl Withdrawal {
    fn change(&self, cluster: &mut Cluster) {
        let count = cluster.world.audiences.len().max(1);
        match self {
            Self::Admit(at, admit) => {
                let namespace = NAMESPACES[at % NAMESPACES.len()];
                let info = cluster.world.namespaces.get_mut(namespace);
                if let Some(info) = info {
                    let label = if *admit { "yes" } else { "no" };
                    info.labels.insert("acme".to_owned(), label.to_owned());
                }
            }
            Self::Delete(at) => {
                if count > 3 {
                    cluster.world.audiences.remove(at % count);
                }
            }
            Self::DeleteTenant(at, deleting) => {
                cluster.world.tenants[at % 2].deleting = *deleting;
            }
            Self::LoseKey(at) => {
                let kid = cluster
                    .private
                    .keys()
                    .nth(at % cluster.private.len())
                    .cloned();
                kid.map(|kid| cluster.private.remove(&kid));
            }
            Self::RevokeKey(at) => {
                let keys = cluster.state.keyrings.iter().flat_map(|ring| &ring.keys);
                let kids: Vec<_> = keys.map(|key| key.kid().clone()).collect();
                let tenant = &mut cluster.world.tenants[at % 2];
                tenant
                    .revoke_keys
                    .extend(kids.get(at * 3 % kids.len()).cloned());
            }
            Self::RevokeNow(at, now) => {
                if let Some(audience) = cluster.world.audiences.get_mut(at % count) {
                    audience.revoke_now = *now;
                }
            }
        }
    }
}

/// Every pair of a tenant and an API of it.
pub fn apis(cluster: &Cluster) -> Vec<(&'static str, String, String)> {
    let tenants = [ACME, GLOBEX];
    let audiences = cluster.world.audiences.iter();
    audiences
        .filter_map(|audience| {
            let tenant = tenants.into_iter().find(|at| audience.tenant == name(at))?;
            let namespace = audience.at.namespace.to_string();
            Some((tenant, namespace, audience.identifier.to_string()))
        })
        .collect()
}
