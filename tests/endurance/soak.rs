//! A cluster's days in minutes: calls all the time, keys that rotate, pods that come and go. Memory and descriptors of the
//! operators and of sidecars must stay flat, and no call may fail.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use mintage_tests::bare::Bare;
use mintage_tests::cluster::within;
use mintage_tests::memory::Memory;
use mintage_tests::stage::{Report, Stage, say};
use tokio::time::{Instant, MissedTickBehavior, interval};
use xtask::flat::Quarters;

use super::traffic::{Traffic, has_sidecar, operators};
use super::{CHECKOUT, ORDERS, long, rotations};

/// The time between two measurements.
const EACH: Duration = Duration::from_secs(5);

/// All keys are rotated once in so many comings and goings.
const ROTATION: u32 = 4;

/// How many pods of the caller there are at most.
const MOST: usize = 4;

/// How long pods may take to come or to go.
const PATIENCE: Duration = Duration::from_mins(2);

/// A process that is there all the time.
struct Watched {
    name: String,
    process: u32,
    /// What its memory may grow by, in KiB, and its descriptors.
    tolerance: (u64, u64),
    /// Memory in KiB, and descriptors.
    measured: Vec<(u64, u64)>,
}

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let bare = stage
        .bare()
        .context("the processes of a given cluster cannot be looked at")?;
    rotations::shorten(stage).await?;
    let traffic = Traffic::begin(stage, report).await?;
    let mut watched = processes(stage, bare).await?;
    let time = long()?;
    let what = format!(
        "{time:?} of calls, rotations, and pods that come and go, with {} processes watched",
        watched.len()
    );
    let end = Instant::now() + time;
    let live = async { tokio::try_join!(churn(stage, end), measure(&mut watched, end)) };
    let (gone, ()) = report.step(what, live).await?;

    let what = format!("{gone} pods came and went; memory and descriptors are flat");
    report
        .step(what, std::future::ready(judge(&watched)))
        .await?;
    let what = "not one call failed";
    let counted = async {
        traffic.flows().await?;
        traffic.no_bad_since(0)
    };
    let good = report.step(what, counted).await?;
    say(&format!("{good} calls succeeded"));
    Ok(())
}

/// The operators, and the sidecars of those who call and are called.
async fn processes(stage: &Stage, bare: &Bare) -> Result<Vec<Watched>> {
    let mut watched = Vec::new();
    for pod in operators(stage).await? {
        // One of them plans for everybody; what it keeps follows what there is.
        watched.push(Watched::find(bare, &pod, "operator", (4096, 8))?);
    }
    for namespace in ["orders", "payments", "shop"] {
        let pods: Api<Pod> = Api::namespaced(stage.client.clone(), namespace);
        let pods = pods.list(&ListParams::default()).await?;
        let stays = |pod: &&Pod| has_sidecar(pod) && !pod.name_any().starts_with("checkout-");
        for pod in pods.items.iter().filter(stays) {
            watched.push(Watched::find(bare, pod, "mintage-sidecar", (1024, 4))?);
        }
    }
    // Two operators, two pods of each API, and three callers.
    ensure!(watched.len() == 9, "there are {}", watched.len());
    Ok(watched)
}

impl Watched {
    fn find(bare: &Bare, pod: &Pod, container: &str, tolerance: (u64, u64)) -> Result<Self> {
        let name = format!(
            "{}/{} {container}",
            pod.namespace().unwrap_or_default(),
            pod.name_any()
        );
        let status = pod.status.as_ref().context("no status")?;
        let initial = status.init_container_statuses.iter().flatten();
        let mut all = initial.chain(status.container_statuses.iter().flatten());
        let found = all.find(|one| one.name == container);
        let id = found.and_then(|one| one.container_id.as_deref());
        let id = id.with_context(|| format!("{name} has no id"))?;
        let [process] = bare.node.processes(id)?[..] else {
            anyhow::bail!("{name} is not one process");
        };
        Ok(Self {
            name,
            process,
            tolerance,
            measured: Vec::new(),
        })
    }

    fn measure(&mut self) -> Result<()> {
        let look = || -> Result<(u64, u64)> {
            let memory = Memory::of_process(self.process)?.resident;
            let descriptors = fs::read_dir(format!("/proc/{}/fd", self.process))?.count();
            Ok((memory, u64::try_from(descriptors)?))
        };
        let now = look().with_context(|| format!("{} has ended", self.name))?;
        self.measured.push(now);
        Ok(())
    }
}

/// Has pods come and go until the time is over; how many went.
async fn churn(stage: &Stage, end: Instant) -> Result<usize> {
    let (namespace, name) = CHECKOUT;
    let url = "http://api.orders.svc.cluster.local/";
    let (mut gone, mut round) = (0, 0);
    while Instant::now() < end {
        round += 1;
        scale(stage, MOST).await?;
        let call = ["call", url, ORDERS, ""];
        let answer = stage.one(namespace, name, &call).await?;
        ensure!(answer["status"] == 200, "{answer}");
        if round % ROTATION == 0 {
            rotations::ask(stage).await?;
        }
        scale(stage, 1).await?;
        gone += MOST - 1;
    }
    Ok(gone)
}

/// Waits until there are as many pods of the caller as are wanted, all of them ready.
async fn scale(stage: &Stage, replicas: usize) -> Result<()> {
    let (namespace, name) = CHECKOUT;
    let wanted = format!("--replicas={replicas}");
    stage.kubectl(namespace, &["scale", name, &wanted]).await?;
    let ready = ["rollout", "status", name, "--timeout=120s"];
    stage.kubectl(namespace, &ready).await?;
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), namespace);
    let selector = ListParams::default().labels("app=checkout");
    within(PATIENCE, "the others have gone", async || {
        let there = pods.list(&selector).await?.items.len();
        ensure!(there == replicas, "there are {there}");
        Ok(())
    })
    .await
}

async fn measure(watched: &mut [Watched], end: Instant) -> Result<()> {
    let mut times = interval(EACH);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        times.tick().await;
        for process in &mut *watched {
            process.measure()?;
        }
    }
    Ok(())
}

/// Says what came of each, and fails if any of them grew.
fn judge(watched: &[Watched]) -> Result<()> {
    let mut grown = Vec::new();
    for process in watched {
        let memory = Quarters::of(process.measured.iter().map(|(memory, _)| *memory));
        let descriptors = Quarters::of(process.measured.iter().map(|(_, open)| *open));
        let line = format!(
            "{}: {} KiB, at the end {}; {} descriptors, at the end {}",
            process.name, memory.early, memory.late, descriptors.early, descriptors.late
        );
        say(&line);
        let (kibibytes, open) = process.tolerance;
        if !memory.is_flat(kibibytes) || !descriptors.is_flat(open) {
            grown.push(line);
        }
    }
    ensure!(grown.is_empty(), "these grew: {}", grown.join("; "));
    Ok(())
}
