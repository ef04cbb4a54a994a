//! A pod with a sidecar where the Pod Security Standard `restricted` is enforced.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use mintage_operator::inject::{CONTAINER, Settings};
use mintage_tests::cluster::{Namespace, within};
use serde_json::Value;

use super::scene::{APP_USER, PATIENCE, Scene, called, container};

/// The app runs, and gets a token of its sidecar that its sidecar finds good. Both are held to what the standard asks.
pub async fn an_app_runs(scene: &Scene, namespace: &Namespace) -> Result<Pod> {
    let pod = scene.app(namespace, "cashier").await?;
    refuses(scene, namespace).await?;
    let pod = scene.ready(&pod).await?;
    within(PATIENCE, "the app has called its sidecar", async || {
        called(scene.said(&pod)?.get(1).context("it has not called")?, &pod)
    })
    .await?;
    for (name, user) in [(CONTAINER, Settings::default().uid), ("app", APP_USER)] {
        let process = process(scene, &pod, name)?;
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default()
                .split_whitespace()
                .next()
                .unwrap_or_default()
        };
        ensure!(field("Uid:") == user.to_string(), "{name}: {status}");
        ensure!(field("Gid:") == user.to_string(), "{name}: {status}");
        ensure!(field("NoNewPrivs:") == "1", "{name}: {status}");
        // Mode 2 is a filter of system calls.
        ensure!(field("Seccomp:") == "2", "{name}: {status}");
        for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
            ensure!(field(set).trim_matches('0').is_empty(), "{name}: {status}");
        }
    }
    Ok(pod)
}

/// The control: the standard is enforced there.
async fn refuses(scene: &Scene, namespace: &Namespace) -> Result<()> {
    let mut template = scene.template(namespace, "serve");
    template["metadata"]["name"] = "root".into();
    template["spec"]["securityContext"] = Value::Null;
    let pod: Pod = serde_json::from_value(template)?;
    let pods = scene.pods(namespace);
    match pods.create(&PostParams::default(), &pod).await {
        Err(kube::Error::Api(status)) if status.message.contains("violates PodSecurity") => Ok(()),
        other => bail!("a pod that may be root got {other:?}"),
    }
}

/// The one process of a container, by the machine's number.
pub fn process(scene: &Scene, pod: &Pod, name: &str) -> Result<u32> {
    let id = container(pod, name)?.container_id.as_deref();
    let processes = scene.node.processes(id.context("it has no id")?)?;
    let [process] = processes[..] else {
        bail!("{name} has the processes {processes:?}");
    };
    Ok(process)
}
