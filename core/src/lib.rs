//! The pure middle of Mintage: what a token may say, who may ask for it, which key signs it and when, and what a
//! validator believes.
//!
//! ```text
//!  World (resources) ─┐
//!  State (keys, past) ─┼─ plan(now) ─► State', Bundles, statuses, keys wanted
//!  fresh keys        ─┘                   │
//!                                         ▼ one bundle for each (tenant, namespace)
//!             request ─► Policy::decide ─► Claims ─► sign        token ─► Verifier::verify ─► who, what
//! ```
//!
//! Nothing here does I/O, reads a clock or draws randomness: `now` and random bytes are arguments. The operator,
//! `mintage dev`, the sidecar and the tests all call the same functions.

pub mod alg;
pub mod bundle;
pub mod claims;
pub mod code;
pub mod endpoint;
pub mod ident;
pub mod inject;
pub mod jose;
pub mod json;
pub mod jwks;
pub mod keyring;
pub mod ledger;
pub mod managed;
pub mod mint;
pub mod ownership;
pub mod pem;
pub mod plan;
pub mod policy;
pub mod service_account;
pub mod shared;
pub mod sorted;
pub mod text;
pub mod time;
pub mod upstream;
pub mod verify;
pub mod world;

pub use alg::Alg;
pub use ident::{
    ClientId, Domain, Identifier, Issuer, Kid, Namespace, ObjectName, ObjectRef, Scope, TenantRef,
    Uid, UserId, WorkloadId,
};
pub use time::{LEEWAY, Seconds, UnixTime};
