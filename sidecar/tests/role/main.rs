//! The built binary in the role `endpoint`, with folders of its own and the machine's clock. Worlds are planned by core's
//! own `plan`.

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
#[path = "../../../core/tests/support/mod.rs"]
mod cluster;
#[expect(dead_code, reason = "the tests of sidecars use more of it")]
#[path = "../suite/folder.rs"]
mod folder;
#[expect(dead_code, reason = "the tests of the endpoint use more of it")]
#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod files;
mod listeners;
mod process;
mod reviews;
mod tenant;
