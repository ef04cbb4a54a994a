//! What must be remembered, in Secrets of the tenants' namespaces: names, promises, public keys and their lives.
//!
//! ```text
//!  load ─► Truth (as stored, with versions) ─► State ─► plan ─► State' ─► write what differs ─► Truth
//! ```
//!
//! What is in memory is what is stored: a part whose write failed stays as it was, and the next plan begins from there.
//! Each write names the version that it replaces, and each Secret the turn of leadership that wrote it; so of two
//! leaders, one of which was paused past its Lease, only the later one writes.

mod load;
mod look;
mod shard;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::plan::{Parts, State, TenantParts};
use mintage_core::{ObjectRef, TenantRef};

use crate::api::{Failure, Version};
use crate::secrets::{Hash, Place};
use shard::Key;

pub use load::each_secret;

/// A Secret as it is stored.
#[derive(Clone, Debug)]
struct Stored {
    version: Version,
    hash: Hash,
}

/// What is stored.
#[derive(Debug)]
pub struct Truth {
    /// The operator's namespace.
    operator: String,
    parts: Parts,
    stored: BTreeMap<Key, Stored>,
    by_place: BTreeMap<Place, Key>,
    /// The tenants of which something cannot be read, and what is to be done. Nothing of theirs is touched.
    damaged: BTreeMap<TenantRef, String>,
}

/// What came of a look at a Secret that somebody else may have changed.
#[derive(Debug, PartialEq)]
pub enum Look {
    /// It holds what it should.
    Intact,
    /// It did not, and was written again.
    Repaired {
        /// Whose it is, unless it is about a domain.
        tenant: Option<TenantRef>,
        /// Which.
        text: String,
    },
    /// It is not one of these.
    NotOurs,
}

impl Truth {
    /// What is stored, as one state.
    pub fn state(&self) -> State {
        State::join(self.parts.clone())
    }

    /// The tenants of which something cannot be read, and what is to be done.
    pub fn damaged(&self) -> &BTreeMap<TenantRef, String> {
        &self.damaged
    }

    /// The tenants of which something is stored.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantRef> {
        self.parts.tenants.keys()
    }

    fn remember(&mut self, key: Key, version: Version, hash: Hash) {
        self.by_place.insert(key.place(&self.operator), key.clone());
        self.stored.insert(key, Stored { version, hash });
    }

    fn forget(&mut self, key: &Key) {
        self.by_place.remove(&key.place(&self.operator));
        self.stored.remove(key);
    }

    /// The shards that are stored.
    fn stored_shards(&self, tenant: &TenantRef) -> BTreeSet<String> {
        let from = Key::Shard(tenant.clone(), String::new());
        self.stored
            .range(from..)
            .map_while(|(key, _)| match key {
                Key::Shard(of, shard) if of == tenant => Some(shard.clone()),
                _ => None,
            })
            .collect()
    }
}

/// The tenants whose names depend on who holds a domain: those of the holder's namespace.
fn concerns(holder: &ObjectRef, tenant: &TenantRef) -> bool {
    holder.namespace == tenant.namespace
}

/// A failure, and of what.
fn at(place: &Place, failure: &Failure) -> String {
    format!("Secret {}/{}: {failure}", place.0, place.1)
}

/// Nothing at all.
fn nothing() -> TenantParts {
    TenantParts::default()
}
