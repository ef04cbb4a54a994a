//! The process beside an application: issues tokens to it and judges the tokens it received.
//!
//! ```text
//!  folder ──► Files ──► Loaded (mint, verifier, caches) ──► Shared ──► routes ──► server
//!  (reload)             one bundle, swapped as a whole
//!     ▲                                                                └─► central: the tenant's endpoint
//!   feed: the operator's stream
//! ```
//!
//! `mintage dev` uses the same parts with files that it made itself.

pub mod admin;
mod cache;
pub mod central;
pub mod clock;
mod context;
pub mod descriptors;
pub mod endpoint;
pub mod ext_authz;
pub mod feed;
pub mod files;
mod front;
mod guard;
pub mod issuer;
pub mod logging;
pub mod metrics;
mod narrowing;
pub mod oauth;
pub mod options;
mod params;
pub mod reload;
mod room;
pub mod routes;
pub mod rule;
mod run;
pub mod server;
pub mod signals;
pub mod state;
pub mod traces;
mod unread;
mod verdict;
mod web;

pub use run::run;
