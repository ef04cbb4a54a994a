//! What is kept of pods: the few labels and annotations that matter here.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use mintage_core::inject;

use crate::inject::MIRROR;
use crate::snapshot::PodSeen;
use crate::stale::Owner;

/// Reads a pod's metadata.
pub fn read(pod: PartialObjectMeta<Pod>) -> Arc<PodSeen> {
    let meta = pod.metadata;
    let kept = |all: Option<BTreeMap<String, String>>| {
        let mut all = all.unwrap_or_default();
        all.retain(|key, _| key.starts_with("mintage.dev/") || key == MIRROR);
        all
    };
    let uid = meta.uid.clone().unwrap_or_default().into_boxed_str();
    let controller = meta
        .owner_references
        .into_iter()
        .flatten()
        .find(|owner| owner.controller == Some(true));
    let owner = match controller {
        Some(owner) => Owner {
            api_version: owner.api_version,
            kind: owner.kind,
            name: owner.name,
            uid: owner.uid,
        },
        None => Owner {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: meta.name.unwrap_or_default(),
            uid: meta.uid.unwrap_or_default(),
        },
    };
    Arc::new(PodSeen {
        labels: kept(meta.labels),
        annotations: kept(meta.annotations),
        owner,
        uid,
        ending: meta.deletion_timestamp.is_some(),
    })
}

/// Which life of a pod this is: nothing else is kept of those that run.
pub fn read_running(pod: PartialObjectMeta<Pod>) -> Option<Box<str>> {
    pod.metadata.uid.map(String::into_boxed_str)
}

/// Whether a pod makes its namespace one that has keys.
pub fn opts_in(pod: &PodSeen) -> bool {
    inject::pod_opts_in(&pod.labels)
}
