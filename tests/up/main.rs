//! What `cargo xtask up` and `cargo xtask e2e` start of this package.
//!
//! | arguments | does |
//! |---|---|
//! | `up <folder>` | starts a cluster with Mintage and the quickstart's apps; a kubeconfig and the tools are put into the folder |
//! | `images <folder>` | writes the images that a cluster needs which is not started here, and says where |

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use mintage_tests::bare::Bare;
use mintage_tests::cluster::{MASTERS, command_line};
use mintage_tests::release::{self, Images};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["up", folder] => up(Path::new(folder)).await,
        ["images", folder] => {
            let folder = Path::new(folder);
            fs::create_dir_all(folder)?;
            for archive in Images::find()?.write(folder)? {
                say(&archive.display().to_string())?;
            }
            Ok(())
        }
        _ => bail!("up <folder> or images <folder>"),
    }
}

async fn up(folder: &Path) -> Result<()> {
    let mut ended = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    tokio::select! {
        outcome = run(folder) => outcome,
        _ = ended.0.recv() => Ok(()),
        _ = ended.1.recv() => Ok(()),
    }
}

/// Until it is dropped: the cluster ends with its value.
async fn run(folder: &Path) -> Result<()> {
    say("starting the cluster")?;
    let images = Images::find()?;
    let bare = Bare::start(&images.made, &images.archives).await?;
    let bare = bare.map_err(|reason| anyhow!("no cluster can be started here: {reason}"))?;
    let outcome = Box::pin(furnish(&bare, folder)).await;
    if outcome.is_err() {
        say(&bare.logs())?;
    }
    outcome?;
    std::future::pending().await
}

async fn furnish(bare: &Bare, folder: &Path) -> Result<()> {
    say("helm install --wait")?;
    release::install(&bare.plane).await?;
    say("kubectl apply -f examples/quickstart -f examples/calls")?;
    release::apply(&bare.plane, false).await?;

    fs::create_dir_all(folder)?;
    let kubeconfig = folder.join("kubeconfig");
    let text = fs::read_to_string(bare.plane.kubeconfig("admin", &[MASTERS])?)?;
    // Whoever reads it is the cluster's admin.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&kubeconfig)?;
    file.write_all(text.as_bytes())?;
    let bin = folder.join("bin");
    fs::create_dir_all(&bin)?;
    for tool in ["helm", "kubectl"] {
        let words = command_line(tool)?.map_err(|reason| anyhow!("{tool}: {reason}"))?;
        let link = bin.join(tool);
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        symlink(words.first().context("an empty command line")?, link)?;
    }
    let text = include_str!("next.txt")
        .replace("KUBECONFIG_FILE", &kubeconfig.display().to_string())
        .replace("BIN_FOLDER", &bin.display().to_string());
    say(&text)?;
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}
