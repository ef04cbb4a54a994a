//! The operator on a real API server.

mod brought;
mod convergence;
mod crashes;
mod doctor;
mod domains;
mod endpoints;
mod feed;
mod half_written;
mod jail;
mod keyrings;
mod lease;
mod many;
mod matrix;
mod names;
mod outages;
mod permissions;
mod plugin;
mod quickstart;
mod scene;
mod slow;
mod stale;
mod start;
mod tenants;
mod traffic;
mod uninstall;
mod why;
