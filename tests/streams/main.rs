//! Many sidecars at the operator's stream, on a real control plane: `cargo xtask bench streams` runs this with the release
//! operator. Each is the sidecar's own client with the token of a pod of its own; pods are there on paper, as no node is
//! needed to follow. Progress goes to standard error, the table to standard output.
//!
//! ```text
//!  pods, tokens ──► all connect ──► all have acknowledged ──► a key is revoked ──► the last has heard
//!                      └── time, memory for each ──────────────────┴── time
//! ```

mod fleet;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use fleet::{Fleet, TENANT};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use mintage_crds::Tenant;
use mintage_tests::cluster::{ControlPlane, Options as Cluster, free_port, within};
use mintage_tests::memory::Memory;
use mintage_tests::operator::{self, Operator, Options};
use mintage_tests::permissions::WEBHOOK;
use serde_json::json;
use tokio::time::Instant;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::main]
async fn main() -> Result<()> {
    mintage_sidecar::descriptors::connections(1, 10_000);
    let quick = std::env::args().any(|word| word == "--quick");
    let pods = if quick { 200 } else { 5000 };
    let options = Cluster {
        controllers: false,
        ..Cluster::default()
    };
    let plane = ControlPlane::start(options).await?;
    let plane = plane.map_err(|reason| anyhow!("there is no control plane: {reason}"))?;
    let kubeconfig = operator::install_account(&plane).await?;
    let client = plane.admin().await?;
    let feed = format!("127.0.0.1:{}", free_port()?);
    let webhook = format!("127.0.0.1:{}", free_port()?);
    fleet::webhook(&client).await?;
    let options = Options::with(&[
        "--webhook-listen",
        &webhook,
        "--webhook-host",
        "127.0.0.1",
        "--webhook-configuration",
        WEBHOOK,
        "--feed-listen",
        &feed,
        "--feed-address",
        &feed,
    ]);

    say(&format!("making {pods} pods and their tokens"))?;
    let mut fleet = Fleet::make(&client, pods, plane.folder()).await?;
    let mut operator = Operator::start(&kubeconfig, plane.folder(), &options)?;
    operator.ready().await?;
    operator.leads().await?;
    fleet.read_bundles(&client).await?;
    let before = Memory::of(&operator)?.resident;

    say("connecting")?;
    let begun = Instant::now();
    fleet.follow();
    let known = acknowledged(&client, pods).await?;
    let connected = begun.elapsed();
    let after = Memory::of(&operator)?.resident;
    let streams = operator.metric("mintage_operator_feed_streams").await?;
    ensure!(
        streams.is_some_and(|streams| format!("{streams}") == format!("{pods}")),
        "{streams:?} streams"
    );

    say("revoking the tenant's key")?;
    let kid = fleet
        .tenant_kid()
        .context("the bundle has no key of the tenant")?;
    let patch = json!({"metadata": {"annotations": {"mintage.dev/revoke-key": kid}}});
    let tenants: Api<Tenant> = Api::namespaced(client.clone(), "identity");
    let asked = Instant::now();
    let params = PatchParams::default();
    tenants
        .patch("acme", &params, &Patch::Merge(&patch))
        .await?;
    let times = fleet.heard(&kid, asked, PATIENCE).await?;
    within(PATIENCE, "the status says so", async || {
        let now = propagation(&client).await?;
        ensure!(
            now.version > known && now.acknowledged == now.pods,
            "{now:?}"
        );
        Ok(())
    })
    .await?;

    let each = (after.saturating_sub(before)) * 1024 / pods as u64;
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_millis();
    let table = format!(
        "\n| sidecars at the stream | measured |\n|---|---|\n\
         | sidecars, each with a pod, a token and a connection of its own | {pods} |\n\
         | until all are connected and have acknowledged | {:.1} s |\n\
         | memory of the operator for each | {} KiB |\n\
         | a revocation, from the patch to the bundle at the sidecar: median | {} ms |\n\
         | 99 % | {} ms |\n\
         | the last one (goal: 2 s) | {} ms |\n",
        connected.as_secs_f64(),
        each / 1024,
        at(50),
        at(99),
        at(100),
    );
    std::io::stdout().write_all(table.as_bytes())?;
    Ok(())
}

/// Waits until the status of the Tenant counts all pods; the version.
async fn acknowledged(client: &Client, pods: usize) -> Result<i64> {
    within(PATIENCE, "all have acknowledged", async || {
        let known = propagation(client).await?;
        let pods = i32::try_from(pods)?;
        ensure!(
            (known.pods, known.acknowledged) == (pods, pods),
            "{known:?}"
        );
        Ok(known.version)
    })
    .await
}

async fn propagation(client: &Client) -> Result<mintage_crds::tenant::Propagation> {
    let (namespace, name) = TENANT;
    let tenants: Api<Tenant> = Api::namespaced(client.clone(), namespace);
    let status = tenants.get(name).await?.status.context("no status")?;
    status.propagation.context("it says nothing of sidecars")
}

fn say(what: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "{what}").map_err(Into::into)
}
