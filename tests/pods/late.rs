//! A pod whose keys come later than itself.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use mintage_operator::inject::CONTAINER;
use mintage_tests::cluster::within;

use super::scene::{KEYRING, PATIENCE, Scene, called, container};

/// Nobody leads, so that a namespace which is made now has no keys. Its pod is admitted and waits, and starts when the
/// other replica has taken over and made them.
pub async fn a_pod_waits_for_its_keys(scene: &Scene) -> Result<()> {
    let namespace = scene.namespace("late").await?;
    let pod = scene.app(&namespace, "early").await?;
    let uid = pod.uid().context("no uid")?;
    let events: Api<Event> = Api::namespaced(scene.client.clone(), &namespace.name);
    let of_pod = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    within(PATIENCE, "the kubelet says what it waits for", async || {
        let events = events.list(&of_pod).await?.items;
        let waits = events.iter().any(|event| {
            let message = event.message.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some("FailedMount")
                && message.contains(&format!("secret \"{KEYRING}\" not found"))
        });
        ensure!(waits, "{events:?}");
        Ok(())
    })
    .await?;
    let pods = scene.pods(&namespace);
    let waiting = pods.get("early").await?;
    ensure!(
        scene.keyring(&namespace).await?.is_none(),
        "the keys came too early for this test: nobody should lead yet"
    );
    for name in [CONTAINER, "app"] {
        ensure!(
            !has_started(&waiting, name)?,
            "{name} has started without keys"
        );
    }
    ensure!(scene.said(&waiting)?.is_empty());

    let running = scene.ready(&waiting).await?;
    let keyring = scene.keyring(&namespace).await?.context("no keyring")?;
    let made = keyring.metadata.creation_timestamp.context("no time")?.0;
    for name in [CONTAINER, "app"] {
        let state = container(&running, name)?.state.as_ref();
        let state = state.and_then(|state| state.running.as_ref());
        let started = state.and_then(|state| state.started_at.as_ref());
        let started = started.with_context(|| format!("{name} does not run"))?.0;
        ensure!(
            made <= started,
            "{name} started at {started}, before its keys of {made}"
        );
        ensure!(
            container(&running, name)?.restart_count == 0,
            "{name} had to be started again"
        );
    }
    // It need not be patient: when it starts, its sidecar answers.
    within(PATIENCE, "the app has called its sidecar", async || {
        called(
            scene.said(&running)?.get(1).context("it has not called")?,
            &running,
        )
    })
    .await
}

fn has_started(pod: &Pod, name: &str) -> Result<bool> {
    let status = pod.status.as_ref().context("no status")?;
    if status.container_statuses.is_none() {
        // The kubelet has said nothing of any container yet.
        return Ok(false);
    }
    let state = container(pod, name)?.state.as_ref();
    Ok(state.is_some_and(|state| state.running.is_some() || state.terminated.is_some()))
}
