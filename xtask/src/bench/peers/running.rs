//! A peer as a process on the server's core.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::super::cores::Cores;
use super::super::family;
use super::super::http::{Connection, Target, get};
use super::super::limits::now;
use super::super::server::free_port;
use super::super::tls::Client;
use super::{Peer, Ports};
use crate::place::Place;

/// The slowest starts in most of a minute when it has the core for itself.
const PATIENCE: Duration = Duration::from_mins(5);

/// A running peer; it ends with this value, and all that it started with it.
pub struct Running {
    child: Child,
    /// Where tokens are.
    pub address: SocketAddr,
    /// The same, over TLS if it serves so.
    pub target: Target,
    /// From the start of the process to the first answer.
    pub start_to_ready: Duration,
}

impl Running {
    /// Starts a peer and waits until it answers.
    pub fn start(
        peer: &Peer,
        place: &Place,
        dir: &Path,
        cores: Cores,
        tls: Option<&Client>,
    ) -> Result<Self> {
        let (address, other) = (free_port()?, free_port()?);
        let ports = Ports {
            public: address.port(),
            other: other.port(),
        };
        let mut command = (peer.serve)(place, dir, ports)?;
        let log = dir.join("log");
        command
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let start = now();
        // A child stays on the core of the thread that started it.
        let child = cores.at_server(|| command.spawn().context("cannot start it"))?;
        let mut running = Self {
            child,
            address,
            target: match tls {
                Some(client) => Target::over_tls(address, client.clone()),
                None => address.into(),
            },
            start_to_ready: Duration::ZERO,
        };
        while !running.answers(peer.ready) {
            let ended = running.child.try_wait()?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last = said.lines().rfind(|line| !line.trim().is_empty());
                bail!("it did not start: {}", last.unwrap_or("it said nothing"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        running.start_to_ready = start.elapsed();
        (peer.set_up)(place, dir, ports)?;
        Ok(running)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn answers(&self, path: &str) -> bool {
        let ask = || {
            let mut connection = Connection::open(&self.target)?;
            connection.send(&get(path, None))?;
            connection.receive().map(drop)
        };
        ask().is_ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        family::end(self.child.id());
        self.child.wait().ok();
    }
}
