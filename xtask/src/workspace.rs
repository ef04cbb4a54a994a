//! Where things are: the checkout, the cache, and cargo's own folders.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process;

/// The top of the checkout this program was built from.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
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
