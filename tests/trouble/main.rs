//! The sidecar and `mintage dev` in trouble, as processes: what happens, what goes on, and how it ends.
//! `docs/troubles.md` says it for who runs them.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]

#[expect(
    clippy::module_inception,
    dead_code,
    unused_imports,
    reason = "these are core's own fixtures, and its tests use more of them"
)]
#[path = "../../core/tests/support/mod.rs"]
mod cluster;
#[expect(dead_code, reason = "the sidecar's own tests use more of it")]
#[path = "../../sidecar/tests/suite/folder.rs"]
mod folder;
#[expect(dead_code, reason = "the sidecar's own tests use more of it")]
#[path = "../../sidecar/tests/suite/raw.rs"]
mod raw;

mod client;
mod connections;
mod descriptors;
mod disk;
mod endpoint;
mod giants;
mod log;
mod reload;
mod sidecar;
mod slow;
