//! The operator at the size of the design's section 8, on a real control plane: `cargo xtask bench operator` runs this
//! with the release operator. Progress goes to standard error, the table to standard output.
//!
//! ```text
//!  load ──► start ──► converge ──► steady ──► 100 changes ──► restart
//!             └── time, writes, memory ──┴── latency ──┴── keys before = after
//! ```

mod figures;
mod load;
mod traffic;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use figures::Figures;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use load::Size;
use mintage_crds::ApiAudience;
use mintage_crds::status::{READY, find};
use mintage_tests::cluster::{ControlPlane, Options as Cluster};
use mintage_tests::managed;
use mintage_tests::memory::Memory;
use mintage_tests::operator::{self, Operator, Options};
use tokio::time::Instant;
use traffic::Traffic;

/// Often enough for several in the time that nothing may be written.
const RESYNC_SECONDS: &str = "10";

/// How long nothing may be written.
const STEADY: Duration = Duration::from_secs(35);

/// How many changes are timed.
const CHANGES: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let quick = std::env::args().any(|word| word == "--quick");
    let size = if quick { Size::TENTH } else { Size::FULL };
    // No controllers: nobody needs what they make, and they would take the operator's time.
    let options = Cluster {
        controllers: false,
        ..Cluster::default()
    };
    let plane = ControlPlane::start(options).await?;
    let plane = plane.map_err(|reason| anyhow!("there is no control plane: {reason}"))?;
    let kubeconfig = operator::install_account(&plane).await?;
    let client = plane.admin().await?;

    say(&format!("loading {size}"))?;
    load::load(&client, size).await?;

    say("converging")?;
    let options = Options::with(&["--resync-seconds", RESYNC_SECONDS]);
    let traffic = Traffic::new(&plane);
    let begun = Instant::now();
    let mut operator = Operator::start(&kubeconfig, plane.folder(), &options)?;
    operator.ready().await?;
    operator.leads().await?;
    let converging = traffic.until_silent().await?;
    let converged = converging.until_last(begun)?;
    ready(&client, size).await?;
    let peak = Memory::of(&operator)?.peak;

    say("steady")?;
    let traffic = Traffic::new(&plane);
    tokio::time::sleep(STEADY).await;
    let steady = traffic.writes()?;
    let memory = Memory::of(&operator)?.resident;

    say("changes")?;
    let changes = load::changes(&client, size, CHANGES).await?;
    let peak = peak.max(Memory::of(&operator)?.peak);

    say("restart")?;
    let traffic = Traffic::new(&plane);
    traffic.until_silent().await?;
    let before = managed::private_keys(&client).await?;
    operator.terminate().await?;
    let traffic = Traffic::new(&plane);
    let mut operator = Operator::start(&kubeconfig, plane.folder(), &options)?;
    operator.ready().await?;
    operator.leads().await?;
    let restart = traffic.until_silent().await?;
    let after = managed::private_keys(&client).await?;
    let peak = peak.max(Memory::of(&operator)?.peak);

    let figures = Figures {
        size,
        converged,
        converging,
        steady,
        changes,
        restart,
        same_keys: before == after,
        keys: after.values().map(BTreeSet::len).sum(),
        peak,
        resident: memory,
    };
    std::io::stdout().write_all(figures.render().as_bytes())?;
    ensure!(
        figures.are_sound(),
        "a bound that no machine excuses is broken, see the table"
    );
    Ok(())
}

/// Fails unless every API is ready.
async fn ready(client: &Client, size: Size) -> Result<()> {
    let api: Api<ApiAudience> = Api::all(client.clone());
    let mut count = 0;
    for audience in api.list(&ListParams::default()).await? {
        let status = audience.status.clone().context("no status")?;
        let ready = find(&status.conditions, READY).context("no Ready")?;
        ensure!(
            ready.status == "True" && status.observed_generation == audience.metadata.generation,
            "{}: {ready:?}",
            audience.name_any()
        );
        count += 1;
    }
    ensure!(count == size.audiences(), "there are {count}");
    Ok(())
}

fn say(what: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "{what}").map_err(Into::into)
}
