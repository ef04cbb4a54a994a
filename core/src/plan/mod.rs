//! From what is declared and what was promised to what is to be: one pure function for the operator, `mintage dev` and
//! the tests.
//!
//! ```text
//!  claims ─► served tenants, audiences, domains ─► ledgers ─► keyrings ─► bundles
//! ```

mod admission;
mod applications;
mod brought;
mod bundles;
mod deletion;
mod keyrings;
mod names;
pub mod parts;
mod rotation;
mod secrets;
mod served;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use brought::MOST_SPENT;
pub use parts::{AudiencePart, NamespacePart, Parts, RootPart, TenantParts, part_name};
pub use rotation::Rotation;
pub use status::{Reason, Status};

use crate::bundle::{Bundle, Feed, Stamped};
use crate::endpoint::Config;
use crate::jose::Jwk;
use crate::keyring::{Keyring, Owner};
use crate::ledger::{AudienceLedger, SecretLedger, TenantLedger};
use crate::ownership::{Claim, Object};
use crate::world::World;
use crate::{Alg, Kid, Namespace, TenantRef, UnixTime};

/// What must be remembered between plans: the truth about names, promises and public keys.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Who holds which name.
    pub claims: Vec<Claim>,
    /// What each audience promised.
    pub audiences: Vec<AudienceLedger>,
    /// What each tenant promised.
    pub tenants: Vec<TenantLedger>,
    /// What the secret of each application promised.
    pub secrets: Vec<SecretLedger>,
    /// The public keys and their lives.
    pub keyrings: Vec<Keyring>,
    /// What each namespace was last told.
    pub bundles: Vec<BundleStamp>,
    /// The rotations that were asked for.
    pub rotations: Vec<Rotation>,
    /// The own keys of each tenant since its admin first brought them, oldest first: each has one life. Of those whose
    /// tokens have all ended, the last [`MOST_SPENT`].
    pub brought: BTreeMap<TenantRef, Vec<Kid>>,
    /// What the endpoint of each tenant that has one was last told.
    pub endpoints: BTreeMap<TenantRef, Stamp>,
}

/// The last bundle of a namespace under a tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleStamp {
    /// The tenant.
    pub tenant: TenantRef,
    /// The namespace.
    pub namespace: Namespace,
    /// Which bundle it was.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// What was last told somebody.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stamp {
    /// Its version.
    pub version: u64,
    /// When its content was last confirmed.
    pub renewed_at: UnixTime,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
}

/// A key that is wanted, or that was made or brought.
pub type KeyName = (Owner, Alg);

/// Everything a plan is made from, besides the clock.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What is declared.
    pub world: &'a World,
    /// What the last plan left.
    pub state: &'a State,
    /// The keys made because an earlier plan wanted them.
    pub fresh: &'a BTreeMap<KeyName, Jwk>,
    /// The keys that admins bring, of tenants that have a `key_secret`.
    pub brought: &'a BTreeMap<KeyName, Jwk>,
    /// The keys whose private part is stored and intact, brought ones included.
    pub private: &'a BTreeSet<Kid>,
    /// What is known of the sidecars that run.
    pub fleet: &'a Fleet,
}

impl<'a> Input<'a> {
    /// A world of which nothing is remembered yet, without any key at hand.
    pub fn first(world: &'a World) -> Self {
        static STATE: State = State {
            claims: Vec::new(),
            audiences: Vec::new(),
            tenants: Vec::new(),
            secrets: Vec::new(),
            keyrings: Vec::new(),
            bundles: Vec::new(),
            rotations: Vec::new(),
            brought: BTreeMap::new(),
            endpoints: BTreeMap::new(),
        };
        static KEYS: BTreeMap<KeyName, Jwk> = BTreeMap::new();
        static PRIVATE: BTreeSet<Kid> = BTreeSet::new();
        Self {
            world,
            state: &STATE,
            fresh: &KEYS,
            brought: &KEYS,
            private: &PRIVATE,
            fleet: Fleet::UNKNOWN,
        }
    }
}

