//! The built binary, with a folder of its own and the machine's clock.

use std::net::SocketAddr;
use std::process::Stdio;

use mintage_core::UnixTime;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use mintage_sidecar::files::Files;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cluster::{ACME, Cluster};
use crate::folder::Folder;
use crate::pod::files;

pub struct Sidecar {
    child: Child,
    log: UnboundedReceiver<String>,
    lines: Vec<String>,
    pub workload_api: SocketAddr,
    pub admin: SocketAddr,
    pub ext_authz: SocketAddr,
    pub files: Files,
    _folder: Folder,
}

/// The binary with options.
pub fn command(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mintage-sidecar"));
    command.args(options).env_clear().kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// The standard cluster, planned anew at the machine's time.
fn cluster_of_today() -> Cluster {
    let mut cluster = Cluster::standard().clone();
    cluster.state = mintage_core::plan::State::default();
    let UnixTime(now) = SystemClock.now();
    // Clocks and leeways: the keys have been active for a minute.
    cluster.plan_at(UnixTime(now - 60));
    cluster
}

impl Sidecar {
    /// Starts `shop/checkout` and waits until it is loaded and listens.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further options.
    pub async fn start_with(more: &[&str]) -> Self {
        let files = files(&cluster_of_today(), ACME, "shop");
        let folder = Folder::new(&files);
        let dir = folder.path().to_str().unwrap();
        let options = [
            "--dir",
            dir,
            "--as",
            "shop/checkout",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--ext-authz-listen",
            "127.0.0.1:0",
            "--drain-seconds",
            "300",
            "--log-level",
            "debug",
        ];
        let mut child = command(&[&options, more].concat())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let (lines, mut log) = unbounded_channel();
        // Read all the time: a full pipe would stop the sidecar.
        tokio::spawn(async move {
            while let Some(line) = stderr.next_line().await.unwrap() {
                // A test that is over listens no longer; the pipe is emptied all the same.
                lines.send(line).ok();
            }
        });
        let (mut lines, mut listening, mut loaded) = (Vec::new(), None, false);
        while !(loaded && listening.is_some()) {
            let line = log.recv().await.expect("it ended early");
            let event: Value = serde_json::from_str(&line).unwrap();
            match event["event"].as_str() {
                Some("bundle-loaded") => loaded = true,
                Some("listening") => listening = Some(event),
                _ => {}
            }
            lines.push(line);
        }
        let address = |name: &str| {
            let event = listening.as_ref().unwrap();
            event[name].as_str().unwrap().parse().unwrap()
        };
        Self {
            workload_api: address("workload_api"),
            admin: address("admin"),
            ext_authz: address("ext_authz"),
            child,
            log,
            lines,
            files,
            _folder: folder,
        }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
    }

    /// Reads the log up to an event.
    pub async fn logged(&mut self, event: &str) {
        loop {
            let line = self.log.recv().await.expect("it ended early");
            let found = serde_json::from_str::<Value>(&line).unwrap()["event"] == event;
            self.lines.push(line);
            if found {
                return;
            }
        }
    }

    /// Reads the rest of the log and waits for the end; the exit code and all lines.
    pub async fn ended(mut self) -> (Option<i32>, Vec<String>) {
        while let Some(line) = self.log.recv().await {
            self.lines.push(line);
        }
        (self.child.wait().await.unwrap().code(), self.lines)
    }
}
