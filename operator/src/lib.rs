//! From resources to Secrets.
//!
//! ```text
//!  watches ─► observe ─► Snapshot ─┬─► leader: plan (mintage-core) ─► apply: truth ─► bundles ─► private keys ─► statuses
//!  (every replica)                 ├─► leader: domains (DNS, HTTP) ─► Findings ─► plan
//!                                  └─► webhook: a pod ─► the same pod with a sidecar
//! ```
//!
//! Every replica watches and serves the webhook; one of them, the holder of the Lease, writes.

pub mod api;
mod drift;
pub mod engine;
mod failpoint;
pub mod inject;
mod keys;
pub mod observe;
mod outputs;
mod secrets;
pub mod snapshot;
pub mod status;
pub mod tls;
mod truth;
pub mod webhook;
