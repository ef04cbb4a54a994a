//! Releases of the charts that Helm 3 made, in the hands of Helm 4, on a real API server.
//!
//! ```text
//!  Helm 3: install ─► upgrade │ Helm 4: upgrade ─► the same again ─► rollback ─► upgrade ─► uninstall
//!                             │            └── the same objects, and owners of their fields, as of a fresh install ──┘
//!  the operator, its Tenants and keys ─────────────────────────────────────────────────────────────► are not touched
//! ```
//!
//! Helm 3 merges by three ways in the client; Helm 4 has the API server apply what the chart says, and goes on merging
//! releases that were made the other way unless it is told otherwise. Both are shown.
//!
//! Run by `cargo xtask nightly --only helm-3-to-4`, which prepares Helm 3 as well.

mod objects;
mod stage;
mod takeover;
