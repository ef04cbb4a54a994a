//! The operator on a real API server.

mod convergence;
mod crashes;
mod keyrings;
mod lease;
mod names;
mod outages;
mod quickstart;
mod scene;
mod start;
mod tenants;
mod traffic;
mod uninstall;
