//! What was promised, and until when it must be believed.
//!
//! Grants, algorithms and issuers live as keys do: a new one is believed as soon as it is heard of and used a little
//! later, and one that was taken back is no longer used at once but believed as long as a token made under it lives.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::world::{Audience, AudienceAlg, Issuance};
use crate::{
    Alg, Domain, Identifier, LEEWAY, Namespace, ObjectRef, Scope, Seconds, TenantRef, Uid,
    UnixTime, WorkloadId,
};

/// When a promise holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    tag = "phase",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Term {
    /// Used from `from` on; believed already before.
    Open {
        /// The first second in which it is used.
        from: UnixTime,
    },
    /// No longer used; believed up to and including `believe_until`.
    Closed {
        /// The last second in which a token made under it can be alive.
        believe_until: UnixTime,
    },
}

impl Term {
    /// Whether issuers may act on it.
    pub fn is_used(self, now: UnixTime) -> bool {
        matches!(self, Self::Open { from } if from <= now)
    }

    /// Whether validators accept what was made under it.
    pub fn is_believed(self, now: UnixTime) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Closed { believe_until } => now <= believe_until,
        }
    }

    /// The moment after `now` at which it changes by itself.
    pub fn next_change(self, now: UnixTime) -> Option<UnixTime> {
        let moment = match self {
            Self::Open { from } => from,
            Self::Closed { believe_until } => believe_until + 1,
        };
        (moment > now).then_some(moment)
    }
}

/// The moments that a change of promises takes effect.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// Now.
    pub now: UnixTime,
    /// When a new promise is used.
    pub from: UnixTime,
    /// Until when one that is taken back now is believed; before `now` to drop it at once.
    pub believe_until: UnixTime,
}

/// Opens what is wanted and closes what is not; forgets what nobody believes any more.
fn settle<K: Clone + Ord>(terms: &mut BTreeMap<K, Term>, wanted: &BTreeSet<K>, effect: Effect) {
    for (key, term) in terms.iter_mut() {
        let open = matches!(term, Term::Open { .. });
        if open && !wanted.contains(key) {
            *term = Term::Closed {
                believe_until: effect.believe_until,
            };
        } else if !open && wanted.contains(key) && term.is_believed(effect.now) {
            // Every validator still believes it, so there is nothing to wait for.
            *term = Term::Open { from: effect.now };
        }
    }
    terms.retain(|_, term| term.is_believed(effect.now));
    for key in wanted {
        terms
            .entry(key.clone())
            .or_insert(Term::Open { from: effect.from });
    }
}

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
    /// The longest token life that was ever in force.
    pub longest_lifetime: Seconds,
    /// The algorithms of its tokens.
    pub algs: BTreeMap<Alg, Term>,
    /// Who signs. A namespace's key counts for this audience while `Local` is believed.
    pub issuance: BTreeMap<Issuance, Term>,
    /// What each workload was granted.
    pub grants: BTreeMap<WorkloadId, GrantTerms>,
}

/// A workload's grant: of the audience, and of each scope.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantTerms {
    /// The grant of the audience itself.
    pub term: Term,
    /// The scopes.
    pub scopes: BTreeMap<Scope, Term>,
}

/// Plans the ledger of a served audience. `grants` are those that count: to workloads of namespaces that the tenant
/// serves, of scopes that the audience declares. `delay` is the propagation delay.
pub fn settle_audience(
    now: UnixTime,
    before: Option<&AudienceLedger>,
    audience: &Audience,
    grants: &BTreeMap<WorkloadId, BTreeSet<Scope>>,
    delay: Seconds,
) -> AudienceLedger {
    let longest_lifetime = before
        .map_or(0, |ledger| ledger.longest_lifetime)
        .max(audience.lifetime);
    // An audience that nobody knew has no validators to wait for.
    let from = if before.is_some() { now + delay } else { now };
    let believe_until = if audience.revoke_now {
        now - 1
    } else {
        now + longest_lifetime + LEEWAY
    };
    let effect = Effect {
        now,
        from,
        believe_until,
    };

    let mut ledger = before.cloned().unwrap_or_else(|| AudienceLedger {
        tenant: audience.tenant.clone(),
        identifier: audience.identifier.clone(),
        at: audience.at.clone(),
        uid: audience.uid.clone(),
        longest_lifetime,
        algs: BTreeMap::new(),
        issuance: BTreeMap::new(),
        grants: BTreeMap::new(),
    });
    ledger.at = audience.at.clone();
    ledger.uid = audience.uid.clone();
    ledger.longest_lifetime = longest_lifetime;
    let algs = match audience.alg {
        AudienceAlg::Asymmetric(alg) => BTreeSet::from([alg]),
        AudienceAlg::Hs256 => BTreeSet::new(),
    };
    settle(&mut ledger.algs, &algs, effect);
    settle(
        &mut ledger.issuance,
        &BTreeSet::from([audience.issuance]),
        effect,
    );
    settle_grants(&mut ledger.grants, grants, effect);
    ledger
}

