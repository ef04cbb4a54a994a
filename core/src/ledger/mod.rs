//! What was promised, and until when it must be believed.
//!
//! Grants, algorithms and issuers live as keys do: a new one is believed as soon as it is heard of and used a little
//! later, and one that was taken back is no longer used at once but believed as long as a token made under it lives.

mod secrets;
mod term;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use secrets::{Generations, SecretLedger, next_from, previous_until, settle_secret};
pub use term::Term;
use term::{Effect, in_use, settle, switch};

use crate::sorted::SortedMap;
use crate::world::{Audience, Issuance};
use crate::{
    Alg, Domain, Identifier, Namespace, ObjectRef, Scope, Seconds, TenantRef, Uid, UnixTime,
    WorkloadId,
};

/// What one audience promised.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AudienceLedger {
    /// The tenant; together with the identifier the ledger's name.
    pub tenant: TenantRef,
    /// The `aud` of its tokens.
    pub identifier: Identifier,
    /// The object that declares it.
    pub at: ObjectRef,
    /// Which life of the object.
    pub uid: Uid,
    /// The longest token life that was ever declared.
    pub longest_lifetime: Seconds,
    /// How long new tokens live.
    pub lifetime: Lifetime,
    /// The algorithms of its tokens.
    pub algs: SortedMap<Alg, Term>,
    /// Who signs. A namespace's key counts for this audience while `Local` is believed.
    pub issuance: SortedMap<Issuance, Term>,
    /// What each workload was granted.
    pub grants: Grants,
}

/// What each workload was granted. By far the largest part of a ledger, and seldom another one: states, and what is stored
/// of them, have it in common.
pub type Grants = Arc<SortedMap<WorkloadId, GrantTerms>>;

/// How long new tokens live. A shorter life counts at once; a longer one when every validator has heard of it, because
/// they refuse tokens that live longer than any they know of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifetime {
    /// In force now.
    pub now: Seconds,
    /// What was declared, and when it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<(Seconds, UnixTime)>,
}

impl Lifetime {
    fn settle(before: Option<Self>, declared: Seconds, effect: Effect) -> Self {
        let Some(before) = before.filter(|before| before.now < declared) else {
            return Self {
                now: declared,
                next: None,
            };
        };
        let from = before
            .next
            .filter(|(seconds, _)| *seconds == declared)
            .map_or(effect.from, |(_, from)| from);
        if from <= effect.now {
            Self {
                now: declared,
                next: None,
            }
        } else {
            Self {
                now: before.now,
                next: Some((declared, from)),
            }
        }
    }
}

/// A workload's grant: of the audience, and of each scope.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantTerms {
    /// The grant of the audience itself.
    pub term: Term,
    /// The scopes.
    pub scopes: SortedMap<Scope, Term>,
}

/// Plans the ledger of a served audience. `grants` are those that count: to workloads of namespaces that the tenant
/// serves, of scopes that the audience declares. `delay` is the propagation delay.
pub fn settle_audience(
    now: UnixTime,
    before: Option<&AudienceLedger>,
    (audience, alg): (&Audience, Alg),
    grants: &BTreeMap<WorkloadId, BTreeSet<Scope>>,
    delay: Seconds,
) -> AudienceLedger {
    let longest_lifetime = before
        .map_or(0, |ledger| ledger.longest_lifetime)
        .max(audience.lifetime);
    let mut effect = Effect::new(now, delay, longest_lifetime);
    if before.is_none() {
        // An audience that nobody knew has no validators to wait for.
        effect.from = now;
    }
    if audience.revoke_now {
        effect.believe_until = None;
    }
    let mut ledger = AudienceLedger {
        tenant: audience.tenant.clone(),
        identifier: audience.identifier.clone(),
        at: audience.at.clone(),
        uid: audience.uid.clone(),
        longest_lifetime,
        lifetime: Lifetime::settle(
            before.map(|ledger| ledger.lifetime),
            audience.lifetime,
            effect,
        ),
        algs: before.map(|ledger| ledger.algs.clone()).unwrap_or_default(),
        issuance: before
            .map(|ledger| ledger.issuance.clone())
            .unwrap_or_default(),
        grants: before
            .map(|ledger| ledger.grants.clone())
            .unwrap_or_default(),
    };
    switch(&mut ledger.algs, &alg, effect);
    switch(&mut ledger.issuance, &audience.issuance, effect);
    ledger.grants = settle_grants(ledger.grants, grants, effect);
    ledger
}

/// Plans the ledger of an audience that is no longer served: everything closes, and the ledger is gone with the last
/// token.
pub fn settle_withdrawn(
    now: UnixTime,
    before: &AudienceLedger,
    delay: Seconds,
) -> Option<AudienceLedger> {
    let effect = Effect::new(now, delay, before.longest_lifetime);
    let mut ledger = before.clone();
    settle(&mut ledger.algs, &BTreeSet::new(), effect);
    settle(&mut ledger.issuance, &BTreeSet::new(), effect);
    ledger.grants = settle_grants(ledger.grants, &BTreeMap::new(), effect);
    (!ledger.algs.is_empty()).then_some(ledger)
}

