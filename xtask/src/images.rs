//! `cargo xtask image`: the images of a release. Each holds one static program; that of the sidecar also the authorities that
//! the world trusts, since its role `endpoint` asks providers of users.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use mintage_core::pem;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;
use xtask::image::{Entry, Image};

use crate::progress::say;
use crate::{process, release, workspace};

/// Where the chart looks for the images, unless told otherwise.
const REGISTRY: &str = "ghcr.io/mintage-dev";

/// The programs that get an image, what they are, and whether they call servers that the world trusts.
const IMAGES: [(&str, &str, bool); 2] = [
    (
        "mintage-operator",
        "Makes keys and config of Tenants, ApiAudiences and CustomDomains, and injects sidecars",
        false,
    ),
    (
        "mintage-sidecar",
        "Issues and validates access tokens for the app beside it",
        true,
    ),
];

/// The file of authorities, and where programs look for it in an image.
const AUTHORITIES: &str = "ca-certificates.crt";
const AUTHORITIES_IN: &str = "etc/ssl/certs/ca-certificates.crt";

/// The user and group of the programs: nobody's in particular.
const USER: u32 = 65_532;

/// The most that a node has to fetch, in bytes.
const MOST: usize = 20_000_000;

/// The options of `cargo xtask image`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write to; that of `cargo xtask release` unless given
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// What the images' names begin with
    #[arg(long, value_name = "REGISTRY", default_value = REGISTRY)]
    registry: String,
    /// Their tag; the version unless given
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
}

/// Runs `cargo xtask image`.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (_, archives) = make(args)?;
    next(&archives)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a release with the images that the chart names; the folder with it.
pub fn release() -> Result<PathBuf> {
    let (folder, _) = make(&Args {
        out: None,
        registry: REGISTRY.to_owned(),
        tag: env!("CARGO_PKG_VERSION").to_owned(),
    })?;
    Ok(folder)
}

/// The folder of the release, and the images' archives in it.
fn make(args: &Args) -> Result<(PathBuf, Vec<PathBuf>)> {
    let out = release::make(args.out.as_deref())?;
    let revision = revision();
    let authorities = write_authorities(&out)?;
    let mut archives = Vec::new();
    for (program, about, calls_others) in IMAGES {
        let mut files = vec![Entry {
            path: program.into(),
            source: out.join(program),
        }];
        if calls_others {
            files.push(Entry {
                path: AUTHORITIES_IN.into(),
                source: authorities.clone(),
            });
        }
        let image = Image {
            name: format!("{}/{program}:{}", args.registry, args.tag),
            files,
            arguments: Vec::new(),
            user: USER,
            labels: labels(program, about, &args.tag, revision.as_deref()),
            compress: true,
        };
        let archive = release::archive(&out, program);
        let written = image.write(&archive)?;
        ensure!(
            written.size <= MOST,
            "{program}'s image has {} bytes, more than the {MOST} that it may have",
            written.size
        );
        let tenths = written.size / 100_000;
        say(format_args!(
            "{}@{}: {}.{} MB",
            image.name,
            written.digest,
            tenths / 10,
            tenths % 10
        ))?;
        archives.push(archive);
    }
    release::write_sums(&out)?;
    Ok((out, archives))
}

/// Writes the authorities that Mozilla trusts, as PEM: those of the version in `Cargo.lock`, so that an image comes out the same
/// wherever it is made.
fn write_authorities(out: &Path) -> Result<PathBuf> {
    let path = out.join(AUTHORITIES);
    fs::write(&path, authorities()).with_context(|| path.display().to_string())?;
    Ok(path)
}

fn authorities() -> String {
    let all = TLS_SERVER_ROOT_CERTS.iter();
    all.map(|certificate| pem::certificate(certificate))
        .collect()
}

fn next(archives: &[PathBuf]) -> Result<()> {
    for (what, command) in [
        ("into a kind cluster", "kind load image-archive"),
        (
            "into a node's containerd",
            "ctr --namespace k8s.io images import",
        ),
        ("into Docker", "docker load --input"),
    ] {
        say(format_args!("\n{what}:"))?;
        for archive in archives {
            say(format_args!("  {command} {}", archive.display()))?;
        }
    }
    Ok(())
}

/// The labels that registries and scanners show (OCI image specification, "Annotations").
fn labels(
    title: &str,
    about: &str,
    version: &str,
    revision: Option<&str>,
) -> BTreeMap<String, String> {
    let all = [
        ("title", Some(title)),
        ("description", Some(about)),
        ("version", Some(version)),
        ("revision", revision),
        ("source", Some(env!("CARGO_PKG_REPOSITORY"))),
        ("licenses", Some(env!("CARGO_PKG_LICENSE"))),
    ];
    let known = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    known
        .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value.to_owned()))
        .collect()
}

/// The commit, if git knows it: `-dirty` if something was changed since.
fn revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        process::read(git.current_dir(workspace::root()).args(arguments)).ok()
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain"])?;
    let dirty = if changed.is_empty() { "" } else { "-dirty" };
    Some(format!("{}{dirty}", commit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_looks_for_these_images() {
        let values = workspace::root().join("charts/mintage/values.yaml");
        let values = fs::read_to_string(values).unwrap();
        for (program, ..) in IMAGES {
            let line = format!("repository: {REGISTRY}/{program}\n");
            assert!(values.contains(&line), "{line}");
        }
        let chart = workspace::root().join("charts/mintage/Chart.yaml");
        let chart = fs::read_to_string(chart).unwrap();
        let line = format!("appVersion: \"{}\"\n", env!("CARGO_PKG_VERSION"));
        assert!(chart.contains(&line), "{line}");
    }

    #[test]
    fn the_authorities_are_certificates() {
        let pem = authorities();
        let count = pem.matches("-----BEGIN CERTIFICATE-----\n").count();
        assert_eq!(count, TLS_SERVER_ROOT_CERTS.len());
        assert!(count > 100, "{count}");
    }

    #[test]
    fn what_nobody_knows_has_no_label() {
        let labels = labels("mintage", "About it", "1.0.0", None);
        assert_eq!(labels["org.opencontainers.image.title"], "mintage");
        assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
        assert!(!labels.contains_key("org.opencontainers.image.revision"));
    }
}
