//! The project against a real Kubernetes API server, and what the tests start that one with.

#[path = "../../crds/tests/corpus/mod.rs"]
mod corpus;
#[expect(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "these are core's own fixtures, and its tests use more of them"
)]
#[path = "../../core/tests/support/mod.rs"]
mod planned;

mod charts;
mod control_plane;
mod endpoint_policies;
mod injection;
mod kinds;
mod operator;
mod outage;
mod policies;
mod release;
mod users;
mod verdicts;
mod workloads;
