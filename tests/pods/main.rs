//! Pods with sidecars that really run: a real API server, kubelet, containerd and runc, the real operator and webhook.
//! Run by `cargo xtask test`, as root.

mod job;
mod late;
mod quickstart;
mod restart;
mod restricted;
mod scene;
mod secrecy;

use anyhow::{Context as _, Result};

use scene::Scene;

/// One test, since nodes are dear: its parts run side by side.
#[tokio::test]
async fn pods_with_sidecars_live_on_a_real_node() -> Result<()> {
    let Some(mut scene) = Scene::start("pods_with_sidecars_live_on_a_real_node").await? else {
        return Ok(());
    };
    let outcome = Box::pin(live(&mut scene)).await;
    outcome.with_context(|| scene.logs())?;
    scene.node.end()
}

async fn live(scene: &mut Scene) -> Result<()> {
    quickstart::apply(scene).await?;
    let till = scene.namespace("till").await?;
    scene.has_keys(&till).await?;
    // From here on nobody leads for a while, and the other replica answers the webhook.
    scene.leader.kill().await?;
    let scene = &*scene;
    let app = async {
        let pod = restricted::an_app_runs(scene, &till).await?;
        secrecy::keys_are_out_of_the_apps_reach(scene, &pod)?;
        restart::a_sidecar_that_dies_is_started_again(scene, &pod).await
    };
    tokio::try_join!(
        late::a_pod_waits_for_its_keys(scene),
        app,
        job::a_job_completes(scene, &till),
        quickstart::its_pods_run(scene),
    )?;
    Ok(())
}
