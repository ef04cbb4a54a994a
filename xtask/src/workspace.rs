//! Where things are: the checkout, the cache, and cargo's own folders.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::Context as _;

use crate::process;

/// The top of the checkout that cargo runs this program for.
///
/// Not where it was built: two checkouts that build into one folder have one program, and cargo takes it to be fresh in
/// both.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = package.parent().expect("xtask lies in the workspace");
        root.to_owned()
    });
    &ROOT
}

/// The cargo that runs this task, to be started at [`root`].
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The compiler beside that cargo.
pub fn rustc() -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(root());
    command
}

/// Where everything slow is kept from one run to the next: `MINTAGE_CACHE`, or `~/.cache/mintage`.
pub fn cache() -> anyhow::Result<PathBuf> {
    if let Some(given) = env::var_os("MINTAGE_CACHE") {
        return std::path::absolute(given).context("MINTAGE_CACHE");
    }
    let home = env::home_dir()
        .context("there is no home folder: set MINTAGE_CACHE to a folder to keep caches in")?;
    Ok(home.join(".cache/mintage"))
}

/// Where cargo puts what it builds, wherever that is configured.
pub fn target() -> anyhow::Result<PathBuf> {
    let text = process::read(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata")?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(target))
}
