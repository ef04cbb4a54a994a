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
pub mod connect;
pub mod events;
pub mod health;
pub mod lease;
pub mod metrics;
pub mod options;
pub mod run;
pub mod snapshot;
pub mod stale;
pub mod stand;
pub mod uninstall;
