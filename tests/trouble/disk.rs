//! `mintage dev` with its state folder on a full disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::{Dev, eventually};
use mintage_tests::disk::Disk;
use mintage_tests::quickstart;
use mintage_tests::skip::skip;

const ORDERS: &str = "https://orders.example.com";
const FULL: &str = "No space left on device";
const MEND: &str = "free some space there, or choose another folder with --state-dir";

/// The files of a folder and those below.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.push(path);
        }
    }
    Ok(all)
}

/// Every file can be read as what it is, and none is left half-written.
fn is_whole(state: &Path) -> Result<()> {
    for file in files(state)? {
        let extension = file.extension().and_then(|extension| extension.to_str());
        ensure!(extension != Some("new"), "{} was left", file.display());
        let text = fs::read_to_string(&file)?;
        if extension == Some("json") {
            let _: serde_json::Value =
                serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_first_start_on_a_full_disk_says_what_to_do() -> Result<()> {
    // From a disk on which nothing fits to one on which all but the last files do.
    for size in ["4k", "16k", "24k", "36k"] {
        let disk = match Disk::mount(size)? {
            Ok(disk) => disk,
            Err(reason) => {
                return skip(
                    "disk::a_first_start_on_a_full_disk_says_what_to_do",
                    &reason,
                );
            }
        };
        let Err(error) = Dev::start_on(&disk, &quickstart(), &[]).await else {
            anyhow::bail!("it started on {size}");
        };
        let said = format!("{error:#}");
        ensure!(said.contains(FULL), "{size}: {said}");
        ensure!(
            said.contains(MEND) || said.contains("choose another folder with --state-dir"),
            "{size}: {said}"
        );
        is_whole(&disk.seen())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_disk_that_fills_up_stops_nothing_but_changes() -> Result<()> {
    let disk = match Disk::mount("1m")? {
        Ok(disk) => disk,
        Err(reason) => {
            return skip(
                "disk::a_disk_that_fills_up_stops_nothing_but_changes",
                &reason,
            );
        }
    };
    let mut dev =
        Dev::start_on(&disk, &quickstart(), &["--also", "orders/api=127.0.0.1:0"]).await?;
    let state = dev.state.join("state.json");
    let before = fs::read(&state)?;
    disk.fill()?;
    // Another API needs another state, and another algorithm other keys.
    dev.edit("orders.yaml", |text| {
        text.replace("displayName: Orders", "signingAlgorithm: ES256")
    })?;
    eventually("it says that the disk is full", async || {
        let said = dev.log()?;
        Ok((said.contains(FULL) && said.contains(MEND)).then_some(()))
    })
    .await?;
    ensure!(dev.log()?.contains("the last good state stays"));
    let token = dev.token(0, ORDERS).await?;
    ensure!(dev.validate(1, &token).await?.0 == 200);
    ensure!(fs::read(&state)? == before, "the state has changed");
    is_whole(&dev.state)?;

    disk.free()?;
    eventually("the change is taken up", async || {
        Ok(dev
            .log()?
            .contains("the manifests are taken up")
            .then_some(()))
    })
    .await?;
    ensure!(fs::read(&state)? != before, "the state has not changed");
    is_whole(&dev.state)?;
    ensure!(dev.validate(1, &token).await?.0 == 200);
    let after = dev.token(0, ORDERS).await?;
    ensure!(dev.validate(1, &after).await?.0 == 200);
    ensure!(dev.stop().await? == 0);
    Ok(())
}
