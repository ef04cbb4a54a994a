//! The project against a real Kubernetes API server, and what the tests start that one with.

#[path = "../../crds/tests/corpus/mod.rs"]
mod corpus;

mod control_plane;
mod injection;
mod kinds;
mod outage;
mod users;
mod verdicts;
