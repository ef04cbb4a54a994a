//! Whatever pod it is: what is the app's stays as it was, but for variables that are added.

use mintage_operator::inject::{CONTAINER, Outcome, Settings, VOLUME, inject};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::cluster::{name, snapshot};

const ENV: [&str; 5] = [
    "MINTAGE_URL",
    "MINTAGE_TOKEN_ENDPOINT",
    "MINTAGE_INTROSPECTION_ENDPOINT",
    "MINTAGE_JWKS_URI",
    "MINTAGE_ISSUER",
];

fn variable() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "A",
        "B",
        "PATH",
        "MINTAGE_URL",
        "MINTAGE_ISSUER",
        "MINTAGE_X",
    ]);
    (names, "[a-z$()]{0,6}").prop_map(|(name, value)| json!({ "name": name, "value": value }))
}

fn container() -> impl Strategy<Value = Value> {
    let env = prop::option::of(vec(variable(), 0..5));
    let restart = prop::option::of(Just("Always"));
    ("[a-z]{1,8}", env, restart, 1000_u16..9000).prop_map(|(name, env, restart, port)| {
        let mut container =
            json!({ "name": name, "image": "x", "ports": [{ "containerPort": port }] });
        if let Some(env) = env {
            container["env"] = json!(env);
        }
        if let Some(restart) = restart {
            container["restartPolicy"] = json!(restart);
        }
        container
    })
}

fn map() -> impl Strategy<Value = Option<Map<String, Value>>> {
    let pairs = vec(("[a-z]{1,5}(/[a-z~]{1,5})?", "[a-z]{0,5}"), 0..4);
    let map = pairs.prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect()
    });
    prop::option::of(map)
}

fn any_pod() -> impl Strategy<Value = Value> {
    let initial = prop::option::of(vec(container(), 0..3));
    let volumes = prop::option::of(vec("[a-z]{1,6}", 0..3));
    (map(), map(), vec(container(), 1..4), initial, volumes).prop_map(
        |(labels, annotations, containers, initial, volumes)| {
            let mut pod =
                json!({ "metadata": { "name": "x" }, "spec": { "containers": containers } });
            if let Some(labels) = labels {
                pod["metadata"]["labels"] = json!(labels);
            }
            if let Some(annotations) = annotations {
                pod["metadata"]["annotations"] = json!(annotations);
            }
            if let Some(initial) = initial {
                pod["spec"]["initContainers"] = json!(initial);
            }
            if let Some(volumes) = volumes {
                let volumes = volumes
                    .iter()
                    .map(|name| json!({ "name": name, "emptyDir": {} }));
                pod["spec"]["volumes"] = volumes.collect();
            }
            pod
        },
    )
}

/// The pod without what an injection adds.
fn without(mut pod: Value, original: &Value) -> Value {
    let drop_items = |items: &mut Value, name: &str| {
        items
            .as_array_mut()
            .unwrap()
            .retain(|item| item["name"] != name);
    };
    drop_items(&mut pod["spec"]["initContainers"], CONTAINER);
    drop_items(&mut pod["spec"]["volumes"], VOLUME);
    for containers in ["initContainers", "containers"] {
        let all = pod["spec"][containers].as_array_mut().unwrap();
        for (index, container) in all.iter_mut().enumerate() {
            let own = &original["spec"][containers][index]["env"];
            let own: Vec<_> = own.as_array().into_iter().flatten().collect();
            let sets = |name: &Value| own.iter().any(|one| one["name"] == *name);
            let env = container["env"].as_array_mut().unwrap();
            env.retain(|one| !ENV.iter().any(|ours| one["name"] == *ours) || sets(&one["name"]));
            if env.is_empty() && original["spec"][containers][index]["env"].is_null() {
                container.as_object_mut().unwrap().remove("env");
            }
        }
    }
    for (member, ours) in [
        ("labels", &["mintage.dev/injected"][..]),
        (
            "annotations",
            &[
                "mintage.dev/injection-hash",
                "mintage.dev/injected-tenant",
                "mintage.dev/injected-issuer",
            ],
        ),
    ] {
        let all = pod["metadata"][member].as_object_mut().unwrap();
        for name in ours {
            all.remove(*name).unwrap();
        }
    }
    // Lists and maps that were absent are empty now.
    for (parent, member) in [
        ("spec", "initContainers"),
        ("spec", "volumes"),
        ("metadata", "labels"),
        ("metadata", "annotations"),
    ] {
        if original[parent].get(member).is_none() {
            let left = pod[parent].as_object_mut().unwrap().remove(member).unwrap();
            assert!(left == json!([]) || left == json!({}), "{left}");
        }
    }
    pod
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_app_is_the_same_but_for_added_variables(pod in any_pod()) {
        let (snapshot, namespace, settings) = (snapshot(), name("shop"), Settings::default());
        let outcome = inject(&snapshot, &namespace, &pod, &settings);
        let injection = match outcome {
            Outcome::Injected(injection) => injection,
            Outcome::Refused(refusal) => {
                prop_assert_eq!(refusal.code(), "port-taken");
                return Ok(());
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(without(injection.pod.clone(), &pod), pod.clone());

        let mut patched = pod;
        json_patch::patch(&mut patched, &injection.patch).unwrap();
        prop_assert_eq!(&patched, &injection.pod);

        let again = inject(&snapshot, &namespace, &patched, &settings);
        prop_assert_eq!(again, Outcome::Unchanged { warnings: Vec::new() });
    }
}
