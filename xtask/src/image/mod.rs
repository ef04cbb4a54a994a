//! Container images, made without a daemon or a registry.
//!
//! ```text
//!  files ──► layer ──► configuration ──► manifest ──► archive: an OCI image layout, and `manifest.json` for those who read
//!                                                     what `docker save` writes
//! ```
//!
//! The archive is read by `docker load`, `podman load`, `ctr images import`, `kind load image-archive` and `skopeo`. The
//! same files make the same bytes.

mod layer;
mod linked;

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tar::Builder;

pub use linked::libraries;

/// A container image.
#[derive(Clone, Debug)]
pub struct Image {
    /// What pods call it: a registry's host, a path and a tag.
    pub name: String,
    /// What is in it. The first one is the program that runs.
    pub files: Vec<Entry>,
    /// The program's arguments, unless a pod has others.
    pub arguments: Vec<String>,
    /// The user and group that it runs as, unless a pod has others.
    pub user: u32,
    /// Labels, which are annotations of the manifest as well.
    pub labels: BTreeMap<String, String>,
    /// Whether the layer is compressed, which takes a while.
    pub compress: bool,
}

/// A file of an image: everybody may read and run it, nobody write.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it lies in the image, from the top.
    pub path: PathBuf,
    /// Where it comes from.
    pub source: PathBuf,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The digest of the manifest, `sha256:…`, by which a registry finds it.
    pub digest: String,
    /// What a node fetches, in bytes.
    pub size: usize,
}

/// What it was built for; `amd64` for `x86_64`.
pub fn architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Image {
    /// Writes it to a file.
    pub fn write(&self, file: &Path) -> Result<Written> {
        self.archive(file)
            .with_context(|| format!("image {}", self.name))
    }

    fn archive(&self, file: &Path) -> Result<Written> {
        let layer = layer::of(&self.files, self.compress)?;
        let configuration = self.configuration(&layer.content)?.to_string();
        let (configuration, layer) = (
            Blob::new(
                "application/vnd.oci.image.config.v1+json",
                configuration.into(),
            ),
            Blob::new(layer.kind, layer.bytes),
        );
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": configuration.descriptor(),
            "layers": [layer.descriptor()],
            "annotations": self.labels,
        });
        let manifest = Blob::new(MANIFEST, manifest.to_string().into());
        let mut described = manifest.descriptor();
        described["platform"] = json!({ "architecture": architecture(), "os": "linux" });
        let tag = self.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        described["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [described],
        });
        let saved = json!([{
            "Config": configuration.path(), "RepoTags": [self.name], "Layers": [layer.path()],
        }]);
        let layout = json!({ "imageLayoutVersion": "1.0.0" });

        let file = File::create(file).with_context(|| file.display().to_string())?;
        let mut archive = Builder::new(BufWriter::new(file));
        let mut append = |name: &str, bytes: &[u8]| {
            let mut header = layer::header(bytes.len().try_into()?, 0o644);
            archive.append_data(&mut header, name, bytes)?;
            anyhow::Ok(())
        };
        append("oci-layout", layout.to_string().as_bytes())?;
        append("index.json", index.to_string().as_bytes())?;
        append("manifest.json", saved.to_string().as_bytes())?;
        for blob in [&manifest, &configuration, &layer] {
            append(&blob.path(), &blob.bytes)?;
        }
        archive.into_inner()?.flush()?;
        Ok(Written {
            digest: format!("sha256:{}", manifest.sha256),
            size: layer.bytes.len() + configuration.bytes.len(),
        })
    }

    /// `content` is the digest of the layer before it was compressed.
    fn configuration(&self, content: &str) -> Result<Value> {
        let program = self.files.first().context("it has no program")?;
        Ok(json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": [format!("/{}", program.path.display())],
                "Cmd": self.arguments,
                "User": format!("{0}:{0}", self.user),
                "WorkingDir": "/",
                "Labels": self.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{content}")] },
        }))
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A part that others name by its digest.
struct Blob {
    kind: &'static str,
    bytes: Vec<u8>,
    sha256: String,
}

impl Blob {
    fn new(kind: &'static str, bytes: Vec<u8>) -> Self {
        let sha256 = sha256(&bytes);
        Self {
            kind,
            bytes,
            sha256,
        }
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.sha256)
    }

    fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.kind,
            "digest": format!("sha256:{}", self.sha256),
            "size": self.bytes.len(),
        })
    }
}

