//! The release sidecar as a process, on a core of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cores::Cores;
use super::fixture::{ACCEPTED, WORKLOAD};
use super::http::{Connection, get};
use super::limits::now;

/// A running sidecar; it ends with this value.
pub struct Server {
    child: Child,
    /// The workload API, or the endpoint.
    pub workload: SocketAddr,
    /// Health and metrics.
    pub admin: SocketAddr,
    /// From the start of the process to the first "ready".
    pub start_to_ready: Duration,
}

impl Server {
    /// Starts the sidecar with one worker thread on its core, if wanted with another allocator's library loaded first;
    /// this thread goes on on the generator's.
    pub fn start(
        binary: &Path,
        dir: &Path,
        cores: Cores,
        allocator: Option<&Path>,
    ) -> Result<Self> {
        let (workload, admin) = (free_port()?, free_port()?);
        let mut command = Command::new(binary);
        command
            // Its options can come from there, and the figures would be those of somebody's own settings.
            .env_clear()
            .envs(allocator.map(|library| ("LD_PRELOAD", library)))
            .args(["--as", WORKLOAD, "--threads", "1"])
            .args(["--accept", ACCEPTED, "--dir"])
            .arg(dir)
            .args(["--listen", &workload.to_string()])
            .args(["--admin-listen", &admin.to_string()])
            .args(["--ext-authz-listen", "127.0.0.1:0"]);
        Self::run(command, workload, admin, cores)
    }

    /// Starts the role `endpoint` in the same way, with the folders `told` and `secrets` of a folder.
    pub fn endpoint(binary: &Path, dir: &Path, store: &str, cores: Cores) -> Result<Self> {
        let (tls, admin) = (free_port()?, free_port()?);
        let mut command = Command::new(binary);
        command
            .env_clear()
            .args(["endpoint", "--threads", "1", "--store", store, "--dir"])
            .arg(dir.join("told"))
            .arg("--secrets-dir")
            .arg(dir.join("secrets"))
            .args(["--tls-listen", &tls.to_string()])
            .args(["--admin-listen", &admin.to_string()])
            .args(["--proxy-listen", "off"]);
        Self::run(command, tls, admin, cores)
    }

    fn run(
        mut command: Command,
        workload: SocketAddr,
        admin: SocketAddr,
        cores: Cores,
    ) -> Result<Self> {
        // A child stays on the core of the thread that started it.
        cores.enter_server()?;
        let start = now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        cores.enter_generator()?;
        let child = child.context("cannot start the release sidecar")?;
        let mut server = Self {
            child,
            workload,
            admin,
            start_to_ready: Duration::ZERO,
        };
        while !server.is_ready() {
            if start.elapsed() > Duration::from_secs(20) {
                bail!("the sidecar did not become ready");
            }
            thread::sleep(Duration::from_micros(200));
        }
        server.start_to_ready = start.elapsed();
        Ok(server)
    }

    fn is_ready(&self) -> bool {
        let ask = || {
            let mut connection = Connection::open(&self.admin.into())?;
            connection.send(&get("/readyz", None))?;
            connection.receive().map(drop)
        };
        ask().is_ok()
    }

    /// Resident memory now, in KiB.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most resident memory so far, in KiB.
    pub fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("no {name} of the sidecar"))?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An address that nobody listens on.
pub fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
