//! The project against a real Kubernetes API server, and what the tests start that one with.

#[path = "../../crds/tests/corpus/mod.rs"]
mod corpus;

mod charts;
mod control_plane;
mod injection;
mod kinds;
mod operator;
mod outage;
mod policies;
mod release;
mod users;
mod verdicts;
