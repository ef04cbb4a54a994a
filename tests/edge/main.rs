//! What stands around a workload API: proxies that ask it, a browser that must not reach it, and a tester that reads
//! its description.

mod browser;
mod caddy;
mod envoy;
mod front;
mod nginx;
mod schemathesis;
mod server;
mod tap;
