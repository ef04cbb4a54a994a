//! `kubectl mintage token`: asks the sidecar of a running pod, as the pod itself would.

use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use mintage_core::WorkloadId;
use tokio::time::timeout;

use super::doctor::{CONTAINER, INJECTED, sidecar};
use super::seen::{Unlisted, list};
use super::{Scene, forward};
use crate::Failure;
use crate::token::{Wanted, print};

/// Get an access token as a workload, from the sidecar of one of its running pods.
///
/// The way leads through the API server: it takes the right to forward ports of the namespace's pods (create on
/// pods/portforward). Whoever has it can speak as every workload there. Prints the token alone, as `mintage token` does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  kubectl mintage token --as shop/checkout --audience https://orders.example.com"
)]
pub struct Args {
    /// The workload, `<namespace>/<serviceaccount>`.
    #[arg(long = "as", value_name = "WORKLOAD")]
    workload: WorkloadId,
    #[command(flatten)]
    wanted: Wanted,
}

/// How long the way and the answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where a sidecar listens unless its pod says otherwise.
const PORT: u16 = 7600;

/// Runs the command.
pub async fn run(args: &Args, scene: &Scene) -> Result<(), Failure> {
    let namespace = args.workload.namespace.as_str();
    let api: Api<Pod> = Api::namespaced(scene.client.clone(), namespace);
    let pods = list(&api, "Pods").await.map_err(|unlisted| match unlisted {
        Unlisted::Failed(failure) => failure,
        Unlisted::Forbidden | Unlisted::Unknown => Failure::Refused(format!(
            "you may not list Pods of namespace {namespace}; this takes the right to list pods and to create pods/portforward there"
        )),
    })?;
    let pod = choose(&pods, &args.workload)?;
    let name = pod.name_any();
    let form = args.wanted.form();
    let asked = forward::post(&api, &name, port(pod), "/oauth/token", &form);
    let (status, body) = timeout(PATIENCE, asked).await.map_err(|_| {
        Failure::Unreachable(format!(
            "the sidecar of pod {namespace}/{name} did not answer within {} s",
            PATIENCE.as_secs()
        ))
    })??;
    let from = format!("the sidecar of pod {namespace}/{name}");
    print(status, &body, &from, scene.output)
}

/// A pod of a workload whose sidecar is ready: the newest, whose sidecar is the most current.
fn choose<'a>(pods: &'a [Pod], workload: &WorkloadId) -> Result<&'a Pod, Failure> {
    let namespace = &workload.namespace;
    let doctor = format!("`kubectl mintage doctor -n {namespace}` looks for the cause");
    let of_workload = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.as_deref());
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        account == Some(workload.service_account.as_str())
            && phase == Some("Running")
            && pod.metadata.deletion_timestamp.is_none()
    };
    let running: Vec<&Pod> = pods.iter().filter(of_workload).collect();
    let Some(first) = running.first() else {
        return Err(Failure::Unreachable(format!(
            "no pod of ServiceAccount {workload} runs, and only a pod can ask; see kubectl get pods -n {namespace}, or ask `kubectl mintage why {workload} <audience>` what it would get"
        )));
    };
    let injected = running
        .iter()
        .filter(|pod| pod.labels().contains_key(INJECTED));
    let injected: Vec<&&Pod> = injected.collect();
    if injected.is_empty() {
        return Err(Failure::Unreachable(format!(
            "pod {namespace}/{} runs without a sidecar, as every other one of {workload} does; {doctor}",
            first.name_any()
        )));
    }
    let ready = injected
        .iter()
        .filter(|pod| sidecar(pod).is_some_and(|status| status.ready));
    let newest = ready.max_by_key(|pod| pod.metadata.creation_timestamp.clone());
    newest.map(|pod| **pod).ok_or_else(|| {
        let names: Vec<_> = injected.iter().map(|pod| pod.name_any()).collect();
        Failure::Unreachable(format!(
            "no sidecar of {workload} is ready (pods {}); {doctor}",
            names.join(", ")
        ))
    })
}

/// Where the sidecar of a pod listens.
fn port(pod: &Pod) -> u16 {
    let spec = pod.spec.as_ref();
    let mut containers = spec
        .and_then(|spec| spec.init_containers.as_ref())
        .into_iter()
        .flatten();
    let sidecar = containers.find(|one| one.name == CONTAINER);
    let mut env = sidecar
        .and_then(|one| one.env.as_ref())
        .into_iter()
        .flatten();
    let listens = env.find(|one| one.name == "MINTAGE_LISTEN");
    let listens = listens.and_then(|one| one.value.as_ref()?.parse::<SocketAddr>().ok());
    listens.map_or(PORT, |address| address.port())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, account: &str, day: u8, injected: bool, ready: bool) -> Pod {
        let labels = if injected {
            json!({ INJECTED: "true" })
        } else {
            json!({})
        };
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "shop", "labels": labels,
                "creationTimestamp": format!("2026-01-{day:02}T00:00:00Z") },
            "spec": { "containers": [], "serviceAccountName": account, "initContainers": [{
                "name": CONTAINER, "env": [{ "name": "MINTAGE_LISTEN", "value": "127.0.0.1:8600" }],
            }] },
            "status": { "phase": "Running", "initContainerStatuses": [{ "name": CONTAINER, "image": "",
                "imageID": "", "ready": ready, "restartCount": 0 }] },
        }))
        .unwrap()
    }

    fn chosen(pods: &[Pod]) -> Result<String, String> {
        let workload = WorkloadId::parse("shop/checkout").unwrap();
        match choose(pods, &workload) {
            Ok(pod) => Ok(pod.name_any()),
            Err(failure) => Err(format!("{failure:?}")),
        }
    }

    #[test]
    fn the_newest_pod_with_a_ready_sidecar_is_asked() {
        let pods = [
            pod("old", "checkout", 1, true, true),
            pod("good", "checkout", 2, true, true),
            pod("unready", "checkout", 3, true, false),
            pod("bare", "checkout", 4, false, false),
            pod("other", "billing", 5, true, true),
        ];
        assert_eq!(chosen(&pods).unwrap(), "good");
        assert_eq!(port(&pods[0]), 8600);
        assert_eq!(port(&Pod::default()), PORT);
        let mut ending = pods.clone();
        ending[1].metadata.deletion_timestamp = ending[1].metadata.creation_timestamp.clone();
        assert_eq!(chosen(&ending).unwrap(), "old");
    }

    #[test]
    fn it_is_said_why_none_can_be_asked() {
        let of = |pods: &[Pod], text: &str| {
            let said = chosen(pods).unwrap_err();
            assert!(said.contains(text), "{said}");
        };
        of(&[], "no pod of ServiceAccount shop/checkout runs");
        of(
            &[pod("x", "billing", 1, true, true)],
            "no pod of ServiceAccount",
        );
        of(
            &[pod("x", "checkout", 1, false, true)],
            "runs without a sidecar",
        );
        of(&[pod("x", "checkout", 1, true, false)], "is ready (pods x)");
        of(&[Pod::default()], "no pod of ServiceAccount");
    }
}
