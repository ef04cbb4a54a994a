//! A full disk under `SQLite`.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use mintage_sidecar::endpoint::store::{
    Begun, Digest, Error, Place, Redeemed, Rotated, Store, open,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};

use crate::records::{MANY, NOW, by, client, code, family, id, tenant, to};
use crate::skip::skip;

const NAME: &str = "disk::f10_a_full_disk_loses_nothing_and_recovers_by_itself";
const DISK: &str = "MINTAGE_STORE_DISK";

/// Mounts the disk where nobody else sees it, and does the test there.
const INSIDE: &str = "mount -t tmpfs -o size=1m tmpfs \"$1\" || exit 77; shift; exec \"$@\"";

#[tokio::test]
async fn f10_a_full_disk_loses_nothing_and_recovers_by_itself() -> Result<()> {
    if let Some(disk) = env::var_os(DISK) {
        return on_a_small_disk(Path::new(&disk)).await;
    }
    let dir = tempfile::tempdir()?;
    let run = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            INSIDE,
            "sh",
        ])
        .arg(dir.path())
        .arg(env::current_exe()?)
        .args(["--exact", NAME, "--nocapture"])
        .env(DISK, dir.path())
        .output();
    let run = match run {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return skip(NAME, "unshare(1) is not installed");
        }
        run => run?,
    };
    let said = String::from_utf8_lossy(&run.stderr);
    match run.status.code() {
        Some(0) => {
            let passed = String::from_utf8_lossy(&run.stdout).contains("1 passed");
            ensure!(passed, "nothing ran inside");
            Ok(())
        }
        Some(77) => skip(NAME, "no disk can be mounted here; root can"),
        _ if said.contains("unshare failed") => skip(NAME, "no disk can be mounted here; root can"),
        _ => panic!("{said}"),
    }
}

async fn on_a_small_disk(disk: &Path) -> Result<()> {
    let (path, filler) = (disk.join("store.db"), disk.join("filler"));
    let store = open(&Place::File(path.clone())).await?;
    let (shop, r1) = (client("shop"), Digest::of("r1"));
    let kept = Digest::of("kept");
    store.add_code(&tenant(), &kept, &code(id(1))).await?;
    store
        .begin_family(&tenant(), &family(id(2)), &r1, MANY)
        .await?;

    fill(&filler)?;
    // What has room in pages that are there may still be written; soon nothing is.
    let (mut added, mut unavailable) = (Vec::new(), 0);
    for number in 0..500 {
        let digest = Digest::of(&format!("code {number}"));
        let mut large = code(number_id(number));
        large.payload = "x".repeat(4000);
        match store.add_code(&tenant(), &digest, &large).await {
            Ok(()) => added.push(digest),
            Err(Error::Unavailable(_)) => unavailable += 1,
            Err(other) => return Err(other.into()),
        }
    }
    assert!(unavailable > 400, "{unavailable}");
    let begun = store
        .begin_family(&tenant(), &family(id(3)), &r1, MANY)
        .await;
    assert!(matches!(begun, Err(Error::Unavailable(_))), "{begun:?}");
    let redeemed = store.redeem_code(&tenant(), &kept, &shop, NOW).await;
    assert!(
        matches!(redeemed, Err(Error::Unavailable(_))),
        "{redeemed:?}"
    );
    let rotated = store
        .rotate(&tenant(), by(&shop, &id(2), &r1), to("r2"), NOW)
        .await;
    assert!(matches!(rotated, Err(Error::Unavailable(_))), "{rotated:?}");
    // Reading goes on.
    assert!(
        store
            .find_family(&tenant(), &id(2), &r1, NOW)
            .await?
            .is_some()
    );
    integrity(&path).await?;

    fs::remove_file(filler)?;
    recovered(&*store, &kept, &added).await?;
    store.close().await;
    integrity(&path).await
}

/// Nothing is half done: what failed can be done now, what succeeded is there, each once.
async fn recovered(store: &dyn Store, kept: &Digest, added: &[Digest]) -> Result<()> {
    let (shop, r1) = (client("shop"), Digest::of("r1"));
    for digest in added.iter().chain([kept]) {
        let redeemed = store.redeem_code(&tenant(), digest, &shop, NOW).await?;
        assert!(matches!(redeemed, Redeemed::Good { .. }), "{redeemed:?}");
        let redeemed = store.redeem_code(&tenant(), digest, &shop, NOW).await?;
        assert!(
            matches!(redeemed, Redeemed::Replayed { .. }),
            "{redeemed:?}"
        );
    }
    let rotated = store
        .rotate(&tenant(), by(&shop, &id(2), &r1), to("r2"), NOW)
        .await?;
    assert!(matches!(rotated, Rotated::Good(_)), "{rotated:?}");
    assert_eq!(store.find_family(&tenant(), &id(3), &r1, NOW).await?, None);
    let begun = store
        .begin_family(&tenant(), &family(id(3)), &r1, MANY)
        .await?;
    assert_eq!(begun, Begun::Kept { dropped: 0 });
    Ok(())
}

fn number_id(number: u16) -> mintage_sidecar::endpoint::store::FamilyId {
    let mut bytes = [9; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

/// Takes all the room that is left.
fn fill(filler: &PathBuf) -> Result<()> {
    let mut filler = File::create(filler)?;
    for piece in [4096, 1] {
        loop {
            match filler.write_all(&vec![b'x'; piece]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

async fn integrity(path: &Path) -> Result<()> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
    let row = sqlx::query("PRAGMA integrity_check")
        .fetch_one(&mut connection)
        .await?;
    assert_eq!(row.try_get::<String, _>(0)?, "ok");
    Ok(())
}
