//! From resources to Secrets.
//!
//! ```text
//!  watches ─► observe ─► Snapshot ─┬─► leader: plan (mintage-core) ─► apply: truth ─► bundles ─► private keys ─► statuses
//!  (every replica)                 ├─► leader: domains (DNS, HTTP) ─► Findings ─► plan
//!                                  └─► webhook: a pod ─► the same pod with a sidecar
//! ```
//!
//! Every replica watches and serves the webhook; one of them, the holder of the Lease, writes.

pub mod inject;
pub mod snapshot;
pub mod tls;
pub mod webhook;
