//! What `cargo xtask up` and `cargo xtask e2e` start of this package.
//!
//! | arguments | does |
//! |---|---|
//! | `up <folder>` | starts a cluster with Mintage and the quickstart's apps; a kubeconfig and the tools are put into the folder. With the variable [`KUBECONFIG`] it installs them in the cluster that is there |
//! | `images <folder>` | writes the images that a cluster needs which is not started here, and says where |

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use mintage_tests::bare::Bare;
use mintage_tests::cluster::{Cluster, MASTERS, command_line};
use mintage_tests::release::{self, Images};
use mintage_tests::stage::KUBECONFIG;
use tokio::signal::unix::{SignalKind, signal};

/// How what to type next begins where the cluster was there before.
const LEFT: &str = "Mintage stays in this cluster. What takes it away again:

  helm uninstall mintage -n mintage-system
  helm uninstall mintage-crds
  kubectl delete namespace shop orders payments identity mintage-system
";

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

/// In a cluster that is there; else until it is dropped: the cluster that was started ends with its value.
async fn run(folder: &Path) -> Result<()> {
    if let Some(file) = env::var_os(KUBECONFIG) {
        furnish(&Cluster::given(file.as_ref())?).await?;
        return next(LEFT);
    }
    say("starting the cluster")?;
    let images = Images::find()?;
    let bare = Bare::start(&images.made, &images.archives).await?;
    let bare = bare.map_err(|reason| anyhow!("no cluster can be started here: {reason}"))?;
    let outcome = Box::pin(furnish(&bare.plane)).await;
    if outcome.is_err() {
        say(&bare.logs())?;
    }
    outcome?;
    next(&entrance(&bare, folder)?)?;
    std::future::pending().await
}

/// Installs Mintage and the quickstart with its apps.
async fn furnish(cluster: &Cluster) -> Result<()> {
    say("helm install --wait")?;
    release::install(cluster).await?;
    say("kubectl apply -f examples/quickstart -f examples/calls")?;
    release::apply(cluster, false).await
}

/// Puts into a folder what it takes to get at the cluster; how to use it.
fn entrance(bare: &Bare, folder: &Path) -> Result<String> {
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
    Ok(format!(
        "The cluster runs until Ctrl-C here. In another terminal:\n\n  \
         export KUBECONFIG={}\n  \
         export PATH={}:$PATH       # kubectl and helm\n",
        kubeconfig.display(),
        bin.display()
    ))
}

/// What to type next.
fn next(beginning: &str) -> Result<()> {
    let text = include_str!("next.txt").replace("BEGINNING", beginning);
    Ok(say(&text)?)
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}
