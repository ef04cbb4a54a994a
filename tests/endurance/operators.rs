//! One operator dies, freezes, or makes way for the next version.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_tests::bare::Bare;
use mintage_tests::cluster::within;
use mintage_tests::operator::NAMESPACE;
use mintage_tests::stage::{Report, Stage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::sleep;

use super::traffic::{gated, has_sidecar, operators};

/// The most that a takeover may take.
const TAKEOVER: Duration = Duration::from_secs(20);

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let bare = stage
        .bare()
        .context("processes of a given cluster are not ours to end")?;
    for (signal, what) in [(Signal::KILL, "killed"), (Signal::STOP, "frozen")] {
        let change = async {
            let leader = leader(stage).await?;
            let signalled = signal_to(bare, &leader, signal)?;
            let name = format!("after-{what}");
            served(stage, &name).await?;
            if signal == Signal::STOP {
                let other = stage.leader().await?;
                ensure!(other != leader.name_any(), "{other} is said to lead");
                // The kubelet may have ended it meanwhile.
                kill_process(signalled, Signal::CONT).ok();
            }
            let ready = ["rollout", "status", "deployment/mintage", "--timeout=90s"];
            stage.kubectl(NAMESPACE, &ready).await?;
            Ok(())
        };
        let what =
            format!("the operator that leads is {what}: a new API is served within {TAKEOVER:?}");
        report.step(what, change).await?;
    }
    let what =
        "a rolling restart of the operators, while pods are made all the time: none is refused";
    report.step(what, Box::pin(restart(stage))).await
}

async fn leader(stage: &Stage) -> Result<Pod> {
    let holder = stage.leader().await?;
    let mut pods = operators(stage).await?.into_iter();
    pods.find(|pod| pod.name_any() == holder)
        .with_context(|| format!("{holder} is no pod"))
}

/// To the process of an operator; which one that was.
fn signal_to(bare: &Bare, pod: &Pod, signal: Signal) -> Result<Pid> {
    let status = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let id = status.and_then(|all| all.first()?.container_id.as_deref());
    let processes = bare.node.processes(id.context("it has no id")?)?;
    let [process] = processes[..] else {
        anyhow::bail!("the operator has the processes {processes:?}");
    };
    let process = Pid::from_raw(process.cast_signed()).context("a process has a number")?;
    kill_process(process, signal)?;
    Ok(process)
}

/// Makes an API, and waits until it is served.
async fn served(stage: &Stage, name: &str) -> Result<()> {
    let audience = json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": "ApiAudience",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "tenantRef": { "namespace": "identity", "name": "acme" },
            "identifier": format!("https://{name}.example.com"),
        },
    });
    stage
        .apply(&format!("{name}.json"), &audience.to_string())
        .await?;
    within(TAKEOVER, &format!("{name} is served"), async || {
        let status = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let ready = stage
            .kubectl("shop", &["get", "apiaudience", name, "--output", status])
            .await?;
        ensure!(ready == "True", "Ready is {ready:?}");
        Ok(())
    })
    .await
}

async fn restart(stage: &Stage) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), "shop");
    let pod = gated()?;
    let made = AtomicU32::new(0);
    let creation = async {
        loop {
            let pod = pods.create(&PostParams::default(), &pod).await;
            let pod = pod.with_context(|| format!("after {made:?} pods, one was refused"))?;
            ensure!(has_sidecar(&pod), "{pod:?}");
            made.fetch_add(1, Ordering::Relaxed);
            let delete = DeleteParams::default().grace_period(0);
            pods.delete(&pod.name_any(), &delete).await?;
            sleep(Duration::from_millis(50)).await;
        }
    };
    let restart = async {
        for _ in 0..2 {
            stage
                .kubectl(NAMESPACE, &["rollout", "restart", "deployment/mintage"])
                .await?;
            let ready = ["rollout", "status", "deployment/mintage", "--timeout=120s"];
            stage.kubectl(NAMESPACE, &ready).await?;
        }
        // The last of the old ones goes now.
        sleep(Duration::from_secs(10)).await;
        let made = made.load(Ordering::Relaxed);
        ensure!(made > 100, "only {made} pods were made");
        Ok(())
    };
    tokio::select! {
        outcome = creation => outcome,
        outcome = restart => outcome,
    }
}
