//! Pods that are refused, each next to one that differs in that alone and is not.

use std::sync::Arc;

use mintage_operator::inject::{Settings, inject};
use serde_json::{Value, json};

use crate::cluster::{injected, name, of_shop, pod, refused, snapshot};

/// Asserts that one is refused for a reason, with words that hold a text, and the other is not.
fn refuses(rule: &str, words: &str, bad: Value, good: Value) {
    let refusal = refused(of_shop(bad));
    assert_eq!(refusal.code(), rule, "{refusal}");
    assert!(refusal.to_string().contains(words), "{refusal}");
    injected(of_shop(good));
}

fn annotated(name: &str, value: &str) -> Value {
    json!({ "metadata": { "annotations": { name: value } } })
}

fn container(more: Value) -> Value {
    let mut container = json!({ "name": "app", "image": "x" });
    json_patch::merge(&mut container, &more);
    json!({ "spec": { "containers": [container] } })
}

#[test]
fn annotations_that_cannot_be_read() {
    let domain = "mintage.dev/domain";
    refuses(
        "annotation-invalid",
        "annotation mintage.dev/tenant",
        annotated("mintage.dev/tenant", "acme"),
        annotated("mintage.dev/tenant", " identity/acme "),
    );
    refuses(
        "annotation-invalid",
        "annotation mintage.dev/accept-audiences",
        annotated("mintage.dev/accept-audiences", "A,b"),
        annotated("mintage.dev/accept-audiences", " a , ,b "),
    );
    refuses(
        "annotation-invalid",
        "annotation mintage.dev/domain",
        annotated(domain, "https://acme.test/"),
        annotated(domain, "acme.test"),
    );
}

#[test]
fn names_that_are_the_sidecars() {
    let named = |name: &str| json!({ "spec": { "containers": [{ "name": name, "image": "x" }] } });
    refuses(
        "container-name-taken",
        "rename the container",
        named("mintage-sidecar"),
        named("mintage-sidecars"),
    );
    let initial =
        |name: &str| json!({ "spec": { "initContainers": [{ "name": name, "image": "x" }] } });
    refuses(
        "container-name-taken",
        "rename the container",
        initial("mintage-sidecar"),
        initial("mintage"),
    );
    let volume = |name: &str| json!({ "spec": { "volumes": [{ "name": name, "emptyDir": {} }] } });
    refuses(
        "volume-name-taken",
        "rename the volume",
        volume("mintage"),
        volume("mintage-keys"),
    );
}

/// The volume is not in the pod as it comes: after the injection it would be.
#[test]
fn mounts_of_the_sidecars_volume() {
    let mount = |name: &str| json!([{ "name": name, "mountPath": "/keys" }]);
    let volumes = json!({ "spec": { "volumes": [{ "name": "data", "emptyDir": {} }] } });
    let with = |mut changes: Value| {
        json_patch::merge(&mut changes, &volumes);
        changes
    };
    let mounting = |name: &str| with(container(json!({ "volumeMounts": mount(name) })));
    refuses(
        "volume-mounted",
        "container app mounts",
        mounting("mintage"),
        mounting("data"),
    );
    let initial = |name: &str| {
        with(
            json!({ "spec": { "initContainers": [{ "name": "early", "image": "x", "volumeMounts": mount(name) }] } }),
        )
    };
    refuses(
        "volume-mounted",
        "container early mounts",
        initial("mintage"),
        initial("data"),
    );
    let device = |name: &str| {
        with(container(
            json!({ "volumeDevices": [{ "name": name, "devicePath": "/dev/x" }] }),
        ))
    };
    refuses(
        "volume-mounted",
        "container app mounts",
        device("mintage"),
        device("data"),
    );
}

#[test]
fn ports_that_are_the_sidecars() {
    let with = |port: Value| container(json!({ "ports": [{ "containerPort": 8080 }, port] }));
    for port in [7600, 7601, 7602] {
        let words = format!("container app has port {port}");
        refuses(
            "port-taken",
            &words,
            with(json!({ "containerPort": port, "protocol": "TCP" })),
            with(json!({ "containerPort": 7603 })),
        );
        refuses(
            "port-taken",
            &words,
            with(json!({ "containerPort": port })),
            with(json!({ "containerPort": port, "protocol": "UDP" })),
        );
    }
    let initial = |port: u16| {
        json!({ "spec": { "initContainers": [{
        "name": "proxy", "image": "x", "restartPolicy": "Always", "ports": [{ "containerPort": port }],
    }] } })
    };
    refuses(
        "port-taken",
        "container proxy has port 7601",
        initial(7601),
        initial(7610),
    );
}

