//! Whether a node can be on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cluster::command_line;

/// What a node takes from its machine.
const TOOLS: [&str; 7] = ["find", "ip", "ldd", "mount", "nsenter", "umount", "unshare"];

/// Its own programs, as `cargo xtask test` prepared them.
const PROGRAMS: [&str; 5] = [
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "kubelet",
    "runc",
];

/// Programs that containerd starts for the network of pods.
const PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];

/// What Services are routed with.
const ROUTING: [&str; 2] = ["kube-proxy", "nft"];

/// Where a node's programs are.
pub struct Programs {
    /// Under the names by which they start each other.
    pub own: Vec<(&'static str, PathBuf)>,
    /// The same for the plugins.
    pub plugins: Vec<(&'static str, PathBuf)>,
}

impl Programs {
    /// The programs, with those that route Services or without; or why one is not to be had.
    pub fn find(routes: bool) -> Result<Result<Self, String>> {
        let find = |names: &[&'static str]| -> Result<Result<Vec<_>, String>> {
            let mut found = Vec::new();
            for name in names {
                match command_line(name)? {
                    Ok(line) => {
                        let program = line.first().context("an empty command line")?;
                        found.push((*name, PathBuf::from(program)));
                    }
                    Err(reason) => return Ok(Err(format!("{name}: {reason}"))),
                }
            }
            Ok(Ok(found))
        };
        let routing: &[&str] = if routes { &ROUTING } else { &[] };
        let own = [&PROGRAMS, routing].concat();
        let (own, plugins) = (find(&own)?, find(&PLUGINS)?);
        Ok(own.and_then(|own| plugins.map(|plugins| Self { own, plugins })))
    }
}

/// What keeps this machine from having a node, if something does.
pub fn lacks(routes: bool) -> Result<Option<String>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Some("only root can make a node's namespaces".into()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for tool in TOOLS {
        let mut folders = std::env::split_paths(&path);
        if !folders.any(|folder| folder.join(tool).is_file()) {
            return Ok(Some(format!("{tool} was not found")));
        }
    }
    if routes && !Path::new("/proc/sys/net/bridge").is_dir() {
        return Ok(Some(
            "the kernel does not filter what passes a bridge (`modprobe br_netfilter`)".into(),
        ));
    }
    let tried = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup"])
        .args(["--fork", "--kill-child", "mount", "-t", "tmpfs", "tmpfs"])
        .arg(Path::new("/run"))
        .output()
        .context("cannot start unshare")?;
    if !tried.status.success() {
        let said = String::from_utf8_lossy(&tried.stderr);
        return Ok(Some(format!(
            "no namespaces with mounts of their own can be made here: {}",
            said.trim()
        )));
    }
    Ok(None)
}