/// SHA-256 of bytes, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let mut text = String::new();
    for byte in digest.as_ref() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;

    use super::*;

    fn image(folder: &Path, compress: bool) -> Image {
        let source = folder.join("program");
        fs::write(&source, "#!/bin/sh\n").unwrap();
        Image {
            name: "registry.test:5000/team/app:1.2".into(),
            files: vec![Entry {
                path: "bin/app".into(),
                source,
            }],
            arguments: vec!["serve".into()],
            user: 7600,
            labels: BTreeMap::from([("org.opencontainers.image.title".into(), "app".into())]),
            compress,
        }
    }

    /// Follows the digests from the index to the layer, and gives the unpacked layer's entries.
    fn look(file: &Path, folder: &Path) -> (Value, Value, Vec<(PathBuf, u32, u64)>) {
        tar::Archive::new(File::open(file).unwrap())
            .unpack(folder)
            .unwrap();
        let read = |name: &str| -> Value {
            serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
        };
        let follow = |described: &Value| {
            let digest = described["digest"].as_str().unwrap();
            let hex = digest.strip_prefix("sha256:").unwrap();
            let bytes = fs::read(folder.join("blobs/sha256").join(hex)).unwrap();
            assert_eq!(sha256(&bytes), hex);
            assert_eq!(described["size"], bytes.len());
            bytes
        };
        let index = read("index.json");
        let manifest: Value = serde_json::from_slice(&follow(&index["manifests"][0])).unwrap();
        let configuration: Value = serde_json::from_slice(&follow(&manifest["config"])).unwrap();
        let layer = follow(&manifest["layers"][0]);
        let mut content = Vec::new();
        match manifest["layers"][0]["mediaType"].as_str().unwrap() {
            "application/vnd.oci.image.layer.v1.tar" => content = layer,
            "application/vnd.oci.image.layer.v1.tar+gzip" => {
                let mut reader = flate2::read::GzDecoder::new(&*layer);
                reader.read_to_end(&mut content).unwrap();
            }
            other => panic!("{other}"),
        }
        assert_eq!(
            configuration["rootfs"]["diff_ids"][0],
            format!("sha256:{}", sha256(&content))
        );
        // What reads the older form finds the same.
        let saved = read("manifest.json");
        let digest = manifest["config"]["digest"].as_str().unwrap();
        assert_eq!(
            saved[0]["Config"],
            format!("blobs/{}", digest.replace(':', "/"))
        );
        assert_eq!(saved[0]["RepoTags"][0], "registry.test:5000/team/app:1.2");
        let entries = tar::Archive::new(&*content)
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().into_owned();
                (path, header.mode().unwrap(), header.size().unwrap())
            })
            .collect();
        (index, configuration, entries)
    }

    #[test]
    fn every_digest_leads_to_what_it_names() {
        for compress in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("image.tar");
            let written = image(folder.path(), compress).write(&file).unwrap();
            let (index, configuration, entries) = look(&file, &folder.path().join("unpacked"));
            let described = &index["manifests"][0];
            assert_eq!(described["digest"], written.digest);
            assert_eq!(
                described["annotations"],
                json!({
                    "io.containerd.image.name": "registry.test:5000/team/app:1.2",
                    "org.opencontainers.image.ref.name": "1.2",
                })
            );
            assert_eq!(
                configuration["config"],
                json!({
                    "Entrypoint": ["/bin/app"], "Cmd": ["serve"], "User": "7600:7600", "WorkingDir": "/",
                    "Labels": { "org.opencontainers.image.title": "app" },
                })
            );
            assert_eq!(entries, [("bin/app".into(), 0o555, 10)]);
        }
    }

    #[test]
    fn the_same_files_make_the_same_bytes() {
        let write = |name: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(name);
            image(folder.path(), true).write(&file).unwrap();
            fs::read(&file).unwrap()
        };
        assert!(write("one.tar") == write("another.tar"));
    }

    #[test]
    fn an_image_without_a_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Image {
            files: Vec::new(),
            ..image(folder.path(), false)
        };
        let refused = empty.write(&folder.path().join("image.tar")).unwrap_err();
        assert_eq!(
            format!("{refused:#}"),
            "image registry.test:5000/team/app:1.2: it has no program"
        );
    }
}
