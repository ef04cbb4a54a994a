//! Prepares what the tests of `tests/browser` drive a browser with, beside the browser itself, and the applications that it
//! is led to.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::clients::{Client, node};
use super::packages;
use super::tools::Tools;
use crate::place::{Place, text};
use crate::workspace;

/// The example whose applications are run.
const EXAMPLE: &str = "examples/webapp";

/// What those applications need of Node's own names, which lies beside them.
const LOCALHOST: &str = "localhost.mjs";

/// Prepares all of it; what cannot be prepared holds the reason.
pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let driver = packages::find("chromedriver", "chromium-driver");
    let place = |folder: &str| {
        anyhow::Ok(Place {
            source: workspace::root().join(EXAMPLE).join(folder),
            cache: workspace::cache()?.join(EXAMPLE).join(folder),
        })
    };
    let (web, spa) = (place("web")?, place("spa")?);
    Ok(vec![
        Client::prepare("axe", "browser/node", &tools.node, axe)?,
        Client::found("certutil", packages::find("certutil", "libnss3-tools"))?,
        Client::found("chromedriver", driver)?,
        Client::prepare_at("webapp-web", &web, &tools.node, application)?,
        Client::prepare_at("webapp-spa", &spa, &tools.node, application)?,
    ])
}

/// Not a program but a script, which the driver runs in the browser.
fn axe(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    node::prepare(place, version)?;
    Ok(vec![text(
        &place.cache.join("node_modules/axe-core/axe.min.js"),
    )?])
}

/// An application of the example, copied beside its libraries.
fn application(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    node::install(place, version)?;
    copy(&place.source, &place.cache)?;
    let beside = |folder: &Path| folder.with_file_name(LOCALHOST);
    let names = beside(&place.cache);
    fs::copy(beside(&place.source), &names).with_context(|| names.display().to_string())?;
    Ok(vec![
        "node".into(),
        "--import".into(),
        text(&names)?,
        text(&place.cache.join("server.mjs"))?,
    ])
}

/// Copies a folder without what whoever tried the example installed there.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "node_modules" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            self::copy(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}
