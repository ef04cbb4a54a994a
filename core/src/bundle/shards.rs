//! What somebody is told, on its way: cut into shards that fit into Secrets, each saying of which whole it is a part. Kubelet
//! updates the Secrets of a volume one after the other, so a reader can meet parts of two wholes; it then sees that
//! the hash does not fit and keeps what it has.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{Body, Stamped, Told};

/// The most shards of a bundle.
pub const MAX_SHARDS: usize = 8;

/// The most bytes in a part: a Secret holds 1 MiB, manifest line and base64 of other fields included.
pub const MAX_PART: usize = 900 * 1024;

/// The first line of a shard; the part follows after a newline.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    version: u64,
    index: usize,
    shards: usize,
    /// SHA-256 of the whole, in hexadecimal digits.
    sha256: String,
}

/// It does not fit into eight Secrets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} has {size} bytes, more than eight Secrets hold; {mend}")]
pub struct BundleTooLarge {
    /// What it is.
    pub what: &'static str,
    /// Its size.
    pub size: usize,
    /// What can be done about it.
    pub mend: &'static str,
}

/// Shards that are not a whole. The reader keeps the last good one and tries again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidBundle {
    /// The whole is not JSON of the right shape, though its hash fits: another version wrote it.
    #[error("the content of the shards cannot be read: {0}")]
    Content(String),
    /// Another version wrote it.
    #[error(
        "shard {index} has another format than {expected}; its reader and the operator must be of versions that fit"
    )]
    Format {
        /// Of which shard.
        index: usize,
        /// The format that is understood.
        expected: &'static str,
    },
    /// The parts are not of one whole: an update is under way, or a file is damaged.
    #[error("the shards do not belong together (an update under way, or a damaged file)")]
    Mixed,
    /// There is no shard 0, or one in between is missing.
    #[error("shard {0} is missing")]
    Missing(usize),
    /// A shard does not begin with a manifest line.
    #[error("shard {0} does not begin with a manifest line")]
    Manifest(usize),
}

/// Writes it as shards.
pub fn split<B: Told>(bundle: &Stamped<B>) -> Result<Vec<Vec<u8>>, BundleTooLarge> {
    let whole = serde_json::to_vec(bundle).expect("it has string keys only");
    let shards = whole.len().div_ceil(MAX_PART);
    if shards > MAX_SHARDS {
        return Err(BundleTooLarge {
            what: B::NAME,
            size: whole.len(),
            mend: B::SMALLER,
        });
    }
    let sha256 = hex(digest(&SHA256, &whole).as_ref());
    let shard = |(index, part): (usize, &[u8])| {
        let manifest = Manifest {
            format: B::FORMAT.to_owned(),
            version: bundle.version,
            index,
            shards,
            sha256: sha256.clone(),
        };
        let mut bytes = serde_json::to_vec(&manifest).expect("a manifest has string keys only");
        bytes.push(b'\n');
        bytes.extend_from_slice(part);
        bytes
    };
    Ok(whole.chunks(MAX_PART).enumerate().map(shard).collect())
}

/// Puts shards together. `shards[i]` is the content of shard `i`; shards beyond the manifest's number are ignored
/// (a bundle that shrank leaves some behind).
pub fn join<B: Told>(shards: &[Option<&[u8]>]) -> Result<Stamped<B>, InvalidBundle> {
    let read = |index: usize| {
        let shard = shards.get(index).copied().flatten();
        read_shard(
            B::FORMAT,
            index,
            shard.ok_or(InvalidBundle::Missing(index))?,
        )
    };
    let (first, part) = read(0)?;
    if first.index != 0 || !(1..=MAX_SHARDS).contains(&first.shards) {
        return Err(InvalidBundle::Manifest(0));
    }
    let mut whole = part.to_vec();
    for index in 1..first.shards {
        let (manifest, part) = read(index)?;
        if manifest
            != (Manifest {
                index,
                ..first.clone()
            })
        {
            return Err(InvalidBundle::Mixed);
        }
        whole.extend_from_slice(part);
    }
    if hex(digest(&SHA256, &whole).as_ref()) != first.sha256 {
        return Err(InvalidBundle::Mixed);
    }
    let bundle: Stamped<B> = serde_json::from_slice(&whole)
        .map_err(|error| InvalidBundle::Content(error.to_string()))?;
    if bundle.version == first.version {
        Ok(bundle)
    } else {
        Err(InvalidBundle::Mixed)
    }
}

/// The version of the bundle that a first shard begins; it may still turn out not to be whole.
pub fn version(first: &[u8]) -> Result<u64, InvalidBundle> {
    read_shard(Body::FORMAT, 0, first).map(|(manifest, _)| manifest.version)
}

/// A shard's manifest, and its part of the whole.
fn read_shard<'a>(
    expected: &'static str,
    index: usize,
    bytes: &'a [u8],
) -> Result<(Manifest, &'a [u8]), InvalidBundle> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(InvalidBundle::Manifest(index))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes[..end]).map_err(|_| InvalidBundle::Manifest(index))?;
    if manifest.format != expected {
        return Err(InvalidBundle::Format { index, expected });
    }
    Ok((manifest, &bytes[end + 1..]))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
}
