//! One build for release, in which nothing of the machine is left: no path, no date, no setting of whoever builds.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::BINARIES;
use crate::progress::say;
use crate::{process, workspace};

/// The date for whatever puts one into its output, as mimalloc does. The commit's would be truer, but cargo builds nothing
/// again when it changes, and what an earlier release left in the folder would keep an older one.
const DATE: &str = "0";

/// Relocations in the short form that a static program of musl reads as it starts: half a megabyte less.
const PACKED: &str = "-Clink-arg=-Wl,-z,pack-relative-relocs";

/// Makes sure that the target's standard library and C compiler are there.
pub fn prepare(target: &str) -> Result<()> {
    let libraries =
        process::read(workspace::rustc().args(["--print", "target-libdir", "--target", target]))?;
    if !Path::new(libraries.trim()).exists() {
        say(format_args!(
            "installing Rust's standard library for {target}"
        ))?;
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", target]);
        if !process::run(&mut rustup)? {
            bail!("`{}` failed: the target is needed", process::shown(&rustup));
        }
    }
    process::read(
        Command::new("musl-gcc")
            .arg("--version")
            .stderr(Stdio::null()),
    )
    .context("musl-gcc compiles the C parts for it: Debian's package musl-tools has it")?;
    Ok(())
}

/// Builds the checkout at `source` into `folder`; gives the binaries by name.
pub fn run(source: &Path, folder: &Path, target: &str) -> Result<BTreeMap<&'static str, PathBuf>> {
    let paths = renamed(source, folder)?;
    let rust: Vec<_> = paths
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}"))
        .chain([PACKED.to_owned()])
        .collect();
    let c: Vec<_> = paths
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={from}={to}"))
        .collect();
    for binary in BINARIES {
        let mut cargo = workspace::cargo();
        cargo
            .current_dir(source)
            // One at a time: together they would share the features of all.
            .args(["build", "--quiet", "--release", "--locked"])
            .args(["--package", binary, "--target", target])
            .env("CARGO_TARGET_DIR", folder)
            .env("CARGO_INCREMENTAL", "0")
            // A tenth smaller, and slower to build than whoever tries a checkout would wait for.
            .env("CARGO_PROFILE_RELEASE_LTO", "fat")
            // Unlike RUSTFLAGS it may hold folders with spaces, and it comes before anybody's own flags.
            .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
            .env(format!("CC_{}", target.replace('-', "_")), "musl-gcc")
            .env(format!("CFLAGS_{}", target.replace('-', "_")), c.join(" "))
            .env("SOURCE_DATE_EPOCH", DATE);
        if !process::run(&mut cargo)? {
            bail!("the release build of {binary} failed");
        }
    }
    let built = folder.join(target).join("release");
    Ok(BINARIES
        .iter()
        .map(|binary| (*binary, built.join(binary)))
        .collect())
}

/// The folders of this machine that compilers write into their output (panic messages, `__FILE__`), and the names that
/// stand there instead. What is longer comes later: the last one that fits is taken.
fn renamed(source: &Path, folder: &Path) -> Result<Vec<(String, &'static str)>> {
    let cargo = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))
        .context("there is no home folder: set CARGO_HOME")?;
    let mut paths = vec![(cargo.clone(), "/cargo")];
    // The registry's own folder is named after where it is reached from here.
    if let Ok(registries) = fs::read_dir(cargo.join("registry/src")) {
        for registry in registries {
            paths.push((registry?.path(), "/crates"));
        }
    }
    paths.extend([
        (source.to_owned(), "/mintage"),
        (folder.to_owned(), "/target"),
    ]);
    paths.sort_by_key(|(path, _)| path.as_os_str().len());
    let text = |path: PathBuf| {
        path.to_str()
            .map(str::to_owned)
            .context("a path that is not UTF-8")
    };
    paths
        .into_iter()
        .map(|(path, name)| Ok((text(path)?, name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_is_renamed_last() {
        let source = Path::new("/home/me/mintage");
        let paths = renamed(source, &source.join("target/release-build")).unwrap();
        let place = |name: &str| paths.iter().position(|(_, to)| *to == name).unwrap();
        assert!(place("/mintage") < place("/target"));
        let (from, _) = &paths[place("/mintage")];
        assert_eq!(from, "/home/me/mintage");
    }
}
