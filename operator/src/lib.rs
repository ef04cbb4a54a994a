//! From resources to Secrets.
//!
//! ```text
//!  watches ─► observe ─► Snapshot ─┬─► leader: plan (mintage-core) ─► apply: truth ─► bundles ─► private keys ─► statuses
//!  (every replica)                 ├─► leader: domains (DNS, HTTP) ─► Findings ─► plan
//!                                  └─► webhook: a pod ─► the same pod with a sidecar
//! ```
//!
//! Every replica watches and serves the webhook; one of them, the holder of the Lease, writes.

pub mod admin;
pub mod api;
mod at_once;
pub mod brought;
pub mod connect;
pub mod domains;
mod drift;
mod duty;
mod endpoints;
pub mod engine;
pub mod events;
mod failpoint;
mod feed;
pub mod health;
pub mod inject;
mod keys;
pub mod lease;
pub mod metrics;
pub mod observe;
pub mod options;
mod outputs;
mod pauses;
mod retry;
pub mod run;
#[cfg(test)]
mod scripted;
mod secrets;
pub mod snapshot;
pub mod stale;
pub mod stand;
pub mod status;
pub mod tls;
mod truth;
pub mod uninstall;
pub mod webhook;
mod witness;
