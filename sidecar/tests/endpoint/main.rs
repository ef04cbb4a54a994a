//! The tenant endpoint over HTTP: browsers, applications and their tokens, on both stores. Worlds are planned by core's own
//! `plan`, and the clock is set by hand.
//!
//! Each negative test starts from something that works and changes one thing.

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
#[expect(dead_code, reason = "the tests of the store use more of it")]
#[path = "../store/server.rs"]
mod server;
#[path = "../../../tests/src/skip.rs"]
mod skip;
#[expect(dead_code, reason = "the tests of the store use more of it")]
#[path = "../store/stores.rs"]
mod stores;
#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod answers;
mod ask;
mod audit;
mod bodies;
mod browser;
mod client_secrets;
mod clients;
mod clocks;
mod codes;
mod consents;
mod cors;
mod documents;
mod guesses;
mod hosts;
mod idp;
mod introspection;
mod markup;
mod methods;
mod metrics;
mod modes;
mod opaque;
mod outages;
mod peers;
mod people;
mod prompts;
mod providers;
mod races;
mod redirects;
mod refreshes;
mod refusals;
mod reply;
mod reviews;
mod rows;
mod sessions;
mod sign_outs;
mod site;
mod texts;
mod together;
mod visits;
mod withdrawals;
mod workloads;
