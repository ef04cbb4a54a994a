//! The name for what was injected: a controller tells by it which pods have an old sidecar.

use mintage_operator::inject::{HASH, Settings, current, inject};
use mintage_operator::snapshot::Snapshot;
use serde_json::{Value, json};

use crate::cluster::{injected, name, pod, snapshot, world};

fn hash_of(
    snapshot: &Snapshot,
    namespace: &str,
    annotations: &Value,
    settings: &Settings,
) -> String {
    let pod = pod(json!({ "metadata": { "annotations": annotations } }));
    let written = injected(inject(snapshot, &name(namespace), &pod, settings)).pod;
    let metadata = serde_json::from_value(written["metadata"].clone()).unwrap();
    let current = current(snapshot, &name(namespace), &metadata, settings).unwrap();
    let hash = current.hash;
    assert_eq!(
        written["metadata"]["annotations"][HASH],
        json!(hash),
        "a fresh pod is current"
    );
    hash
}

#[test]
fn whatever_would_change_the_injection_changes_the_hash() {
    let snapshot = snapshot();
    let settings = Settings::default();
    let base = hash_of(&snapshot, "shop", &json!({}), &settings);
    assert_eq!(
        hash_of(&snapshot, "orders", &json!({}), &settings),
        base,
        "the workload is the pod's for ever"
    );
    let mut seen = vec![base];
    for annotations in [
        json!({ "mintage.dev/domain": "login.acme.test" }),
        json!({ "mintage.dev/accept-audiences": "orders" }),
        json!({ "mintage.dev/accept-audiences": "orders,reports" }),
    ] {
        seen.push(hash_of(&snapshot, "shop", &annotations, &settings));
    }
    seen.push(hash_of(&snapshot, "named", &json!({}), &settings));
    for changed in [
        json!({ "image": "x" }),
        json!({ "imagePullPolicy": "Always" }),
        json!({ "uid": 5 }),
        json!({ "threads": 1 }),
        json!({ "logLevel": "warn" }),
        json!({ "startSeconds": 60 }),
        json!({ "adminAddress": "::" }),
        json!({ "ports": { "workloadApi": 7700 } }),
        json!({ "resources": { "limits": { "memory": "32Mi" } } }),
        json!({ "otlpEndpoint": "http://127.0.0.1:4318" }),
    ] {
        let settings = serde_json::from_value(changed).unwrap();
        seen.push(hash_of(&snapshot, "shop", &json!({}), &settings));
    }
    let mut moved = crate::cluster::snapshot();
    world(&mut moved).tenants[0].domain = name("other.test");
    seen.push(hash_of(&moved, "shop", &json!({}), &settings));
    let mut with_endpoint = crate::cluster::snapshot();
    world(&mut with_endpoint).tenants[0].endpoint = Some(crate::cluster::endpoint().into());
    seen.push(hash_of(&with_endpoint, "shop", &json!({}), &settings));
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn a_pod_that_would_not_be_admitted_any_more_has_none() {
    let mut snapshot = snapshot();
    let metadata = serde_json::from_value(json!({})).unwrap();
    let settings = Settings::default();
    current(&snapshot, &name("shop"), &metadata, &settings).unwrap();
    world(&mut snapshot).tenants.clear();
    let refusal = current(&snapshot, &name("shop"), &metadata, &settings).unwrap_err();
    assert_eq!(refusal.code(), "tenant-none");
}