/// Plans the ledger of an audience that is no longer served: everything closes, and the ledger is gone with the last
/// token.
pub fn settle_withdrawn(now: UnixTime, before: &AudienceLedger) -> Option<AudienceLedger> {
    let believe_until = now + before.longest_lifetime + LEEWAY;
    let effect = Effect {
        now,
        from: now,
        believe_until,
    };
    let mut ledger = before.clone();
    settle(&mut ledger.algs, &BTreeSet::new(), effect);
    settle(&mut ledger.issuance, &BTreeSet::new(), effect);
    settle_grants(&mut ledger.grants, &BTreeMap::new(), effect);
    (!ledger.algs.is_empty()).then_some(ledger)
}

fn settle_grants(
    terms: &mut BTreeMap<WorkloadId, GrantTerms>,
    wanted: &BTreeMap<WorkloadId, BTreeSet<Scope>>,
    effect: Effect,
) {
    let mut outer: BTreeMap<WorkloadId, Term> = terms
        .iter()
        .map(|(id, grant)| (id.clone(), grant.term))
        .collect();
    settle(&mut outer, &wanted.keys().cloned().collect(), effect);
    let nothing = BTreeSet::new();
    *terms = outer
        .into_iter()
        .map(|(id, term)| {
            let mut scopes = terms
                .remove(&id)
                .map(|grant| grant.scopes)
                .unwrap_or_default();
            settle(&mut scopes, wanted.get(&id).unwrap_or(&nothing), effect);
            (id, GrantTerms { term, scopes })
        })
        .collect();
}

impl AudienceLedger {
    /// Whether keys of namespaces count for this audience.
    pub fn believes_namespaces(&self, now: UnixTime) -> bool {
        self.issuance
            .get(&Issuance::Local)
            .is_some_and(|term| term.is_believed(now))
    }

    /// The bounds of one namespace: the scopes that any of its workloads was granted, each with its latest end.
    /// `None` if no workload of it was granted the audience.
    pub fn bounds(&self, namespace: &Namespace) -> Option<Bounds> {
        let mut bounds: Option<Bounds> = None;
        for (_, grant) in self
            .grants
            .iter()
            .filter(|(id, _)| id.namespace == *namespace)
        {
            let bounds = bounds.get_or_insert(Bounds {
                term: grant.term,
                scopes: BTreeMap::new(),
            });
            bounds.term = later(bounds.term, grant.term);
            for (scope, term) in &grant.scopes {
                bounds
                    .scopes
                    .entry(scope.clone())
                    .and_modify(|known| *known = later(*known, *term))
                    .or_insert(*term);
            }
        }
        bounds
    }

    /// All terms, to find the next change.
    pub fn terms(&self) -> impl Iterator<Item = Term> + '_ {
        let grants = self
            .grants
            .values()
            .flat_map(|grant| std::iter::once(grant.term).chain(grant.scopes.values().copied()));
        self.algs
            .values()
            .copied()
            .chain(self.issuance.values().copied())
            .chain(grants)
    }
}

/// What a namespace's key may speak for at one audience.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// The audience itself.
    pub term: Term,
    /// The scopes.
    pub scopes: BTreeMap<Scope, Term>,
}

/// Of two terms the one that is believed longer.
fn later(a: Term, b: Term) -> Term {
    match (a, b) {
        (Term::Open { from: x }, Term::Open { from: y }) => Term::Open { from: x.min(y) },
        (Term::Open { .. }, Term::Closed { .. }) => a,
        (Term::Closed { .. }, Term::Open { .. }) => b,
        (Term::Closed { believe_until: x }, Term::Closed { believe_until: y }) => Term::Closed {
            believe_until: x.max(y),
        },
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
    pub domains: BTreeMap<Domain, Term>,
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
    let from = if before.is_some() { now + delay } else { now };
    let effect = Effect {
        now,
        from,
        believe_until: now + longest_lifetime + LEEWAY,
    };
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
