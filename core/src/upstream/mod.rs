//! A provider that knows users (OpenID Connect), as the tenant that is its client judges it: what it says of itself, its keys,
//! whose answer a browser brings back, and the ID token.
//!
//! ```text
//!  discovery ─► Metadata ─► ask: where the browser goes ─► check_answer: whose answer it is (RFC 9207)
//!  key set ───► Keys ─────► identify: the ID token ──────► Identity ─► UserId, Profile
//! ```
//!
//! Nothing here fetches anything. Whatever is wrong has a name, a [`Fault`].

mod address;
mod ask;
mod fault;
mod identity;
mod keys;
mod metadata;
mod profile;
mod subject;

pub use address::{Address, ProviderIssuer};
pub use ask::{Asking, fresh_since};
pub use fault::Fault;
pub use identity::{Expected, Identity};
pub use keys::Keys;
pub use metadata::{Metadata, Shown};
pub use subject::user_id;

use crate::Seconds;

/// How far a provider's clock and ours may differ: others' clocks are kept less well than those of one cluster.
pub const LEEWAY: Seconds = 60;
