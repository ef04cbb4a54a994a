//! What is kept of pods: the few labels and annotations that are ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use mintage_core::inject;

use crate::snapshot::PodSeen;

/// Reads a pod's metadata.
pub fn read(pod: PartialObjectMeta<Pod>) -> Arc<PodSeen> {
    let meta = pod.metadata;
    let ours = |all: Option<BTreeMap<String, String>>| {
        let mut all = all.unwrap_or_default();
        all.retain(|key, _| key.starts_with("mintage.dev/"));
        all
    };
    let name = meta.name.unwrap_or_default();
    let owner = meta
        .owner_references
        .into_iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
        .map_or_else(
            || format!("Pod/{name}"),
            |owner| format!("{}/{}", owner.kind, owner.name),
        );
    Arc::new(PodSeen {
        labels: ours(meta.labels),
        annotations: ours(meta.annotations),
        owner,
        uid: meta.uid.unwrap_or_default(),
        ending: meta.deletion_timestamp.is_some(),
    })
}

/// Whether a pod makes its namespace one that has keys.
pub fn opts_in(pod: &PodSeen) -> bool {
    inject::pod_opts_in(&pod.labels)
}
