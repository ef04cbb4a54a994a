//! A folder that is gone when the test process is, even if nobody was left to remove it.

use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

/// Waits until this process lets go, and removes the folder. A server that is just being ended may still write to it.
const KEEP: &str =
    "read -r _; for _ in 1 2 3 4 5 6 7 8 9; do sleep 0.3; rm -rf -- \"$1\" && exit; done";

/// A temporary folder. Values in statics are never dropped, so it is not this value that removes it, but a process that
/// notices the end of this one: a pipe to it closes.
pub struct Folder {
    path: PathBuf,
    _keeper: ChildStdin,
}

impl Folder {
    /// Makes one.
    pub fn new() -> Result<Self> {
        let path = tempfile::Builder::new()
            .prefix("mintage-cluster-")
            .tempdir()?
            .keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEP, "sh"])
            .arg(&path)
            .current_dir("/")
            // A signal to the test process's group must not reach it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start sh")?;
        let keeper = keeper.stdin.take().context("no standard input")?;
        Ok(Self {
            path,
            _keeper: keeper,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
