//! A small cluster in memory: two tenants, their APIs and the namespaces that use them, planned by the crate's own
//! `plan` with real keys.

pub mod attacks;
mod cluster;
pub mod endpoint;
mod forge;
mod world;

pub use cluster::{Cluster, Good, verdict};
pub use forge::{Forge, segment, sign_texts};
pub use world::{
    ACME, GLOBEX, LEDGER, NOW, ORDERS, PAYMENTS, REPORTS, audience, custom_domain, grant,
    namespace, standard, tenant,
};

/// Reads a name; a test that misspells one fails here.
pub fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}
