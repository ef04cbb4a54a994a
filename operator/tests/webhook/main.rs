//! The webhook without a cluster: what becomes of a pod, when certificates are made and served, and what a client sees
//! over TLS. `tests/apiserver` shows the same with a real API server.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]

mod attacks;
mod certificates;
mod cluster;
mod copies;
mod env;
mod hashes;
mod https;
mod life;
mod pods;
mod properties;
mod refusals;
mod secret;
mod skips;
mod tenants;
