//! The description and the router know the same routes and methods.

use std::collections::BTreeSet;
use std::sync::Arc;

use mintage_sidecar::clock::ManualClock;
use mintage_sidecar::routes::{App, workload_api};
use mintage_sidecar::state::Shared;

use crate::cluster::NOW;
use crate::description::{description, operations};
use crate::pod::{Pod, answer};

/// The paths of the router, which says them only in its debug text.
fn routed() -> BTreeSet<String> {
    let app = App {
        shared: Arc::new(Shared::new(Arc::new(ManualClock::at(NOW)))),
        metrics: Arc::default(),
        central: None,
        traces: None,
    };
    let text = format!("{:?}", workload_api(app));
    let quoted = text.split('"').skip(1).step_by(2);
    quoted
        .filter(|path| path.len() > 1 && path.starts_with('/') && !path.contains("__private"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_route_is_described_and_no_other() {
    let paths = description()["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(described, routed());
}

#[tokio::test]
async fn every_method_is_described_and_no_other() {
    let pod = Pod::orders();
    let described = operations();
    for path in routed() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let request = pod
                .client
                .request(method.parse().unwrap(), pod.url(&path))
                .header("content-type", "application/json");
            let found = answer(request).await;
            let operation = format!("{method} {path}");
            let is_described = described.contains(&*operation);
            assert_eq!(found.status != 405, is_described, "{operation}: {found:?}");
            if !is_described {
                let allowed = found.header("allow").split(", ");
                let allowed: BTreeSet<_> = allowed.filter(|one| *one != "HEAD").collect();
                let here = ["GET", "POST"].into_iter();
                let here = here.filter(|one| described.contains(&*format!("{one} {path}")));
                assert_eq!(allowed, here.collect(), "{operation}");
            }
        }
    }
}

#[test]
fn the_description_has_the_version_of_the_program() {
    assert_eq!(description()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_examples_fit_their_schemas() {
    let mut seen = 0;
    walk(description(), &mut |media| {
        let one = media.get("example").into_iter();
        let several = media.get("examples").and_then(|all| all.as_object());
        let several = several.into_iter().flat_map(|all| all.values());
        let schema = serde_json::json!({
            "allOf": [media["schema"]], "components": description()["components"],
        });
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for value in one.chain(several.map(example)) {
            seen += 1;
            assert!(validator.is_valid(value), "{value}");
        }
    });
    assert!(seen > 10, "{seen}");
}

/// Calls a function for everything that has a schema.
fn walk<'a>(value: &'a serde_json::Value, visit: &mut impl FnMut(&'a serde_json::Value)) {
    if value.get("schema").is_some() {
        visit(value);
    }
    let members = value.as_object().into_iter().flat_map(|all| all.values());
    let items = value.as_array().into_iter().flatten();
    members.chain(items).for_each(|inner| walk(inner, visit));
}

fn example(value: &serde_json::Value) -> &serde_json::Value {
    let found = match value["$ref"].as_str() {
        Some(reference) => description().pointer(reference.strip_prefix('#').unwrap()),
        None => Some(value),
    };
    &found.unwrap()["value"]
}