fn settle_grants(
    before: Grants,
    wanted: &BTreeMap<WorkloadId, BTreeSet<Scope>>,
    effect: Effect,
) -> Grants {
    let mut outer: SortedMap<WorkloadId, Term> = before
        .iter()
        .map(|(id, grant)| (id.clone(), grant.term))
        .collect();
    settle(&mut outer, &wanted.keys().cloned().collect(), effect);
    let nothing = BTreeSet::new();
    let terms: SortedMap<_, _> = outer
        .into_iter()
        .map(|(id, term)| {
            let mut scopes = before
                .get(&id)
                .map(|grant| grant.scopes.clone())
                .unwrap_or_default();
            settle(&mut scopes, wanted.get(&id).unwrap_or(&nothing), effect);
            (id, GrantTerms { term, scopes })
        })
        .collect();
    if terms == *before {
        before
    } else {
        Arc::new(terms)
    }
}

impl AudienceLedger {
    /// The algorithm that issuers sign with.
    pub fn alg(&self, now: UnixTime) -> Option<Alg> {
        in_use(&self.algs, now)
    }

    /// Who signs.
    pub fn issuance(&self, now: UnixTime) -> Option<Issuance> {
        in_use(&self.issuance, now)
    }

    /// The algorithms that keys are needed for, by signer: those in use and those that will be.
    pub fn signers(&self) -> impl Iterator<Item = (Issuance, Alg)> + '_ {
        let is_open = |term: &Term| matches!(term, Term::Open { .. });
        let issuance = self.issuance.iter().filter(move |(_, term)| is_open(term));
        issuance.flat_map(move |(issuance, _)| {
            let algs = self.algs.iter().filter(move |(_, term)| is_open(term));
            algs.map(|(alg, _)| (*issuance, *alg))
        })
    }

    /// The grants to the workloads of each namespace that has any.
    pub fn grants_by_namespace(&self) -> Vec<(&Namespace, Vec<(&WorkloadId, &GrantTerms)>)> {
        let mut all: Vec<(&Namespace, Vec<_>)> = Vec::new();
        // Workloads go by namespace first, so those of one namespace stand together.
        for (workload, terms) in &*self.grants {
            match all.last_mut() {
                Some((namespace, grants)) if **namespace == workload.namespace => {
                    grants.push((workload, terms));
                }
                _ => all.push((&workload.namespace, vec![(workload, terms)])),
            }
        }
        all
    }

    /// The bounds of each namespace: the scopes that any of its workloads was granted, each with its latest end, while
    /// namespaces sign for the audience. None of a namespace of which no workload was granted the audience.
    pub fn bounds(&self) -> impl Iterator<Item = (&Namespace, Bounds)> {
        let local = self.issuance.get(&Issuance::Local).copied();
        let namespaces = local.map(|local| (local, self.grants_by_namespace()));
        namespaces.into_iter().flat_map(|(local, namespaces)| {
            let bounds = move |(namespace, grants)| (namespace, Bounds::of(grants, local));
            namespaces.into_iter().map(bounds)
        })
    }

    /// The next moment after `now` at which a promise changes by itself.
    pub fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        let grants = self
            .grants
            .values()
            .flat_map(|grant| std::iter::once(&grant.term).chain(grant.scopes.values()));
        let terms = self.algs.values().chain(self.issuance.values());
        let lifetime = self.lifetime.next.map(|(_, from)| from);
        terms
            .chain(grants)
            .filter_map(|term| term.next_change(now))
            .chain(lifetime.filter(|from| *from > now))
            .min()
    }
}

/// What a namespace's key may speak for at one audience.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// The audience itself.
    pub term: Term,
    /// The scopes.
    pub scopes: SortedMap<Scope, Term>,
}

impl Bounds {
    fn of(grants: Vec<(&WorkloadId, &GrantTerms)>, local: Term) -> Self {
        let mut term: Option<Term> = None;
        let mut scopes: BTreeMap<&Scope, Term> = BTreeMap::new();
        for (_, grant) in grants {
            term = Some(term.map_or(grant.term, |known| known.or(grant.term)));
            for (scope, term) in &grant.scopes {
                scopes
                    .entry(scope)
                    .and_modify(|known| *known = known.or(*term))
                    .or_insert(*term);
            }
        }
        Self {
            term: term.map_or(local, |term| term.and(local)),
            scopes: scopes
                .into_iter()
                .map(|(scope, term)| (scope.clone(), term))
                .collect(),
        }
    }
}

/// What a tenant promised: its issuers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantLedger {
    /// The tenant.
    pub tenant: TenantRef,
    /// Which life of it.
    pub uid: Uid,
    /// The longest token life of any of its audiences, ever.
    pub longest_lifetime: Seconds,
    /// Its domains.
    pub domains: SortedMap<Domain, Term>,
}

/// Plans a tenant's ledger: its own domain and its verified custom domains.
pub fn settle_tenant(
    now: UnixTime,
    before: Option<&TenantLedger>,
    (tenant, uid): (&TenantRef, &Uid),
    domains: &BTreeSet<Domain>,
    lifetime: Seconds,
    delay: Seconds,
) -> TenantLedger {
    let longest_lifetime = before
        .map_or(0, |ledger| ledger.longest_lifetime)
        .max(lifetime);
    let mut effect = Effect::new(now, delay, longest_lifetime);
    if before.is_none() {
        effect.from = now;
    }
    let mut terms = before
        .map(|ledger| ledger.domains.clone())
        .unwrap_or_default();
    settle(&mut terms, domains, effect);
    TenantLedger {
        tenant: tenant.clone(),
        uid: uid.clone(),
        longest_lifetime,
        domains: terms,
    }
}

impl TenantLedger {
    /// The next moment after `now` at which a promise changes by itself.
    pub fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        self.domains
            .values()
            .filter_map(|term| term.next_change(now))
            .min()
    }
}