/// What is known of the sidecars that run, and what they are to know of the operator.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fleet {
    /// Where they hear news at once.
    pub feed: Option<Arc<Feed>>,
    /// When the oldest bundle was made that any sidecar of a namespace goes by, for tenants and namespaces with sidecars.
    pub heard: BTreeMap<(TenantRef, Namespace), UnixTime>,
}

impl Fleet {
    /// Where nobody says anything, and nobody can be told at once.
    pub const UNKNOWN: &'static Self = &Self {
        feed: None,
        heard: BTreeMap::new(),
    };
}

/// What is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// To be remembered.
    pub state: State,
    /// Keys to make; then plan again. Until then nothing else of this plan lacks anything but those keys.
    pub wanted: BTreeSet<KeyName>,
    /// What each namespace is to be told, by tenant.
    pub bundles: BTreeMap<(TenantRef, Namespace), Bundle>,
    /// What the endpoint of each tenant that has one is to be told.
    pub endpoints: BTreeMap<TenantRef, Stamped<Config>>,
    /// How each object fares.
    pub statuses: Vec<Status>,
    /// The tenants that are being deleted, each with the objects that it waits for. While there are any it is served as
    /// before. With none it may go: nothing of it is served and its state is forgotten already, except for who held its
    /// domains; what is stored of it is to be removed, last of all what holds back the object itself.
    pub deletions: BTreeMap<TenantRef, Vec<Object>>,
    /// When to plan again though nothing changed.
    pub next_due: Option<UnixTime>,
}

/// Plans. With the same input it gives the same plan, and planning again from the state it gave changes nothing until
/// `next_due`.
pub fn plan(now: UnixTime, input: Input<'_>) -> Plan {
    let deletions = deletion::settle(input.world);
    let state = deletion::forget(input.state, &deletions);
    let input = Input {
        state: &state,
        ..input
    };
    let mut served = served::settle(now, input.world, input.state, &deletions);
    let mut rotations = rotation::settle(now, input.world, input.state, &deletions);
    let rings = keyrings::settle(now, &served, input, &rotations);
    brought::note(&mut served.statuses, &rings.notes);
    rotations.retain(|rotation| rotation.stands(&rings.all));
    let (bundles, stamps) = bundles::settle(now, &served, &rings.all, input);
    let (endpoints, endpoint_stamps) = applications::settle(now, &served, &rings.all, input.state);

    let audiences = served.tenants.iter().flat_map(|entry| &entry.audiences);
    let audiences = audiences
        .map(|entry| &entry.ledger)
        .chain(&served.withdrawn);
    let tenants = served.tenants.iter().map(|entry| &entry.ledger);
    let tenants = tenants.chain(&served.withdrawn_tenants);
    let promises = audiences
        .filter_map(|ledger| ledger.next_change(now))
        .chain(tenants.filter_map(|ledger| ledger.next_change(now)));
    let renewals = stamps
        .iter()
        .filter_map(|stamp| bundles.get(&(stamp.tenant.clone(), stamp.namespace.clone())));
    let renewals = renewals
        .map(bundles::renewal_due)
        .chain(endpoints.values().map(bundles::renewal_due));
    let names = served.claims.iter().filter_map(Claim::free_at);
    let secrets = served.secrets.iter();
    let secrets = secrets.filter_map(|ledger| ledger.next_change(now));
    let next_due = promises
        .chain(secrets)
        .chain(renewals)
        .chain(names)
        .chain(rings.next_due)
        .chain(
            rotations
                .iter()
                .map(|rotation| rotation.at)
                .filter(|at| *at > now),
        )
        .min();

    let mut audiences = served.withdrawn;
    let mut tenants = served.withdrawn_tenants;
    for entry in served.tenants {
        audiences.extend(entry.audiences.into_iter().map(|entry| entry.ledger));
        tenants.push(entry.ledger);
    }
    let mut state = State {
        claims: served.claims,
        audiences,
        tenants,
        secrets: served.secrets,
        keyrings: rings.all,
        bundles: stamps,
        rotations,
        brought: rings.brought,
        endpoints: endpoint_stamps,
    };
    state.sort();
    Plan {
        state,
        wanted: rings.wanted,
        bundles,
        endpoints,
        statuses: served.statuses,
        deletions,
        next_due,
    }
}
