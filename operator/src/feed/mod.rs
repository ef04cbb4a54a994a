//! News at once: each sidecar keeps a stream to the leader, which sends it the bundle of its namespace when that changes,
//! and hears what it goes by.
//!
//! ```text
//!  engine ── publish(bundles) ──► Book ──► one watch for each stream ──► News ──► sidecar
//!    ▲                             ▲ │
//!    └── heard, propagation ───────┘ └── Report ◄───────────────────────────────── sidecar
//! ```
//!
//! A stream belongs to one pod: its token is reviewed by the API server for this audience and no other, the pod must live
//! under the UID that the token names, and the stream ends with the token, with the pod, and with the leader's turn. A
//! report therefore counts for the pod that sent it, and only ever puts a key off: it lets nothing begin sooner.
//!
//! What is sent is what the Secrets of the pod's namespace hold: no private key ever comes near this module.

mod book;
mod newcomers;
mod review;
mod serve;
mod service;
mod survey;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mintage_core::bundle::Bundle;
use mintage_core::{Namespace, TenantRef, UnixTime};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::snapshot::Snapshot;
use book::Book;
use serve::Served;

pub use serve::{Options, serve};
pub use survey::Propagation;

/// What the leader's engine and its streams have in common.
#[derive(Debug, Default)]
pub struct Feed {
    book: Mutex<Book>,
    /// Somebody is behind whose bundle is not at hand: another plan is wanted.
    wanted: Notify,
    /// What streams report has changed.
    reported: Notify,
}

impl Feed {
    /// Sends what changed to those whom it concerns. Places that are told nothing any more are forgotten.
    pub fn publish<'a>(
        &self,
        bundles: impl Iterator<Item = (&'a (TenantRef, Namespace), &'a Bundle)>,
        is_told: impl Fn(&(TenantRef, Namespace)) -> bool,
    ) {
        let mut book = self.book();
        book.publish(bundles, Instant::now());
        book.forget(is_told);
        if book.streams() > 0 {
            self.reported.notify_one();
        }
    }

    /// When a plan is wanted though nothing changed: a sidecar came that has an older bundle.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// When reports have come.
    pub async fn reported(&self) {
        self.reported.notified().await;
    }

    /// When the oldest bundle was made that any sidecar of a namespace goes by.
    pub fn heard(&self, snapshot: &Snapshot) -> BTreeMap<(TenantRef, Namespace), UnixTime> {
        survey::heard(snapshot, &self.book())
    }

    /// How far the newest bundles have come, by tenant.
    pub fn propagation(&self, snapshot: &Snapshot) -> BTreeMap<TenantRef, Propagation> {
        survey::propagation(snapshot, &self.book())
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.book().streams()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in there is left half done by a panic.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
