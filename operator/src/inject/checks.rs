//! Pods that cannot have a sidecar: those that would give its keys away, and those that need what is the sidecar's.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::refusal::Refusal;
use super::settings::Settings;
use super::{CONTAINER, MIRROR, OptIn, Outcome, Skip, VOLUME};

const OS: &str = "kubernetes.io/os";

/// Ends with pods that go without a sidecar although their namespace is enabled.
pub fn skip(pod: &Pod, spec: &PodSpec, by: OptIn) -> Result<(), Outcome> {
    let annotations = pod.metadata.annotations.as_ref();
    if annotations.is_some_and(|all| all.contains_key(MIRROR)) {
        return Err(Skip::Mirror.into());
    }
    let os = spec.os.as_ref().map(|os| os.name.as_str());
    let selected = spec.node_selector.as_ref().and_then(|all| all.get(OS));
    if os.or(selected.map(String::as_str)) == Some("windows") {
        return Err(Skip::Windows.into());
    }
    let host = [
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
    ];
    let host = host.into_iter().find(|(_, value)| *value == Some(true));
    match (host, by) {
        (None, _) => Ok(()),
        (Some((field, _)), OptIn::Namespace) => Err(Skip::HostNamespace { field }.into()),
        (Some((field, _)), OptIn::Pod) => Err(Refusal::HostNamespace { field }.into()),
    }
}

/// Refuses what cannot be next to a sidecar. `marked` says that the pod has one already, or says so.
pub fn check(spec: &PodSpec, settings: &Settings, marked: bool) -> Result<(), Refusal> {
    if spec.share_process_namespace == Some(true) {
        return Err(Refusal::ProcessNamespace);
    }
    let initial = spec.init_containers.as_deref().unwrap_or_default();
    let is_sidecar = |container: &Container| container.name == CONTAINER;
    let of_app = spec.containers.iter().any(is_sidecar);
    if of_app || (!marked && initial.iter().any(is_sidecar)) {
        return Err(Refusal::ContainerName);
    }
    let mut volumes = spec.volumes.iter().flatten();
    if !marked && volumes.any(|volume| volume.name == VOLUME) {
        return Err(Refusal::VolumeName);
    }
    let others = initial.iter().filter(|container| !is_sidecar(container));
    others
        .chain(&spec.containers)
        .try_for_each(|container| check_container(container, settings))
}

fn check_container(container: &Container, settings: &Settings) -> Result<(), Refusal> {
    let mut mounts = container.volume_mounts.iter().flatten();
    let mut devices = container.volume_devices.iter().flatten();
    // The volume is there once the sidecar is, so a mount of it needs no volume in the pod as it comes.
    if mounts.any(|mount| mount.name == VOLUME) || devices.any(|device| device.name == VOLUME) {
        return Err(Refusal::VolumeMount {
            container: container.name.clone(),
        });
    }
    for port in container.ports.iter().flatten() {
        let tcp = port.protocol.as_deref().is_none_or(|name| name == "TCP");
        let is_ours = |ours: u16| i32::from(ours) == port.container_port;
        if tcp && settings.ports.all().into_iter().any(is_ours) {
            return Err(Refusal::Port {
                container: container.name.clone(),
                port: port.container_port,
            });
        }
    }
    Ok(())
}
