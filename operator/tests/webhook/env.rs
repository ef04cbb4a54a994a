//! What the app's containers are told.

use serde_json::{Value, json};

use crate::cluster::{env, injected, of_shop};

const NAMES: [&str; 5] = [
    "MINTAGE_URL",
    "MINTAGE_TOKEN_ENDPOINT",
    "MINTAGE_INTROSPECTION_ENDPOINT",
    "MINTAGE_JWKS_URI",
    "MINTAGE_ISSUER",
];

#[test]
fn every_container_of_the_app_is_told_where_to_ask() {
    let pod = injected(of_shop(json!({ "spec": {
        "containers": [{ "name": "one", "image": "x" }, { "name": "two", "image": "x" }],
        "initContainers": [{ "name": "migrate", "image": "x" }],
    } })))
    .pod;
    let expected = [
        (
            "MINTAGE_INTROSPECTION_ENDPOINT",
            "http://127.0.0.1:7600/introspect",
        ),
        ("MINTAGE_ISSUER", "https://acme.test/"),
        (
            "MINTAGE_JWKS_URI",
            "http://127.0.0.1:7600/.well-known/jwks.json",
        ),
        (
            "MINTAGE_TOKEN_ENDPOINT",
            "http://127.0.0.1:7600/oauth/token",
        ),
        ("MINTAGE_URL", "http://127.0.0.1:7600"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for container in [
        &pod["spec"]["containers"][0],
        &pod["spec"]["containers"][1],
        &pod["spec"]["initContainers"][1],
    ] {
        assert_eq!(env(container), expected.clone().into(), "{container}");
    }
}

#[test]
fn the_issuer_is_the_domain_that_the_pod_names() {
    let domain =
        json!({ "metadata": { "annotations": { "mintage.dev/domain": "login.acme.test" } } });
    let pod = injected(of_shop(domain)).pod;
    assert_eq!(
        env(&pod["spec"]["containers"][0])["MINTAGE_ISSUER"],
        "https://login.acme.test/"
    );
}

/// The names of a container's variables, in their order.
fn names(own: Value) -> Vec<String> {
    let containers = json!([{ "name": "app", "image": "x", "env": own }]);
    let pod = injected(of_shop(json!({ "spec": { "containers": containers } }))).pod;
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn ours_come_first_so_that_the_apps_can_refer_to_them() {
    let own = json!([{ "name": "ORDERS_TOKEN_URL", "value": "$(MINTAGE_TOKEN_ENDPOINT)" }]);
    let mut expected = NAMES.to_vec();
    expected.push("ORDERS_TOKEN_URL");
    assert_eq!(names(own), expected);
}

#[test]
fn what_the_app_sets_itself_stands() {
    let own = json!([
        { "name": "A", "value": "b" },
        { "name": "MINTAGE_ISSUER", "value": "https://elsewhere.test/" },
        { "name": "MINTAGE_URL", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } },
    ]);
    let containers = json!([{ "name": "app", "image": "x", "env": own }]);
    let pod = injected(of_shop(json!({ "spec": { "containers": containers } }))).pod;
    let result = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(result[3..], own.as_array().unwrap()[..]);
    let ours: Vec<_> = result[..3]
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        ours,
        [
            "MINTAGE_TOKEN_ENDPOINT",
            "MINTAGE_INTROSPECTION_ENDPOINT",
            "MINTAGE_JWKS_URI"
        ]
    );
}

#[test]
fn the_sidecar_is_not_told_what_the_app_is() {
    let pod = injected(of_shop(json!({}))).pod;
    let of_sidecar = env(&pod["spec"]["initContainers"][0]);
    for name in NAMES {
        assert!(!of_sidecar.contains_key(name), "{name}");
    }
}
