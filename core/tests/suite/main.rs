//! What the core must do and must not, shown from outside on a planned cluster with real keys.
//!
//! Each negative test starts from a token that is accepted, changes one thing, and asserts the reason of the refusal.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]

#[path = "../support/mod.rs"]
mod support;

mod attacks_bounds;
mod attacks_claims;
mod attacks_forms;
mod attacks_keys;
mod attacks_kinds;
mod attacks_tokens;
mod authorization;
mod brought;
mod central;
mod client_secrets;
mod deletions;
mod dialects;
mod edits;
mod hostile;
mod key_sets;
mod names;
mod orders;
mod parts;
mod policy;
mod promises;
mod properties;
mod releases;
mod rotation_requests;
mod secrets;
mod shards;
mod statuses;
mod steps;
mod switches;
mod targets;
mod told;
mod upstream;
mod withdrawals;
