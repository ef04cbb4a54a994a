//! A sidecar as a process, that issues tokens for the API that it accepts.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_core::UnixTime;
use mintage_core::plan::State;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use mintage_tests::dev::{binary, http};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::cluster::{ACME, Cluster, grant, standard};
use crate::folder::{Folder, files};

/// A running sidecar; it ends with this value.
pub struct Sidecar {
    child: Child,
    pub workload_api: SocketAddr,
    pub admin: SocketAddr,
    pub cluster: Cluster,
    pub folder: Folder,
    log: Arc<Mutex<Vec<Value>>>,
}

/// The log of a sidecar whose reader stands still until the test reads on.
pub type Log = Lines<BufReader<ChildStderr>>;

/// The standard world with grants for `orders/api` itself, planned so many seconds ago.
pub fn cluster_of_today(ago: i64) -> Cluster {
    let mut world = standard();
    for audience in &mut world.audiences {
        if audience.at.namespace.as_str() == "orders" {
            let grant = grant("orders/api", audience.scopes[0].as_ref());
            audience.grants.push(grant);
        }
    }
    let mut cluster = Cluster::new(world);
    cluster.state = State::default();
    let UnixTime(now) = SystemClock.now();
    cluster.plan_at(UnixTime(now - ago));
    cluster
}

impl Sidecar {
    /// Starts `orders/api`, which accepts the tokens for orders, and reads its log.
    pub async fn start() -> Result<Self> {
        Self::start_from(cluster_of_today(60), None).await
    }

    /// The same from another cluster, and with a limit of open files.
    pub async fn start_from(cluster: Cluster, descriptors: Option<u64>) -> Result<Self> {
        let (sidecar, mut lines) = Self::start_unread(cluster, descriptors).await?;
        let log = Arc::clone(&sidecar.log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                log.lock().unwrap().push(event);
            }
        });
        Ok(sidecar)
    }

    /// The same, with a log that is read up to the start only.
    pub async fn start_unread(cluster: Cluster, descriptors: Option<u64>) -> Result<(Self, Log)> {
        let folder = Folder::new(&files(&cluster, ACME, "orders"));
        let limit = descriptors.map_or(String::new(), |limit| format!("ulimit -n {limit} && "));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$@\""), "sh"])
            .arg(binary("mintage-sidecar")?)
            .arg("--dir")
            .arg(folder.path())
            .args(["--as", "orders/api", "--accept", "orders"])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--ext-authz-listen", "127.0.0.1:0"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.take().context("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let (mut listening, mut events) = (None, Vec::new());
        while listening.is_none() || !is_there(&events, "bundle-loaded") {
            let line = lines.next_line().await?.context("it ended early")?;
            let event: Value = serde_json::from_str(&line).context(line)?;
            if event["event"] == "listening" {
                listening = Some(event.clone());
            }
            events.push(event);
        }
        let listening = listening.context("it does not say where it listens")?;
        let address = |name: &str| -> Result<SocketAddr> {
            Ok(listening[name].as_str().context("no address")?.parse()?)
        };
        let sidecar = Self {
            workload_api: address("workload_api")?,
            admin: address("admin")?,
            child,
            cluster,
            folder,
            log: Arc::new(Mutex::new(events)),
        };
        Ok((sidecar, lines))
    }

    /// The value of a metric, by its name as written, labels included.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let url = format!("http://{}/metrics", self.admin);
        let text = http()?.get(url).send().await?.text().await?;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name}"))?.parse()?)
    }

    /// Its memory, which no trouble may bring above 64 MiB.
    pub async fn memory_is_bounded(&self) -> Result<()> {
        let bytes = self.metric("process_resident_memory_bytes").await?;
        ensure!(bytes < 64 << 20, "{} MiB are resident", bytes >> 20);
        Ok(())
    }

    /// Its health, which must be told within two seconds.
    pub async fn is_healthy(&self) -> Result<()> {
        let url = format!("http://{}/healthz", self.admin);
        let asked = http()?.get(url).timeout(Duration::from_secs(2)).send();
        asked.await?.error_for_status()?;
        Ok(())
    }

    /// How often it logged an event so far.
    pub fn logged(&self, event: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line["event"] == event).count()
    }

    /// Brings a bundle under which tokens for orders live so many seconds: fewer than before, since a longer life is
    /// taken up only after a while.
    pub fn swap_lifetime(&mut self, lifetime: i64) {
        self.cluster
            .edit_audience("orders/orders", |audience| audience.lifetime = lifetime);
        self.folder.swap(&files(&self.cluster, ACME, "orders"));
    }

    /// Limits its open files, and gives the soft limit that there was.
    pub fn limit_descriptors(&self, soft: u64) -> Result<u64> {
        // The hard limit is inherited, and stays.
        let limit = Rlimit {
            current: Some(soft),
            ..getrlimit(Resource::Nofile)
        };
        let before = prlimit(Some(self.pid()?), Resource::Nofile, limit)?;
        before.current.context("no limit before")
    }

    /// The time that it has spent on cores.
    pub fn processor_time(&self) -> Result<Duration> {
        let id = self.child.id().context("it has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/schedstat"))?;
        // Of the first thread only where there is no sum: so all threads are added.
        let mut nanos = first_number(&stat)?;
        for task in std::fs::read_dir(format!("/proc/{id}/task"))? {
            let task = task?;
            if task.file_name() != *id.to_string() {
                nanos += first_number(&std::fs::read_to_string(task.path().join("schedstat"))?)?;
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    fn pid(&self) -> Result<Pid> {
        let id = self.child.id().context("it has ended")?;
        Pid::from_raw(id.try_into()?).context("no pid")
    }
}

fn is_there(events: &[Value], name: &str) -> bool {
    events.iter().any(|event| event["event"] == name)
}

fn first_number(text: &str) -> Result<u64> {
    Ok(text
        .split_whitespace()
        .next()
        .context("no number")?
        .parse()?)
}

/// Lets this process have as many descriptors as the machine allows; how many those are.
pub fn raise_descriptors() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let most = raised.current.unwrap_or(u64::MAX);
    setrlimit(Resource::Nofile, raised)?;
    Ok(most)
}
