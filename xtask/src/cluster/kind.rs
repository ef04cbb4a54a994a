//! A kind cluster, made for a run and ended with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::progress::say;

/// Its name.
const NAME: &str = "mintage-e2e";

/// A running one.
pub struct Cluster {
    kubeconfig: PathBuf,
    keep: bool,
}

/// Makes sure that kind is there, and something that it can run nodes in.
pub fn find() -> Result<()> {
    if process::find("kind").is_none() {
        bail!(
            "kind was not found: `go install sigs.k8s.io/kind@latest` installs it, and it needs Docker, podman or nerdctl; \
             `--cluster bare` needs none of them"
        );
    }
    let clusters = process::read(
        Command::new("kind")
            .args(["get", "clusters"])
            .stderr(Stdio::null()),
    );
    let clusters = clusters.context(
        "kind finds no Docker, podman or nerdctl that runs: start one; `--cluster bare` needs none of them",
    )?;
    if clusters.lines().any(|name| name == NAME) {
        bail!(
            "there is a kind cluster {NAME} already: `kind delete cluster --name {NAME}` removes it"
        );
    }
    Ok(())
}

/// Gives its nodes images.
fn load(archives: &[PathBuf]) -> Result<()> {
    for archive in archives {
        let mut load = Command::new("kind");
        load.args(["load", "image-archive", "--name", NAME])
            .arg(archive);
        if !process::run(&mut load)? {
            bail!("`{}` failed; what it said is above", process::shown(&load));
        }
    }
    Ok(())
}

impl Cluster {
    /// Makes one whose nodes have images, with its kubeconfig in a folder.
    pub fn make(folder: &Path, archives: &[PathBuf], keep: bool) -> Result<Self> {
        let made = Self {
            kubeconfig: folder.join("kubeconfig"),
            keep,
        };
        let mut create = Command::new("kind");
        create
            .args([
                "create",
                "cluster",
                "--name",
                NAME,
                "--wait",
                "3m",
                "--kubeconfig",
            ])
            .arg(&made.kubeconfig);
        if !process::run(&mut create)? {
            bail!(
                "`{}` failed; what it said is above",
                process::shown(&create)
            );
        }
        load(archives)?;
        Ok(made)
    }

    /// Who may do everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Removes it, unless it is to be kept: then it says how to get at it.
    pub fn end(&self) -> Result<()> {
        if self.keep {
            say(format_args!(
                "the cluster is left: `kind export kubeconfig --name {NAME}` leads to it, `kind delete cluster --name {NAME}` ends it"
            ))?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.keep {
            let mut delete = Command::new("kind");
            // What is left of it is named, and the next run refuses to begin beside it.
            process::run(delete.args(["delete", "cluster", "--name", NAME])).ok();
        }
    }
}
