//! The API server is away.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_tests::bare::Bare;
use mintage_tests::cluster::within;
use mintage_tests::stage::{Report, Stage};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::long;
use super::traffic::{Traffic, gated, has_sidecar};

/// The sidecar's container.
const SIDECAR: &str = "mintage-sidecar";

/// How long everything may take to notice that there is an API server again.
const PATIENCE: Duration = Duration::from_mins(2);

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let bare = stage
        .bare()
        .context("the API server of a given cluster is not ours to stop")?;
    let traffic = Traffic::begin(stage, report).await?;
    let [first, rest @ ..] = traffic.callers() else {
        anyhow::bail!("there are no callers");
    };
    let before = traffic.tally()?;
    ensure!(before.bad.is_empty(), "{before:?}");
    bare.plane.stop_api_server()?;

    let half = long()? / 2;
    let what = format!("{half:?} without an API server: calls go on");
    report.step(what, goes_on(&traffic, half)).await?;

    let what = "a sidecar and an app that are killed meanwhile come back, with what is mounted";
    let back = async {
        for container in [SIDECAR, "app"] {
            kill(bare, first, container)?;
            comes_back(bare, first, container).await?;
            traffic.flows().await?;
        }
        Ok(())
    };
    report.step(what, back).await?;

    report
        .step(format!("{half:?} more"), goes_on(&traffic, half))
        .await?;

    let what = "not one call of the other pods failed";
    let counted = async {
        for pod in rest {
            let tally = traffic.of(pod)?;
            ensure!(tally.bad.is_empty(), "{}: {:?}", pod.name_any(), tally.bad);
        }
        Ok(())
    };
    report.step(what, counted).await?;

    bare.plane.start_api_server().await?;
    let what = "the API server comes back: pods are admitted, with a sidecar";
    report.step(what, admitted(stage)).await?;
    let what = "and started, and calls go on";
    let again = async {
        let restart = ["rollout", "restart", "deployment/checkout"];
        stage.kubectl("shop", &restart).await?;
        let ready = ["rollout", "status", "deployment/checkout", "--timeout=240s"];
        stage.kubectl("shop", &ready).await?;
        traffic.flows().await
    };
    report.step(what, again).await
}

/// A pod that is not to be started, as soon as the webhook answers.
async fn admitted(stage: &Stage) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), "shop");
    let pod = gated()?;
    within(PATIENCE, "a pod is admitted", async || {
        let made = pods.create(&PostParams::default(), &pod).await?;
        pods.delete(&made.name_any(), &DeleteParams::default().grace_period(0))
            .await?;
        ensure!(has_sidecar(&made), "{made:?}");
        Ok(())
    })
    .await
}

/// Calls succeed all the time.
async fn goes_on(traffic: &Traffic<'_>, time: Duration) -> Result<()> {
    let step = Duration::from_secs(20);
    let mut left = time;
    while !left.is_zero() {
        sleep(step.min(left)).await;
        left = left.saturating_sub(step);
        traffic.flows().await?;
    }
    Ok(())
}

/// Ends the process of a container, by the status of its pod as it was before the outage.
fn kill(bare: &Bare, pod: &Pod, container: &str) -> Result<()> {
    let status = pod.status.as_ref().context("no status")?;
    let initial = status.init_container_statuses.iter().flatten();
    let mut all = initial.chain(status.container_statuses.iter().flatten());
    let found = all.find(|one| one.name == container);
    let id = found.and_then(|one| one.container_id.as_deref());
    for process in bare.node.processes(id.context("it has no id")?)? {
        let process = Pid::from_raw(process.cast_signed()).context("a process has a number")?;
        kill_process(process, Signal::KILL)?;
    }
    Ok(())
}

/// The kubelet has started it a second time, of which its log tells.
async fn comes_back(bare: &Bare, pod: &Pod, container: &str) -> Result<()> {
    let (namespace, uid) = (
        pod.namespace().context("no namespace")?,
        pod.uid().context("no uid")?,
    );
    let folder = format!(
        "/var/log/pods/{namespace}_{}_{uid}/{container}/1.log",
        pod.name_any()
    );
    let log = bare.node.path(&folder);
    within(
        Duration::from_mins(1),
        &format!("{container} is started again"),
        async || {
            let said = std::fs::read_to_string(&log)?;
            ensure!(!said.is_empty(), "it has said nothing yet");
            Ok(())
        },
    )
    .await
}
