//! A sidecar that dies beside its app.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use mintage_operator::inject::CONTAINER;
use mintage_tests::cluster::within;
use rustix::process::{Pid, Signal, kill_process};

use super::restricted::process;
use super::scene::{PATIENCE, Scene, called, container};

/// The kubelet starts it again, it serves again, and the app never stops.
pub async fn a_sidecar_that_dies_is_started_again(scene: &Scene, pod: &Pod) -> Result<()> {
    let namespace = pod.namespace().context("no namespace")?;
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &namespace);
    let sidecar = process(scene, pod, CONTAINER)?;
    let sidecar = Pid::from_raw(sidecar.cast_signed()).context("a process has a number")?;
    kill_process(sidecar, Signal::KILL)?;
    let again = within(PATIENCE, "the sidecar is started again", async || {
        let pod = pods.get(&pod.name_any()).await?;
        let sidecar = container(&pod, CONTAINER)?;
        ensure!(sidecar.restart_count == 1 && sidecar.ready, "{sidecar:?}");
        Ok(pod)
    });
    let again = again.await?;
    let before = scene.said(pod)?.len();
    within(PATIENCE, "the sidecar serves again", async || {
        let said = scene.said(pod)?;
        ensure!(said.len() > before, "the app has not called again");
        called(&said[said.len() - 1], pod)
    })
    .await?;
    let (then, now) = (container(pod, "app")?, container(&again, "app")?);
    ensure!(now.restart_count == 0, "{now:?}");
    ensure!(now.container_id == then.container_id, "{now:?}");
    let looked = scene
        .said(pod)?
        .into_iter()
        .filter(|line| line["event"] == "looked");
    ensure!(looked.count() == 1, "the app began anew");
    Ok(())
}
