//! A cluster of the user's own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::process;

/// The most images that a kubelet tells of, unless told otherwise.
const MOST: usize = 50;

/// Writes the current context alone into a file of a folder; its path.
pub fn kubeconfig(folder: &Path) -> Result<PathBuf> {
    let mut view = Command::new("kubectl");
    view.args(["config", "view", "--minify", "--flatten", "--raw"]);
    let text = process::read(&mut view)
        .context("kubectl has no current context: `kubectl config use-context` chooses one")?;
    let file = folder.join("kubeconfig");
    // Whoever reads it is that user.
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)?;
    out.write_all(text.as_bytes())?;
    Ok(file)
}

/// Makes sure that each node has the images of some archives, or says which to load.
pub fn has_images(kubeconfig: &Path, archives: &[PathBuf]) -> Result<()> {
    let names = archives
        .iter()
        .map(|archive| name(archive))
        .collect::<Result<Vec<_>>>()?;
    let mut nodes = Command::new("kubectl");
    nodes
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["get", "nodes", "--output", "json"]);
    let nodes: Value = serde_json::from_str(&process::read(&mut nodes)?)?;
    let missing = missing(&nodes, &names);
    if missing.is_empty() {
        return Ok(());
    }
    let load = archives
        .iter()
        .map(|archive| format!("  kind load image-archive {}", archive.display()));
    bail!(
        "nodes lack images:\n{}\nload these archives, by `kind load image-archive` or whatever the cluster has for it, and run it again:\n{}",
        missing.join("\n"),
        load.collect::<Vec<_>>().join("\n")
    );
}

/// Which node lacks which of some images, a line each.
fn missing(nodes: &Value, names: &[String]) -> Vec<String> {
    let mut missing = Vec::new();
    for node in nodes["items"].as_array().into_iter().flatten() {
        let images = node["status"]["images"].as_array();
        let images = images.map_or(&[][..], Vec::as_slice);
        // It does not tell of all: what pods say will have to do.
        if images.len() >= MOST {
            continue;
        }
        let known = images
            .iter()
            .flat_map(|image| image["names"].as_array().into_iter().flatten());
        let known: Vec<&str> = known.filter_map(Value::as_str).collect();
        let node = node["metadata"]["name"].as_str().unwrap_or_default();
        let lacks = names.iter().filter(|name| !known.contains(&name.as_str()));
        missing.extend(lacks.map(|name| format!("  {node} lacks {name}")));
    }
    missing
}

/// What the image in an archive is called.
fn name(archive: &Path) -> Result<String> {
    let mut tar = Command::new("tar");
    tar.arg("--extract")
        .arg("--to-stdout")
        .arg("--file")
        .arg(archive)
        .arg("manifest.json");
    let manifest: Value = serde_json::from_str(&process::read(&mut tar)?)?;
    let name = manifest[0]["RepoTags"][0].as_str();
    let name = name.with_context(|| format!("{} has no name", archive.display()))?;
    ensure!(!name.is_empty(), "{} has an empty name", archive.display());
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_that_lacks_an_image_is_named() {
        let node = |name: &str, images: &[&str]| {
            let images: Vec<Value> = images
                .iter()
                .map(|name| json!({ "names": [name] }))
                .collect();
            json!({ "metadata": { "name": name }, "status": { "images": images } })
        };
        let nodes = json!({ "items": [node("one", &["a:1", "b:1"]), node("two", &["a:1"])] });
        let names = ["a:1", "b:1"].map(str::to_owned);
        assert_eq!(missing(&nodes, &names), ["  two lacks b:1"]);
    }

    #[test]
    fn a_node_that_does_not_tell_of_all_its_images_passes() {
        let images: Vec<Value> = (0..MOST)
            .map(|n| json!({ "names": [format!("{n}:1")] }))
            .collect();
        let nodes =
            json!({ "items": [{ "metadata": { "name": "one" }, "status": { "images": images } }] });
        assert!(missing(&nodes, &["a:1".to_owned()]).is_empty());
    }
}
