//! The one layer of an image.

use std::fs::File;
use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::{Entry, sha256};

/// A layer as it is stored.
pub struct Layer {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    /// SHA-256 of what it is unpacked to.
    pub content: String,
}

/// The layer with some files.
pub fn of(files: &[Entry], compress: bool) -> Result<Layer> {
    let mut archive = Builder::new(Vec::new());
    for Entry { path, source } in files {
        let mut bytes = Vec::new();
        File::open(source)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .with_context(|| source.display().to_string())?;
        let mut header = header(bytes.len().try_into()?, 0o555);
        archive.append_data(&mut header, path, &*bytes)?;
    }
    let bytes = archive.into_inner()?;
    let content = sha256(&bytes);
    if !compress {
        let kind = "application/vnd.oci.image.layer.v1.tar";
        return Ok(Layer {
            kind,
            bytes,
            content,
        });
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok(Layer {
        kind: "application/vnd.oci.image.layer.v1.tar+gzip",
        bytes: encoder.finish()?,
        content,
    })
}

/// Of root, and of no time: the same files make the same image.
pub fn header(length: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(length);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
