//! Prepares what the tests of `tests/browser` drive a browser with, beside the browser itself.

use super::clients::{Client, node};
use super::packages;
use super::tools::Tools;
use crate::place::{Place, text};

/// Prepares all of it; what cannot be prepared holds the reason.
pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let driver = packages::find("chromedriver", "chromium-driver");
    Ok(vec![
        Client::prepare("axe", "browser/node", &tools.node, axe)?,
        Client::found("certutil", packages::find("certutil", "libnss3-tools"))?,
        Client::found("chromedriver", driver)?,
    ])
}

/// Not a program but a script, which the driver runs in the browser.
fn axe(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    node::prepare(place, version)?;
    Ok(vec![text(
        &place.cache.join("node_modules/axe-core/axe.min.js"),
    )?])
}
