//! Who can read a namespace's keys in a pod.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use mintage_operator::inject::{CONTAINER, Settings};
use mintage_tests::node::of_process;
use serde_json::{Value, json};

use super::restricted::process;
use super::scene::{APP_USER, Scene};

/// Where a sidecar has its files.
const FOLDER: &str = "/var/run/mintage";

/// Where it has its keys.
const KEYS: &str = "/var/run/mintage/keyring.json";

/// The app looks for them in its own files, and in those of every process that it sees. Then we look as it would if it
/// saw the sidecar's process.
pub fn keys_are_out_of_the_apps_reach(scene: &Scene, pod: &Pod) -> Result<()> {
    let said = scene.said(pod)?;
    let looked = said.first().context("the app said nothing")?;
    // Its own process is all that it sees.
    let wanted = json!({
        "event": "looked",
        "user": APP_USER,
        "keys": "not there",
        "processes": [{ "command": "/pods-app serve", "keys": "not there" }],
    });
    ensure!(*looked == wanted, "the app said {looked}");

    let (sidecar, app) = (process(scene, pod, CONTAINER)?, process(scene, pod, "app")?);
    // The control: there they are, and the sidecar's user may read them.
    let uid = Settings::default().uid;
    let read = read_as(uid, sidecar)?;
    ensure!(read.status.success(), "as {uid}: {read:?}");
    let ring: Value = serde_json::from_slice(&read.stdout)?;
    ensure!(ring["keys"][0]["kid"].is_string(), "an empty keyring");
    // The app's user may not, for all that it knows where they are.
    let read = read_as(APP_USER, sidecar)?;
    let said = String::from_utf8_lossy(&read.stderr);
    ensure!(
        !read.status.success() && read.stdout.is_empty(),
        "the app's user read the keys"
    );
    ensure!(said.contains("Permission denied"), "{said}");
    // And in the app's container there is nothing to read, be one root.
    let found = fs::metadata(of_process(app, FOLDER));
    ensure!(
        found.is_err(),
        "the app's container has the sidecar's folder"
    );
    // The file system with the keys is mounted in the one and not in the other.
    let of_sidecar = mounts(sidecar)?;
    let keys = of_sidecar.iter().find(|mount| mount.place == FOLDER);
    let keys = keys.with_context(|| format!("the sidecar has only {of_sidecar:?}"))?;
    let shared = mounts(app)?
        .into_iter()
        .find(|mount| mount.device == keys.device);
    ensure!(shared.is_none(), "the app's container has {shared:?}");
    Ok(())
}

/// What a user gets who reads the keys through a process of the sidecar's.
fn read_as(user: u32, sidecar: u32) -> Result<Output> {
    let output = Command::new("cat")
        .arg(of_process(sidecar, KEYS))
        .env("LC_ALL", "C")
        .uid(user)
        .gid(user)
        .output();
    output.context("cannot start cat")
}

/// A file system in the sight of a process.
#[derive(Debug)]
struct Mount {
    device: String,
    place: String,
}

/// What `/proc/<process>/mountinfo` lists.
fn mounts(process: u32) -> Result<Vec<Mount>> {
    let text = fs::read_to_string(format!("/proc/{process}/mountinfo"))?;
    let mounts = text.lines().filter_map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        // Number, parent, device, root, place.
        let (device, place) = (words.nth(2)?, words.nth(1)?);
        Some(Mount { device, place })
    });
    Ok(mounts.collect())
}
