//! Attacks 35 and 36 of `docs/attacks.md`, on the injection itself. `tests/apiserver` shows them with an API server.

use mintage_operator::inject::{Outcome, Settings, inject};
use serde_json::{Value, json};

use crate::cluster::{env, injected, name, of_shop, pod, refused, snapshot};

/// A pod whose labels do not say `false` cannot leave an enabled namespace's word.
#[test]
fn attack_35_no_other_label_opts_out() {
    for value in [
        "False", "FALSE", "no", "0", "", " false", "disabled", "true",
    ] {
        let labels = json!({ "mintage.dev/inject": value, "mintage.dev/injection": "disabled" });
        injected(of_shop(json!({ "metadata": { "labels": labels } })));
    }
}

#[test]
fn attack_35_a_pod_that_claims_to_be_deleted_is_no_exception() {
    injected(of_shop(json!({ "metadata": {
        "deletionTimestamp": "2026-11-01T00:00:00Z",
        "deletionGracePeriodSeconds": 0,
        "finalizers": ["a.test/b"],
    } })));
}

/// The request says where a pod is; what the pod says of itself decides nothing.
#[test]
fn attack_35_the_namespace_is_the_requests() {
    let lies = pod(json!({ "metadata": { "namespace": "orders" } }));
    let of_shop = injected(inject(
        &snapshot(),
        &name("shop"),
        &lies,
        &Settings::default(),
    ))
    .pod;
    assert_eq!(
        env(&of_shop["spec"]["initContainers"][0])["MINTAGE_WORKLOAD"],
        "shop/checkout"
    );
    let refusal = refused(inject(
        &snapshot(),
        &name("lonely"),
        &lies,
        &Settings::default(),
    ));
    assert_eq!(refusal.code(), "tenant-none");
}

/// Whoever says that a pod is injected gets the real sidecar.
#[test]
fn attack_35_saying_to_be_injected_is_not_believed() {
    let marks = json!({ "metadata": {
        "labels": { "mintage.dev/injected": "true" },
        "annotations": { "mintage.dev/injection-hash": "0", "mintage.dev/injected-tenant": "identity/globex" },
    } });
    let honest = injected(of_shop(json!({}))).pod;
    assert_eq!(injected(of_shop(marks.clone())).pod, honest);

    let mut forged = marks;
    let current = &honest["metadata"]["annotations"]["mintage.dev/injection-hash"];
    forged["metadata"]["annotations"]["mintage.dev/injection-hash"] = current.clone();
    for more in [
        json!({ "image": "evil:1" }),
        json!({ "command": ["sh"] }),
        json!({ "args": ["--dir", "/"] }),
        json!({ "envFrom": [{ "secretRef": { "name": "x" } }] }),
        json!({ "lifecycle": { "postStart": { "exec": { "command": ["sh"] } } } }),
        json!({ "securityContext": { "privileged": true } }),
        json!({ "restartPolicy": null }),
        json!({ "volumeMounts": [] }),
        json!({ "startupProbe": null }),
    ] {
        let mut sidecar = honest["spec"]["initContainers"][0].clone();
        json_patch::merge(&mut sidecar, &more);
        let mut with = forged.clone();
        with["spec"] = json!({
            "initContainers": [{ "name": "migrate", "image": "x" }, sidecar],
            "volumes": [{ "name": "mintage", "hostPath": { "path": "/" } }],
        });
        let pod = injected(of_shop(with)).pod;
        assert_eq!(
            pod["spec"]["initContainers"][0], honest["spec"]["initContainers"][0],
            "{more}"
        );
        assert_eq!(pod["spec"]["initContainers"].as_array().unwrap().len(), 2);
        assert_eq!(pod["spec"]["volumes"], honest["spec"]["volumes"]);
    }
}

/// Without the marks, a container of the sidecar's name is somebody's own, and is said to be in the way.
#[test]
fn attack_35_half_a_copy_is_refused() {
    let honest = injected(of_shop(json!({}))).pod;
    let initial = json!({ "spec": { "initContainers": honest["spec"]["initContainers"] } });
    assert_eq!(refused(of_shop(initial)).code(), "container-name-taken");
    let volumes = json!({ "spec": { "volumes": honest["spec"]["volumes"] } });
    assert_eq!(refused(of_shop(volumes)).code(), "volume-name-taken");
}

