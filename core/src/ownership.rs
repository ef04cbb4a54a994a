//! Who holds a name that may have one holder only: a domain in the cluster, an identifier in a tenant.
//!
//! A claim is sticky. It stays with its holder while that exists; when the holder is gone it is kept for as long as
//! tokens under it can live, so that deleting and recreating the holder, or restoring a backup, hands nothing to
//! somebody who waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Domain, Identifier, LEEWAY, ObjectRef, Seconds, TenantRef, Uid, UnixTime};

/// A name with one holder.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Name {
    /// A domain; one claim space in the cluster.
    Domain(Domain),
    /// An audience's identifier; one claim space in each tenant.
    Identifier(TenantRef, Identifier),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => write!(f, "domain {domain}"),
            Self::Identifier(tenant, identifier) => {
                write!(f, "identifier {identifier} of tenant {tenant}")
            }
        }
    }
}

/// The kinds of objects that are declared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Kind {
    /// `ApiAudience`.
    ApiAudience,
    /// `Application`.
    Application,
    /// `CustomDomain`.
    CustomDomain,
    /// `Tenant`.
    Tenant,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An object of ours.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its place.
    pub at: ObjectRef,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.at)
    }
}

/// One life of an object, in one life of its namespace.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The object.
    pub object: Object,
    /// Its UID.
    pub uid: Uid,
    /// Its namespace's UID.
    pub namespace_uid: Uid,
}

/// The record of a held name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// What is held.
    pub name: Name,
    /// By whom.
    pub holder: Holder,
    /// How long it is kept after the holder is gone: the longest token life under it.
    pub keep: Seconds,
    /// Since when the holder has been gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<UnixTime>,
}

/// An object's wish to hold a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// What.
    pub name: Name,
    /// Who.
    pub holder: Holder,
    /// When the object was created: the older one wins.
    pub created: UnixTime,
    /// The longest token life under it, now.
    pub keep: Seconds,
}

/// Who holds what from now on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolution {
    /// The records, by name.
    pub claims: Vec<Claim>,
    /// The objects that did not get their name, each with the one that holds it.
    pub losers: BTreeMap<(Object, Name), Object>,
}

/// Whether it is the holder itself. Its own UID says so; its namespace's may not have been known when it took the name.
fn is_holder(want: &Want, claim: &Claim) -> bool {
    want.holder.object == claim.holder.object && want.holder.uid == claim.holder.uid
}

/// Settles the claims. Deterministic: the present holder; else the same object in the same life of its namespace (it
/// was deleted and recreated); else, for a free name, the oldest object, by name where the age is equal. `frees` says of a
/// name whose holder is gone whether it is free before its time.
pub fn resolve(
    now: UnixTime,
    claims: &[Claim],
    wants: &[Want],
    frees: impl Fn(&Claim) -> bool,
) -> Resolution {
    let mut by_name: BTreeMap<&Name, (Option<&Claim>, Vec<&Want>)> = BTreeMap::new();
    for claim in claims {
        if claim.free_at().is_none_or(|free_at| now < free_at) {
            by_name.entry(&claim.name).or_default().0 = Some(claim);
        }
    }
    for want in wants {
        by_name.entry(&want.name).or_default().1.push(want);
    }

    let mut resolution = Resolution::default();
    for (name, (claim, mut wants)) in by_name {
        wants.sort_by(|a, b| (a.created, &a.holder).cmp(&(b.created, &b.holder)));
        let heir = |claim: &Claim| {
            let find = |is: &dyn Fn(&Want) -> bool| wants.iter().copied().find(|want| is(want));
            find(&|want| is_holder(want, claim)).or_else(|| {
                find(&|want| {
                    want.holder.object == claim.holder.object
                        && want.holder.namespace_uid == claim.holder.namespace_uid
                })
            })
        };
        let (claim, winner) = match claim.map(|claim| (claim, heir(claim))) {
            Some((claim, None)) if frees(claim) => (None, wants.first().copied()),
            Some((claim, winner)) => (Some(claim), winner),
            None => (None, wants.first().copied()),
        };
        let record = match (winner, claim) {
            (Some(winner), _) => Claim {
                name: name.clone(),
                holder: winner.holder.clone(),
                keep: claim.map_or(0, |claim| claim.keep).max(winner.keep),
                released_at: None,
            },
            (None, Some(claim)) => Claim {
                released_at: Some(claim.released_at.unwrap_or(now)),
                ..claim.clone()
            },
            (None, None) => continue,
        };
        let holder = &record.holder;
        // Compared with the UID: the same object in another life of its namespace is a stranger, too.
        let losers = wants
            .iter()
            .filter(|want| record.released_at.is_some() || want.holder.uid != holder.uid);
        let losers = losers.map(|want| {
            (
                (want.holder.object.clone(), name.clone()),
                holder.object.clone(),
            )
        });
        resolution.losers.extend(losers);
        resolution.claims.push(record);
    }
    resolution
}

impl Claim {
    /// The first second in which a name whose holder is gone is free.
    pub fn free_at(&self) -> Option<UnixTime> {
        self.released_at
            .map(|released| released + self.keep + LEEWAY + 1)
    }
}

impl Resolution {
    /// The objects that hold the name they want.
    pub fn holders(&self) -> BTreeSet<&Object> {
        self.claims
            .iter()
            .filter(|claim| claim.released_at.is_none())
            .map(|claim| &claim.holder.object)
            .collect()
    }
}
