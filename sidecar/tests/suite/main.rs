//! The sidecar from outside: a real server on a free port, with files that core's own `plan` made, and a clock that is
//! set by hand.
//!
//! Each negative test starts from something that is accepted and changes one thing.

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
#[expect(dead_code, reason = "the tests of the endpoint use more of it")]
#[path = "../support/mod.rs"]
mod support;

mod admin;
mod answer;
mod at_once;
mod attacks;
mod central;
mod deliveries;
mod description;
mod documents;
mod envoy;
mod ext_authz;
mod ext_authz_limits;
mod folder;
mod freshness;
mod guard;
mod introspect;
mod limits;
mod logs;
mod openapi;
mod pod;
mod process;
mod pushed;
mod raw;
mod refusals;
mod reload;
mod requests;
mod reuse;
mod revocation;
mod sidecar;
mod sign_once;
mod swaps;
mod tenant_endpoint;
mod token_bodies;
mod token_clients;
mod token_requests;
mod tokens;
mod traces;
mod validate;