/// What annotations could name elsewhere (CVE-2025-1974 and kin) names nothing here.
#[test]
fn attack_36_annotations_choose_no_image_argument_mount_or_environment() {
    let honest = injected(of_shop(json!({}))).pod;
    let mut annotations = json!({});
    for name in [
        "image",
        "sidecar-image",
        "args",
        "command",
        "env",
        "extra-env",
        "volume",
        "volumes",
        "mounts",
        "resources",
        "cpu-limit",
        "uid",
        "user",
        "log-level",
        "listen",
        "ports",
        "config",
        "template",
        "injection-hash",
        "injected-tenant",
        "injected-issuer",
        "injected",
    ] {
        annotations[format!("mintage.dev/{name}")] = json!("evil:1 --dir=/ {\"a\":1}");
    }
    let pod = injected(of_shop(
        json!({ "metadata": { "annotations": annotations } }),
    ))
    .pod;
    assert_eq!(pod["spec"], honest["spec"]);
}

#[test]
fn attack_36_values_of_annotations_are_parsed_and_not_passed_on() {
    for (annotation, value) in [
        ("tenant", "identity/acme\n"),
        ("tenant", "identity/acme/../globex"),
        ("tenant", "../acme"),
        ("accept-audiences", "orders --dir=/"),
        ("accept-audiences", "$(MINTAGE_URL)"),
        ("accept-audiences", "orders\",\"x\":\""),
        ("accept-audiences", "orders\u{0}"),
        ("domain", "acme.test#"),
        ("domain", "acme.test/../globex.test"),
        ("domain", "evil@acme.test"),
        ("domain", "$(A)"),
    ] {
        let annotations = json!({ format!("mintage.dev/{annotation}"): value });
        let outcome = of_shop(json!({ "metadata": { "annotations": annotations } }));
        // A line's end at either side is trimmed, as from a YAML block.
        if let Outcome::Injected(injection) = &outcome {
            assert_eq!(value, "identity/acme\n");
            assert_eq!(injection.tenant, name("identity/acme"));
        } else {
            assert_eq!(refused(outcome).code(), "annotation-invalid", "{value:?}");
        }
    }
}

/// No text of a pod makes the code panic; whatever it is, it is an outcome.
#[test]
fn attack_36_odd_values_are_no_panic() {
    let odd = [
        Value::Null,
        json!(true),
        json!(-1),
        json!("x"),
        json!([]),
        json!([null]),
        json!([1]),
        json!({}),
        json!({ "": {} }),
        json!([{}]),
        json!([{ "name": null }]),
        json!([{ "name": "mintage-sidecar", "env": [{}] }]),
    ];
    let places = [
        "/metadata",
        "/metadata/labels",
        "/metadata/annotations",
        "/metadata/name",
        "/spec",
        "/spec/containers",
        "/spec/containers/0",
        "/spec/containers/0/env",
        "/spec/containers/0/ports",
        "/spec/containers/0/volumeMounts",
        "/spec/initContainers",
        "/spec/volumes",
        "/spec/os",
        "/spec/nodeSelector",
        "/spec/serviceAccountName",
        "/spec/hostNetwork",
        "/spec/ephemeralContainers",
    ];
    let whole = injected(of_shop(json!({ "metadata": { "name": "x" }, "spec": {
        "os": { "name": "linux" }, "nodeSelector": { "a": "b" }, "hostNetwork": false, "ephemeralContainers": [],
        "containers": [{ "name": "app", "image": "x", "env": [], "ports": [], "volumeMounts": [] }],
    } })))
    .pod;
    for place in places {
        for value in &odd {
            let mut pod = whole.clone();
            *pod.pointer_mut(place).unwrap() = value.clone();
            let before = pod.clone();
            let outcome = inject(&snapshot(), &name("shop"), &pod, &Settings::default());
            if let Outcome::Injected(injection) = outcome {
                let mut patched = before;
                json_patch::patch(&mut patched, &injection.patch).unwrap();
                assert_eq!(patched, injection.pod, "{place} {value}");
            }
        }
    }
}
