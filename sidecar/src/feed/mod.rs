//! News at once: a stream from the operator that brings bundles up to a minute before kubelet does, and takes back what
//! was made of them.
//!
//! ```text
//!  bundle (from the mount) ─► address, authorities ─► TLS ─► Follow ─► bundle-0 … ─► Reloader ─► Standing ─► Report
//!  operator-token (from the mount) ────────────────────────────┘
//! ```
//!
//! What comes by it is what the mount will have: the bundle in its shards, which holds nothing secret. The newer of the two
//! is used, by its version. Private keys come from the mount alone. Without the stream everything works as before, later.

mod backoff;
mod client;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use mintage_core::bundle::Feed;
use mintage_core::{TenantRef, UnixTime};
use tokio::sync::watch;

pub use client::follow;
pub use wire::{MAX_NEWS, MAX_REPORT, News, PATH, Report};

/// The file with the token that tells the operator which pod asks.
pub const TOKEN: &str = "operator-token";

/// A bundle that came by the stream.
#[derive(Debug, Eq, PartialEq)]
pub struct Pushed {
    /// Its version.
    pub version: u64,
    /// Its shards.
    pub shards: Vec<Vec<u8>>,
}

/// What a sidecar goes by.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// The tenant of its bundle.
    pub tenant: Option<TenantRef>,
    /// The bundle's version.
    pub version: u64,
    /// When its content was last confirmed.
    pub renewed_at: UnixTime,
    /// Why the last bundle that came by the stream is not used.
    pub refused: Option<String>,
    /// Where the stream comes from; `None` where there is none.
    pub feed: Option<Arc<Feed>>,
}

/// The reloader's end of the stream.
#[derive(Debug)]
pub struct Inlet {
    /// The newest bundle that came.
    pub pushed: watch::Receiver<Option<Arc<Pushed>>>,
    /// What the sidecar goes by.
    pub standing: watch::Sender<Standing>,
}

/// The other end.
#[derive(Debug)]
pub struct Outlet {
    pushed: watch::Sender<Option<Arc<Pushed>>>,
    standing: watch::Receiver<Standing>,
    token: PathBuf,
}

/// Both ends, for a sidecar with its files in `dir`.
pub fn ends(dir: &std::path::Path) -> (Inlet, Outlet) {
    let (push, pushed) = watch::channel(None);
    let (stand, standing) = watch::channel(Standing::default());
    let inlet = Inlet {
        pushed,
        standing: stand,
    };
    let outlet = Outlet {
        pushed: push,
        standing,
        token: dir.join(TOKEN),
    };
    (inlet, outlet)
}
