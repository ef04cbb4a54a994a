//! Pods that go without a sidecar.

use mintage_operator::inject::{Outcome, Settings, Skip, inject, is_opted_in};
use serde_json::{Value, json};

use crate::cluster::{injected, name, of_shop, pod, snapshot};

fn skipped(outcome: Outcome) -> Skip {
    match outcome {
        Outcome::Skipped(skip) => skip,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_nodes_own_pods_in_an_enabled_namespace() {
    for field in ["hostNetwork", "hostPID"] {
        let skip = skipped(of_shop(json!({ "spec": { field: true } })));
        assert_eq!(skip, Skip::HostNamespace { field });
        assert!(skip.to_string().contains(field));
        injected(of_shop(json!({ "spec": { field: false } })));
    }
}

#[test]
fn windows_pods() {
    for spec in [
        json!({ "os": { "name": "windows" } }),
        json!({ "nodeSelector": { "kubernetes.io/os": "windows" } }),
    ] {
        assert_eq!(skipped(of_shop(json!({ "spec": spec }))), Skip::Windows);
    }
    for spec in [
        json!({ "os": { "name": "linux" } }),
        json!({ "nodeSelector": { "kubernetes.io/os": "linux" } }),
    ] {
        injected(of_shop(json!({ "spec": spec })));
    }
}

#[test]
fn static_pods() {
    let mirror = json!({ "metadata": { "annotations": { "kubernetes.io/config.mirror": "x" } } });
    assert_eq!(skipped(of_shop(mirror)), Skip::Mirror);
}

#[test]
fn pods_that_say_so() {
    let says = |value: &str| json!({ "metadata": { "labels": { "mintage.dev/inject": value } } });
    assert_eq!(skipped(of_shop(says("false"))), Skip::OptedOut);
    injected(of_shop(says("true")));
}

#[test]
fn labels_decide_as_the_injection_does() {
    let labels = |value: Value| serde_json::from_value(value).unwrap();
    for (namespace, of_pod, expected) in [
        ("shop", json!({}), true),
        ("shop", json!({ "mintage.dev/inject": "false" }), false),
        ("plain", json!({}), false),
        ("plain", json!({ "mintage.dev/inject": "true" }), true),
        ("plain", json!({ "mintage.dev/inject": "yes" }), false),
    ] {
        let pod = pod(json!({ "metadata": { "labels": of_pod } }));
        let snapshot = snapshot();
        let outcome = inject(&snapshot, &name(namespace), &pod, &Settings::default());
        assert_eq!(
            matches!(outcome, Outcome::Injected(_)),
            expected,
            "{namespace} {of_pod}"
        );
        assert_eq!(
            is_opted_in(&snapshot, &name(namespace), &labels(of_pod)),
            expected
        );
    }
}
