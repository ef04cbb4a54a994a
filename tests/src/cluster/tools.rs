//! kubectl and Helm, as a user runs them, and away from what the user of this machine has.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, anyhow};
use tokio::process::Command;

use super::access::{ADMIN, Cluster, MASTERS};
use super::programs::command_line;
use crate::mintage::Run;

impl Cluster {
    /// Runs kubectl as one who may do everything.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Run> {
        self.tool("kubectl", &self.kubeconfig(ADMIN, &[MASTERS])?, arguments)
            .await
    }

    /// Runs Helm as one who may do everything.
    pub async fn helm(&self, arguments: &[&str]) -> Result<Run> {
        self.tool("helm", &self.kubeconfig(ADMIN, &[MASTERS])?, arguments)
            .await
    }

    /// Runs Helm 3 as one who may do everything; only `cargo xtask nightly` prepares it.
    pub async fn helm_3(&self, arguments: &[&str]) -> Result<Run> {
        self.tool("helm3", &self.kubeconfig(ADMIN, &[MASTERS])?, arguments)
            .await
    }

    /// Runs a tool that was prepared, `kubectl` or `helm` say, as the user of a kubeconfig, at the top of the
    /// workspace.
    pub async fn tool(&self, name: &str, kubeconfig: &Path, arguments: &[&str]) -> Result<Run> {
        let line = command_line(name)?.map_err(|reason| anyhow!("{name}: {reason}"))?;
        let (program, first) = line.split_first().context("an empty command line")?;
        let home = self.folder().join("home");
        std::fs::create_dir_all(&home)?;
        // Plugins of kubectl lie there.
        let mut path = home.join("bin").into_os_string();
        if let Some(inherited) = std::env::var_os("PATH") {
            path.push(":");
            path.push(inherited);
        }
        let output = Command::new(program)
            .args(first)
            .args(arguments)
            .current_dir(crate::workspace())
            // Helm's and kubectl's variables are many, and any of them changes what they do.
            .env_clear()
            .env("PATH", path)
            .env("HOME", &home)
            .env("KUBECONFIG", kubeconfig)
            .env("NO_PROXY", "*")
            .env("HELM_CACHE_HOME", home.join("helm/cache"))
            .env("HELM_CONFIG_HOME", home.join("helm/config"))
            .env("HELM_DATA_HOME", home.join("helm/data"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Run {
            code: output.status.code(),
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }
}
