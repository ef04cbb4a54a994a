//! The webhook without a cluster: what becomes of a pod, when certificates are made and served, and what a client sees
//! over TLS. `tests/apiserver` shows the same with a real API server.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "what is laid over a pod stands as a literal where it is used"
)]

mod attacks;
mod certificates;
mod cluster;
mod copies;
mod env;
mod hashes;
mod https;
mod life;
mod metrics;
mod pods;
mod properties;
mod refusals;
mod secret;
mod skips;
mod tenants;
