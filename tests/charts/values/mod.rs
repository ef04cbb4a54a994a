//! Every value does what its comment says.
//!
//! For each value there is one that is not the default, and a place where it is to be seen: with it the place shows it,
//! and without it the place does not.

mod cases;
mod signing_in;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::helm::{self, Objects, chart};
use cases::cases;

/// Where a value is to be seen.
enum Seen {
    /// At a pointer into an object, by kind and name.
    At(&'static str, &'static str, &'static str, Value),
    /// As an argument of the operator.
    Argument(&'static str),
    /// In that an object is there.
    There(&'static str, &'static str),
    /// In that an object is not there.
    Gone(&'static str, &'static str),
    /// As a part of what is at a pointer.
    Within(&'static str, &'static str, &'static str, &'static str),
}

/// A value, what else it takes for it to be seen, and where it is seen.
struct Case {
    path: &'static str,
    value: Value,
    beside: Value,
    seen: Seen,
}

impl Seen {
    fn is_in(&self, objects: &Objects) -> Result<bool> {
        let at = |kind, name, pointer: &str| {
            let object = objects.get(kind, name);
            object.and_then(|object| object.pointer(pointer)).cloned()
        };
        Ok(match self {
            Self::At(kind, name, pointer, expected) => {
                at(kind, name, pointer).as_ref() == Some(expected)
            }
            Self::Within(kind, name, pointer, expected) => {
                let found = at(kind, name, pointer);
                found.is_some_and(|found| found.to_string().contains(expected))
            }
            Self::Argument(argument) => objects.operator_arguments()?.contains(argument),
            Self::There(kind, name) => objects.get(kind, name).is_some(),
            Self::Gone(kind, name) => objects.get(kind, name).is_none(),
        })
    }
}

/// `set` at `path`, with dots between keys, on top of values.
fn with(values: &Value, path: &str, set: &Value) -> Value {
    let mut values = values.clone();
    let mut place = &mut values;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = set.clone();
    values
}

/// The paths of all values in a file, without those of the maps that hold them.
fn paths(prefix: &str, values: &Value, found: &mut BTreeSet<String>) {
    for (key, value) in values.as_object().into_iter().flatten() {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        // A map on one line is one value: those of the file that are not empty.
        let whole = ["dashboard.labels", "nodeSelector", "resources"].contains(&&*path);
        match value.as_object() {
            Some(map) if !map.is_empty() && !whole => paths(&path, value, found),
            _ => {
                found.insert(path);
            }
        }
    }
}

#[test]
fn every_value_is_tested_here() -> Result<()> {
    let text = std::fs::read_to_string(chart("mintage").join("values.yaml"))?;
    let mut expected = BTreeSet::new();
    paths("", &serde_yaml::from_str(&text)?, &mut expected);
    let tested: BTreeSet<String> = cases().iter().map(|case| case.path.to_owned()).collect();
    assert_eq!(tested, expected);
    Ok(())
}

#[test]
fn every_value_is_seen_where_it_belongs() -> Result<()> {
    let Some(helm) = helm::find("values::every_value_is_seen_where_it_belongs")? else {
        return Ok(());
    };
    for Case {
        path,
        value,
        beside,
        seen,
    } in cases()
    {
        let without = helm.render(&beside)?;
        ensure!(!seen.is_in(&without)?, "{path} is seen where it is not set");
        let set = with(&beside, path, &value);
        let objects = helm.render(&set)?;
        ensure!(seen.is_in(&objects)?, "{path} is not seen: {set}");
    }
    Ok(())
}

/// Null takes a default away.
#[test]
fn the_platform_may_choose_the_user() -> Result<()> {
    let Some(helm) = helm::find("values::the_platform_may_choose_the_user")? else {
        return Ok(());
    };
    let objects = helm.render(&json!({ "runAsUser": null }))?;
    for (whose, pod) in objects.pods() {
        let context = pod["spec"]["securityContext"].as_object().unwrap();
        assert!(context["runAsNonRoot"] == true, "{whose}");
        for number in ["runAsUser", "runAsGroup", "fsGroup"] {
            assert!(!context.contains_key(number), "{whose}: {number}");
        }
    }
    Ok(())
}

#[test]
fn without_a_rule_nothing_is_closed_to_the_operator() -> Result<()> {
    let Some(helm) = helm::find("values::without_a_rule_nothing_is_closed_to_the_operator")? else {
        return Ok(());
    };
    let open = helm.render(&json!({}))?;
    let policy = &open.one("NetworkPolicy", "mintage")?["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress"]));
    assert!(policy["egress"].is_null());
    let closed =
        helm.render(&json!({ "networkPolicy": { "egress": [{ "ports": [{ "port": 443 }] }] } }))?;
    let policy = &closed.one("NetworkPolicy", "mintage")?["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    // Names must be looked up whatever else is allowed.
    let dns = &policy["egress"][0]["ports"];
    assert_eq!(
        *dns,
        json!([{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }])
    );
    Ok(())
}
