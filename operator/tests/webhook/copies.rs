//! Pods that are looked at again: in the same request, after others changed them; or copied, and older.

use mintage_operator::inject::{Outcome, Settings, inject};
use serde_json::{Value, json};

use crate::cluster::{env, injected, name, pod, snapshot};

fn again(pod: &Value, settings: &Settings) -> Outcome {
    inject(&snapshot(), &name("shop"), pod, settings)
}

fn first(changes: Value) -> Value {
    injected(again(&pod(changes), &Settings::default())).pod
}

fn unchanged(pod: &Value) {
    let outcome = again(pod, &Settings::default());
    assert_eq!(
        outcome,
        Outcome::Unchanged {
            warnings: Vec::new()
        }
    );
}

#[test]
fn a_second_look_changes_nothing() {
    unchanged(&first(json!({})));
    unchanged(&first(
        json!({ "spec": { "initContainers": [{ "name": "migrate", "image": "x" }] } }),
    ));
    unchanged(&first(
        json!({ "spec": { "containers": [{ "name": "app", "image": "x", "env": [
        { "name": "MINTAGE_ISSUER", "value": "own" },
    ] }] } }),
    ));
    let domain =
        json!({ "metadata": { "annotations": { "mintage.dev/domain": "login.acme.test" } } });
    unchanged(&first(domain));
}

/// The API server's own plugins see the sidecar on their second turn, too.
#[test]
fn what_the_api_server_adds_to_any_container_is_left() {
    let mut pod = first(json!({}));
    let sidecar = &mut pod["spec"]["initContainers"][0];
    let token = json!({ "name": "kube-api-access-x", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" });
    sidecar["volumeMounts"].as_array_mut().unwrap().push(token);
    sidecar["resources"]["limits"]["cpu"] = json!("500m");
    sidecar["resources"]["requests"]["memory"] = json!("20Mi");
    pod["spec"]["volumes"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({ "name": "kube-api-access-x" }));
    unchanged(&pod);
}

/// Other webhooks have sidecars of their own, which want to be first, too.
#[test]
fn others_may_put_themselves_first() {
    let mut pod = first(json!({}));
    let other = json!({ "name": "istio-proxy", "image": "x", "restartPolicy": "Always" });
    pod["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .insert(0, other);
    let pod = injected(again(&pod, &Settings::default())).pod;
    let initial = pod["spec"]["initContainers"].as_array().unwrap();
    assert_eq!(initial[0]["name"], "istio-proxy");
    assert!(
        env(&initial[0]).contains_key("MINTAGE_URL"),
        "it is told, too"
    );
    assert_eq!(initial[1]["name"], "mintage-sidecar");
    unchanged(&pod);
}

/// Another account, given by a later webhook, is another identity.
#[test]
fn an_account_that_was_changed_since_is_taken_up() {
    let mut pod = first(json!({}));
    pod["spec"]["serviceAccountName"] = json!("other");
    let pod = injected(again(&pod, &Settings::default())).pod;
    assert_eq!(
        env(&pod["spec"]["initContainers"][0])["MINTAGE_WORKLOAD"],
        "shop/other"
    );
    assert_eq!(pod["spec"]["initContainers"].as_array().unwrap().len(), 1);
    unchanged(&pod);
}

/// A pod of an older operator, with other settings and another tenant, copied with all that it got.
#[test]
fn a_copy_of_an_older_pod_gets_what_is_current() {
    let older = Settings {
        image: "sidecar:0".to_owned(),
        uid: 99,
        ..serde_json::from_value(json!({ "ports": { "workloadApi": 8600 } })).unwrap()
    };
    let own = json!({ "spec": {
        "initContainers": [{ "name": "migrate", "image": "x" }],
        "containers": [
            { "name": "app", "image": "x" },
            { "name": "own", "image": "x", "env": [{ "name": "MINTAGE_URL", "value": "http://own" }] },
        ],
    } });
    let elsewhere = pod(own.clone());
    let mut copy = injected(inject(&snapshot(), &name("named"), &elsewhere, &older)).pod;
    assert_eq!(
        env(&copy["spec"]["containers"][0])["MINTAGE_ISSUER"],
        "https://globex.test/"
    );
    copy["metadata"]["namespace"] = json!("named");

    let pod = injected(again(&copy, &Settings::default())).pod;
    let fresh = first(own);
    for place in [
        "/spec/initContainers",
        "/spec/volumes",
        "/spec/containers",
        "/metadata/labels",
        "/metadata/annotations",
    ] {
        assert_eq!(pod.pointer(place), fresh.pointer(place), "{place}");
    }
    unchanged(&pod);
}

#[test]
fn a_wish_that_changed_since_is_taken_up() {
    let mut pod = first(json!({}));
    pod["metadata"]["annotations"]["mintage.dev/domain"] = json!("login.acme.test");
    let pod = injected(again(&pod, &Settings::default())).pod;
    assert_eq!(
        env(&pod["spec"]["containers"][0])["MINTAGE_ISSUER"],
        "https://login.acme.test/"
    );
    assert_eq!(
        env(&pod["spec"]["initContainers"][0])["MINTAGE_DOMAIN"],
        "login.acme.test"
    );
    let expected = first(
        json!({ "metadata": { "annotations": { "mintage.dev/domain": "login.acme.test" } } }),
    );
    assert_eq!(pod, expected);
}

#[test]
fn a_copy_that_opts_out_is_left_as_it_is() {
    let mut pod = first(json!({}));
    pod["metadata"]["labels"]["mintage.dev/inject"] = json!("false");
    let outcome = again(&pod, &Settings::default());
    assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
}
