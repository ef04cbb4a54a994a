//! What travels: gRPC (`application/grpc`), one call that lasts.
//!
//! ```proto
//! service Feed { rpc Follow(stream Report) returns (stream News); }
//! ```
//!
//! The call's `authorization` is `Bearer` and the pod's token for the operator. The first report names the tenant.

use mintage_core::bundle::{MAX_PART, MAX_SHARDS};
use prost::Message;

/// The method's path.
pub const PATH: &str = "/mintage.feed.v1.Feed/Follow";

/// The most bytes of [`News`]: a bundle's shards with their manifest lines.
pub const MAX_NEWS: usize = MAX_SHARDS * (MAX_PART + 4096);

/// The most bytes of a [`Report`].
pub const MAX_REPORT: usize = 4096;

/// From the operator: a bundle that is newer than the one that was reported.
#[derive(Clone, PartialEq, Message)]
pub struct News {
    /// Its version.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// Its shards, as the Secrets have them.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub shards: Vec<Vec<u8>>,
}

/// From the sidecar: what it goes by now.
#[derive(Clone, PartialEq, Message)]
pub struct Report {
    /// The tenant, `<namespace>/<name>`.
    #[prost(string, tag = "1")]
    pub tenant: String,
    /// The version of the bundle in use.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// When its content was last confirmed, in seconds since 1970.
    #[prost(int64, tag = "3")]
    pub renewed_at: i64,
    /// Why the newest bundle is not used; empty if it is.
    #[prost(string, tag = "4")]
    pub refused: String,
}
