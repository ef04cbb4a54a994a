//! The release sidecar as a process, on a core of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::http::{Connection, get};
use super::limits::now;
use crate::workspace;

/// A running sidecar; it ends with this value.
pub struct Server {
    child: Child,
    /// The workload API.
    pub workload: SocketAddr,
    /// Health and metrics.
    pub admin: SocketAddr,
    /// From the start of the process to the first "ready".
    pub start_to_ready: Duration,
}

impl Server {
    /// Starts the sidecar with one worker thread on the core of this thread.
    pub fn start(dir: &Path) -> Result<Self> {
        let (workload, admin) = (free_port()?, free_port()?);
        let start = now();
        let child = Command::new(workspace::target()?.join("release/mintage-sidecar"))
            .args([
                "--as",
                super::fixture::WORKLOAD,
                "--accept",
                "rs256-jti",
                "--threads",
                "1",
            ])
            .arg("--dir")
            .arg(dir)
            .args([
                "--listen",
                &workload.to_string(),
                "--admin-listen",
                &admin.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the release sidecar")?;
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
            std::thread::sleep(Duration::from_micros(200));
        }
        server.start_to_ready = start.elapsed();
        Ok(server)
    }

    fn is_ready(&self) -> bool {
        let ask = || {
            let mut connection = Connection::open(self.admin)?;
            connection.send(&get("/readyz", None))?;
            connection.receive().map(drop)
        };
        ask().is_ok()
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
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

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Moves this thread, and what it starts from now on, to one core. Without two cores everything shares one.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(
        core % std::thread::available_parallelism()
            .map_or(1, usize::from)
            .max(2),
    );
    sched_setaffinity(None, &set).context("cannot choose a core")
}
