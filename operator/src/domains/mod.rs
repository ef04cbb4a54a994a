//! Whether a custom domain is its tenant's: what to publish, where it is looked for, how often, and what is found.
//!
//! ```text
//!  Snapshots ─► run ─► queue (namespaces take turns) ─► checker ─► DNS TXT, or HTTP at addresses that were checked
//!                ▲                                        │
//!                └──────────── schedule ◄──── Outcome ────┘
//!                                 └─► Finding, when it says something new ─► plan, status
//! ```
//!
//! `docs/domains.md` is the page for people.

mod challenge;
mod checker;
mod dns;
mod http;
mod options;
mod outcome;
mod queue;
mod reach;
mod run;
mod schedule;

pub use challenge::{Subject, of as challenge_of};
pub use checker::{Check, Checker, Settings};
pub use dns::Unusable;
pub use http::Dial;
pub use options::Options;
pub use outcome::Outcome;
pub use run::run;
pub use schedule::Pace;
