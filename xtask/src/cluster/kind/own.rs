//! Docker that is started for a kind cluster, where there is none.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::sandbox::{self, Sandbox};
use super::{bridge, node};
use crate::place::run;
use crate::process;
use crate::progress::say;
use crate::test::ClusterPrograms;

/// What kind is told: kube-proxy's image has nft and no iptables, and the network of pods is in the image of the node.
const CONFIG: &str = "kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  disableDefaultCNI: true
  kubeProxyMode: nftables
";

/// Mounts as the sandbox has them.
const TRIAL: &str = "mount -t tmpfs tmpfs /run; mkdir /run/new /run/work; \
    mount -t overlay -o lowerdir=/etc,upperdir=/run/new,workdir=/run/work overlay /etc";

/// What it takes.
pub struct Own(ClusterPrograms);

impl Own {
    /// Prepares what it takes, or says why it cannot be had.
    pub fn prepare() -> Result<Result<Self, String>> {
        if let Some(reason) = lacks() {
            return Ok(Err(format!(
                "no Docker, podman or nerdctl runs here, and none can be started for it: {reason}; start one, or take `--cluster bare`"
            )));
        }
        let programs = ClusterPrograms::prepare_node()?;
        Ok(programs.whole().map(|()| Self(programs)))
    }

    /// Starts Docker, and makes the image of a node if there is none yet; or says why that cannot be done here.
    pub fn start(self, kind: &Path) -> Result<Result<Running, String>> {
        let cache = sandbox::cache()?;
        fs::create_dir_all(&cache)?;
        let lock = File::create(cache.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let cache = cache.display();
                return Ok(Err(format!("another run uses {cache}: wait for its end")));
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache"),
        }
        let folder = cache.join("run");
        // An interrupted run leaves it.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir(&folder)?;
        say("starting dockerd")?;
        let sandbox = match Sandbox::start(&folder, &cache.join("docker"))? {
            Ok(sandbox) => sandbox,
            Err(reason) => return Ok(Err(reason)),
        };
        let running = Running {
            sandbox,
            folder,
            _lock: lock,
        };
        running.clear(kind)?;
        node::make(&running.sandbox, &self.0, &cache, &running.folder)
            .with_context(|| running.sandbox.logs())?;
        Ok(Ok(running))
    }
}

/// Docker in namespaces of its own; it ends with this value.
pub struct Running {
    sandbox: Sandbox,
    folder: PathBuf,
    _lock: File,
}

impl Running {
    /// Where files are that end with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command that runs beside it.
    pub fn command(&self, program: &Path) -> Command {
        self.sandbox.command(program)
    }

    /// The file with what kind is told of the cluster.
    pub fn config(&self) -> Result<PathBuf> {
        let file = self.folder.join("kind.yaml");
        fs::write(&file, CONFIG)?;
        Ok(file)
    }

    /// Makes a way to the API server that a kubeconfig names, which is on a loopback in there, and changes the file.
    pub fn bridge(&self, kubeconfig: &Path) -> Result<()> {
        let text = fs::read_to_string(kubeconfig)?;
        let (server, port) = server(&text).context("kind's kubeconfig names no server")?;
        let address = bridge::open(self.sandbox.init(), port)?;
        fs::write(
            kubeconfig,
            text.replace(server, &format!("https://{address}")),
        )?;
        Ok(())
    }

    /// What a node says that did not start.
    pub fn diagnosis(&self, name: &str) -> Result<String> {
        let node = format!("{name}-control-plane");
        let ask = format!(
            "docker logs --tail 20 {node}; docker exec {node} journalctl --no-pager --lines 40 --unit kubelet --unit containerd; \
             docker exec {node} ctr --namespace k8s.io containers list"
        );
        let mut asked = self.sandbox.command("sh");
        asked.args(["-c", &format!("{{ {ask}; }} 2>&1 || :")]);
        process::read(&mut asked)
    }

    /// Ends it. The error says what is left.
    pub fn end(self) -> Result<()> {
        self.sandbox.end()?;
        fs::remove_dir_all(&self.folder).with_context(|| self.folder.display().to_string())
    }

    /// Removes what a run left that was interrupted.
    fn clear(&self, kind: &Path) -> Result<()> {
        let mut clusters = self.command(kind);
        clusters.args(["delete", "clusters", "--all", "--quiet"]);
        run(&mut clusters)?;
        for left in ["container", "volume"] {
            let mut prune = self.command(Path::new("docker"));
            run(prune.args([left, "prune", "--force"]).stdout(Stdio::null()))?;
        }
        Ok(())
    }
}

/// What keeps this machine from it, if something does.
fn lacks() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can make its namespaces".into());
    }
    let tools = ["apt-get", "ip", "mount", "nsenter", "umount", "unshare"];
    let missing = tools.into_iter().find(|tool| process::find(tool).is_none());
    if let Some(tool) = missing {
        return Some(format!("{tool} was not found"));
    }
    if !Path::new("/proc/sys/net/bridge").is_dir() {
        let what = "the kernel does not filter what passes a bridge (`modprobe br_netfilter`)";
        return Some(what.into());
    }
    let mut trial = Command::new("unshare");
    trial
        .args(["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup"])
        .args(["--fork", "--kill-child", "sh", "-ec", TRIAL]);
    match process::run(&mut trial) {
        Ok(true) => None,
        Ok(false) => Some("no namespaces with layered mounts can be made".into()),
        Err(error) => Some(format!("{error:#}")),
    }
}

/// The server in a kubeconfig, and its port.
fn server(kubeconfig: &str) -> Option<(&str, u16)> {
    let server = kubeconfig
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("server: "))?;
    let (_, port) = server.rsplit_once(':')?;
    Some((server, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_found_with_its_port() {
        let text = "clusters:\n- cluster:\n    server: https://127.0.0.1:41234\n  name: kind\n";
        assert_eq!(server(text), Some(("https://127.0.0.1:41234", 41234)));
        assert_eq!(server("clusters: []\n"), None);
    }
}
