//! Pods that go without a sidecar.

use mintage_operator::inject::{Outcome, SKIPPED, Settings, Skip, inject, is_opted_in, is_skipped};
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

#[test]
fn who_goes_without_says_so_and_is_known_by_it() {
    let metadata = |pod: &Value, part: &str| {
        let part = pod["metadata"].get(part).cloned().unwrap_or(json!({}));
        serde_json::from_value(part).unwrap()
    };
    for (changes, says) in [
        (
            json!({ "spec": { "hostNetwork": true } }),
            Some("host-namespace"),
        ),
        (
            json!({ "spec": { "hostPID": true }, "metadata": { "annotations": { "a": "b" } } }),
            Some("host-namespace"),
        ),
        (
            json!({ "spec": { "os": { "name": "windows" } } }),
            Some("windows"),
        ),
        // Their metadata tell already, or they ask for nothing.
        (
            json!({ "metadata": { "annotations": { "kubernetes.io/config.mirror": "x" } } }),
            None,
        ),
        (
            json!({ "metadata": { "labels": { "mintage.dev/inject": "false" } } }),
            None,
        ),
    ] {
        let mut pod = pod(changes.clone());
        let skip = skipped(of_shop(changes));
        let patch = skip.mark(&pod);
        assert_eq!(patch.is_some(), says.is_some(), "{skip:?}");
        if let Some(patch) = patch {
            let before = pod.clone();
            json_patch::patch(&mut pod, &patch).unwrap();
            assert_eq!(pod["metadata"]["annotations"][SKIPPED], json!(says));
            assert_eq!(skip.mark(&pod), None, "once is enough");
            assert_eq!(pod["spec"], before["spec"]);
        }
        let (labels, annotations) = (metadata(&pod, "labels"), metadata(&pod, "annotations"));
        assert_eq!(
            is_skipped(&labels, &annotations),
            skip != Skip::OptedOut,
            "{skip:?}"
        );
    }
    // Nobody who asks for a sidecar by its own label goes without one on purpose.
    let labels = serde_json::from_value(json!({ "mintage.dev/inject": "true" })).unwrap();
    let annotations = serde_json::from_value(json!({ SKIPPED: "windows" })).unwrap();
    assert!(!is_skipped(&labels, &annotations));
}

#[test]
fn a_copy_that_gets_a_sidecar_says_no_longer_that_it_has_none() {
    let copy = json!({ "metadata": { "annotations": { SKIPPED: "host-namespace", "a": "b" } } });
    let pod = injected(of_shop(copy)).pod;
    let annotations = &pod["metadata"]["annotations"];
    assert!(annotations.get(SKIPPED).is_none(), "{annotations}");
    assert_eq!(annotations["a"], "b");
}
