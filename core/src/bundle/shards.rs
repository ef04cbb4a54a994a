//! A bundle on its way: cut into shards that fit into Secrets, each saying of which whole it is a part. Kubelet
//! updates the Secrets of a volume one after the other, so a reader can meet parts of two wholes; it then sees that
//! the hash does not fit and keeps what it has.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::Bundle;

/// The most shards of a bundle.
pub const MAX_SHARDS: usize = 8;

/// The most bytes in a part: a Secret holds 1 MiB, manifest line and base64 of other fields included.
pub const MAX_PART: usize = 900 * 1024;

const FORMAT: &str = "mintage.dev/bundle/v1";

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

/// The bundle does not fit into eight Secrets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the bundle has {size} bytes, more than eight Secrets hold; spread the APIs over several namespaces"
)]
pub struct BundleTooLarge {
    /// Its size.
    pub size: usize,
}

/// Shards that are not a whole bundle. The reader keeps the last good one and tries again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidBundle {
    /// The whole is not JSON of the right shape, though its hash fits: another version wrote it.
    #[error("the bundle's content cannot be read: {0}")]
    Content(String),
    /// Another version wrote it.
    #[error(
        "shard {0} has another format than {FORMAT}; sidecar and operator must be of versions that fit"
    )]
    Format(usize),
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

/// Writes a bundle as shards.
pub fn split(bundle: &Bundle) -> Result<Vec<Vec<u8>>, BundleTooLarge> {
    let whole = serde_json::to_vec(bundle).expect("a bundle has string keys only");
    let shards = whole.len().div_ceil(MAX_PART);
    if shards > MAX_SHARDS {
        return Err(BundleTooLarge { size: whole.len() });
    }
    let sha256 = hex(digest(&SHA256, &whole).as_ref());
    let shard = |(index, part): (usize, &[u8])| {
        let manifest = Manifest {
            format: FORMAT.to_owned(),
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
pub fn join(shards: &[Option<&[u8]>]) -> Result<Bundle, InvalidBundle> {
    let read = |index: usize| {
        let shard = shards.get(index).copied().flatten();
        read_shard(index, shard.ok_or(InvalidBundle::Missing(index))?)
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
    let bundle: Bundle = serde_json::from_slice(&whole)
        .map_err(|error| InvalidBundle::Content(error.to_string()))?;
    if bundle.version == first.version {
        Ok(bundle)
    } else {
        Err(InvalidBundle::Mixed)
    }
}

/// The version of the bundle that a first shard begins; it may still turn out not to be whole.
pub fn version(first: &[u8]) -> Result<u64, InvalidBundle> {
    read_shard(0, first).map(|(manifest, _)| manifest.version)
}

/// A shard's manifest, and its part of the whole.
fn read_shard(index: usize, bytes: &[u8]) -> Result<(Manifest, &[u8]), InvalidBundle> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(InvalidBundle::Manifest(index))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes[..end]).map_err(|_| InvalidBundle::Manifest(index))?;
    if manifest.format != FORMAT {
        return Err(InvalidBundle::Format(index));
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
