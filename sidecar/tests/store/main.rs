//! The endpoint's store, on both databases: a file of `SQLite`, and a `PostgreSQL` that the tests start.
//!
//! Each negative test starts from something that works and changes one thing.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]

#[path = "../../../tests/src/skip.rs"]
mod skip;

mod backup;
mod codes;
mod consents;
mod credentials;
mod disk;
mod families;
mod killed;
mod limit;
mod opening;
mod people;
mod race;
mod records;
mod revocation;
mod rotation;
mod server;
mod sessions;
mod silent;
mod stores;
mod sweep;
mod tenants;
mod trust;
