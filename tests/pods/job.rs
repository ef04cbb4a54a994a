//! A Job whose pods have sidecars.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams};
use mintage_operator::inject::CONTAINER;
use mintage_tests::cluster::{Namespace, within};
use serde_json::json;

use super::scene::{PATIENCE, Scene, called, container};

/// The Job is done when its app is: the sidecar, which would run for ever, holds up nothing.
pub async fn a_job_completes(scene: &Scene, namespace: &Namespace) -> Result<()> {
    let mut template = scene.template(namespace, "once");
    template["spec"]["restartPolicy"] = "Never".into();
    let job: Job = serde_json::from_value(json!({
        "metadata": { "name": "closing" },
        "spec": { "backoffLimit": 0, "template": template },
    }))?;
    let jobs: Api<Job> = Api::namespaced(scene.client.clone(), &namespace.name);
    jobs.create(&PostParams::default(), &job).await?;
    within(PATIENCE, "the Job is complete", async || {
        let status = jobs.get("closing").await?.status.context("no status")?;
        let mut conditions = status.conditions.iter().flatten();
        let complete = conditions.any(|one| one.type_ == "Complete" && one.status == "True");
        ensure!(complete, "{status:?}");
        Ok(())
    })
    .await?;
    let of_job = ListParams::default().labels("batch.kubernetes.io/job-name=closing");
    let pods = scene.pods(namespace).list(&of_job).await?.items;
    let [pod] = &pods[..] else {
        anyhow::bail!("the Job made {} pods", pods.len());
    };
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    ensure!(phase == Some("Succeeded"), "{phase:?}");
    ensure!(exit_code(pod, "app")? == 0);
    // It was asked to end, and did as it was asked.
    ensure!(exit_code(pod, CONTAINER)? == 0);
    called(scene.said(pod)?.get(1).context("it has not called")?, pod)
}

fn exit_code(pod: &Pod, name: &str) -> Result<i32> {
    let state = container(pod, name)?.state.as_ref();
    let ended = state.and_then(|state| state.terminated.as_ref());
    Ok(ended
        .with_context(|| format!("{name} has not ended"))?
        .exit_code)
}
