//! Prepares what stands around a workload API in the tests of `tests/edge`: proxies, a browser, an `OpenAPI` tester.

use std::fs;

use anyhow::Context as _;

use super::clients::{self, Client, Place, text};
use super::packages;
use super::tools::Tools;

/// Prepares all of it; what cannot be prepared holds the reason.
pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let debian = |name, program: &str| {
        let found = packages::find(program).map(|path| vec![path]);
        Client::said(name, program, found)
    };
    Ok(vec![
        Client::prepare(
            "SCHEMATHESIS",
            "edge/schemathesis",
            &tools.python,
            schemathesis,
        )?,
        Client::prepare("CADDY", "edge/caddy", &tools.go, caddy)?,
        debian("NGINX", "nginx")?,
        debian("CHROMIUM", "chromium")?,
    ])
}

fn caddy(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    let command = clients::go(place, version)?;
    // More than a gigabyte, of no use once the program is there.
    for left in ["build", "modules"].map(|name| place.cache.join(name)) {
        if left.exists() {
            fs::remove_dir_all(&left).with_context(|| left.display().to_string())?;
        }
    }
    Ok(command)
}

fn schemathesis(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    let program = clients::venv(place, version)?.join("schemathesis");
    let settings = place.source.join("schemathesis.toml");
    Ok(vec![
        text(&program)?,
        "--config-file".into(),
        text(&settings)?,
    ])
}