#[test]
fn processes_that_could_read_the_sidecars() {
    let shared = |value: bool| json!({ "spec": { "shareProcessNamespace": value } });
    refuses(
        "process-namespace-shared",
        "remove it",
        shared(true),
        shared(false),
    );
}

#[test]
fn a_pod_of_the_nodes_own_that_asks_for_a_sidecar() {
    let asks = |field: &str, value: bool| {
        json!({
            "metadata": { "labels": { "mintage.dev/inject": "true" } },
            "spec": { field: value },
        })
    };
    for field in ["hostNetwork", "hostPID"] {
        refuses(
            "host-namespace",
            field,
            asks(field, true),
            asks(field, false),
        );
    }
}

#[test]
fn domains_that_are_not_the_tenants() {
    let domain = |name: &str| annotated("mintage.dev/domain", name);
    refuses(
        "domain-unknown",
        "tenant identity/acme has no domain",
        domain("globex.test"),
        domain("login.acme.test"),
    );
    refuses(
        "domain-unverified",
        "CustomDomain identity/new is not verified yet",
        domain("new.acme.test"),
        domain("acme.test"),
    );
}

/// A verified domain can be held by somebody else, who was there first.
#[test]
fn a_domain_that_is_held_by_somebody_else() {
    let wished = pod(annotated("mintage.dev/domain", "login.acme.test"));
    let mut snapshot = snapshot();
    let condition = |reason: &str, status: &str| {
        let object = json!({
            "apiVersion": "mintage.dev/v1alpha1",
            "kind": "CustomDomain",
            "metadata": { "name": "login", "namespace": "identity" },
            "spec": { "tenantRef": { "name": "acme" }, "domain": "login.acme.test" },
            "status": { "conditions": [{
                "type": "Ready", "status": status, "reason": reason, "message": "held by another/one",
                "lastTransitionTime": "2026-11-01T00:00:00Z",
            }] },
        });
        Arc::new(serde_json::from_value(object).unwrap())
    };
    let settings = Settings::default();
    Arc::make_mut(&mut snapshot.domains)
        .insert(name("identity/login"), condition("Served", "True"));
    injected(inject(&snapshot, &name("shop"), &wished, &settings));
    Arc::make_mut(&mut snapshot.domains)
        .insert(name("identity/login"), condition("Conflict", "False"));
    let refusal = refused(inject(&snapshot, &name("shop"), &wished, &settings));
    assert_eq!(refusal.code(), "domain-conflict");
    assert!(
        refusal.to_string().contains("held by another/one"),
        "{refusal}"
    );
}

#[test]
fn a_namespace_that_has_not_been_seen_is_a_refusal_that_passes() {
    let refusal = refused(inject(
        &snapshot(),
        &name("new"),
        &pod(json!({})),
        &Settings::default(),
    ));
    assert_eq!(refusal.code(), "namespace-unknown");
    assert!(refusal.is_passing());
    assert!(
        !refused(of_shop(
            json!({ "spec": { "shareProcessNamespace": true } })
        ))
        .is_passing()
    );
}

#[test]
fn what_is_not_a_pod() {
    for not in [
        json!({}),
        json!({ "metadata": {} }),
        json!({ "spec": { "containers": [] } }),
        json!({ "metadata": {}, "spec": { "containers": 1 } }),
        json!({ "metadata": { "labels": [] }, "spec": {} }),
        json!([]),
        json!("pod"),
        Value::Null,
    ] {
        let refusal = refused(inject(
            &snapshot(),
            &name("shop"),
            &not,
            &Settings::default(),
        ));
        assert_eq!(refusal.code(), "pod-malformed", "{not}");
    }
}

#[test]
fn an_account_whose_name_cannot_be_one() {
    let refusal = refused(of_shop(json!({ "spec": { "serviceAccountName": "a/b" } })));
    assert_eq!(refusal.code(), "service-account-invalid");
}
