//! Keys are rotated and revoked under traffic while nothing gets through between sidecars and the operator's stream.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::{Api, ResourceExt as _};
use mintage_crds::Tenant;
use mintage_crds::tenant::Propagation;
use mintage_tests::cluster::within;
use mintage_tests::stage::{Report, Stage, say};

use super::revocations::{self, By, REVOCATIONS, Revoked};
use super::rotations::{self, ROTATIONS, kid};
use super::traffic::Traffic;

/// Where the operator's stream is.
const PORT: u16 = 9444;

/// How long it may take until both sides have noticed what happened to their connections. Each asks for a sign of life every
/// 20 seconds and waits 5 for it; a sidecar tries again every 15 at least.
const NOTICED: Duration = Duration::from_mins(2);

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let bare = stage
        .bare()
        .context("the network of a given cluster is not ours to cut")?;
    rotations::shorten(stage).await?;
    let traffic = Traffic::begin(stage, report).await?;
    let what = "every sidecar follows the operator's stream";
    let pods = report.step(what, followed(stage)).await?.pods;

    let cut = bare.node.cut(PORT)?;
    let what =
        "packets are dropped from then on: the Tenant names every pod as one that is not connected";
    report.step(what, unconnected(stage, pods)).await?;
    let what = "the sidecars noticed by themselves, and say that news come with the files";
    let said = async {
        for pod in traffic.callers() {
            let log = bare.node.log(pod, "mintage-sidecar")?;
            let ended = log.lines().find(|line| line.contains("\"feed-ended\""));
            let ended = ended.with_context(|| format!("{} says nothing", pod.name_any()))?;
            say(ended);
        }
        Ok(())
    };
    report.step(what, said).await?;

    let mut seen = BTreeSet::new();
    for number in 1..=ROTATIONS {
        let what = format!("rotation {number} of {ROTATIONS} from the mounts: no call fails");
        report
            .step(what, rotated(stage, &traffic, &mut seen))
            .await?;
    }
    let mut revoked = Revoked::default();
    for number in 1..=REVOCATIONS {
        let what = format!(
            "revocation {number} of {REVOCATIONS} from the mounts: its tokens are refused from then on, and others are not"
        );
        let revoke = revocations::one(stage, &traffic, &mut revoked, By::Mounts);
        report.step(what, revoke).await?;
    }
    let what = "nobody follows still";
    report.step(what, unconnected(stage, pods)).await?;

    cut.heal()?;
    let what = "packets come through again: every sidecar follows by itself";
    report.step(what, followed(stage)).await?;
    let what = "a revocation is in force at once, in every pod";
    let revoke = revocations::one(stage, &traffic, &mut revoked, By::Stream);
    report.step(what, revoke).await
}

/// What the Tenant says of its sidecars.
async fn propagation(stage: &Stage) -> Result<Propagation> {
    let tenants: Api<Tenant> = Api::namespaced(stage.client.clone(), "identity");
    let status = tenants.get("acme").await?.status.context("no status")?;
    status.propagation.context("it says nothing of sidecars")
}

/// Waits until all pods have said that they go by what is newest: each caller, and two of each API, are among them.
async fn followed(stage: &Stage) -> Result<Propagation> {
    within(NOTICED, "all sidecars follow", async || {
        let known = propagation(stage).await?;
        ensure!(
            known.pods >= 7 && known.acknowledged == known.pods && known.missing.is_empty(),
            "{known:?}"
        );
        Ok(known)
    })
    .await
}

/// Waits until each of so many pods is named as one that does not follow; fewer than are named at most.
async fn unconnected(stage: &Stage, pods: i32) -> Result<()> {
    within(NOTICED, "no sidecar is connected", async || {
        let known = propagation(stage).await?;
        let named: BTreeSet<_> = known
            .missing
            .iter()
            .filter(|one| one.ends_with("(not connected)"))
            .collect();
        ensure!(
            known.acknowledged == 0 && known.pods == pods && named.len() == usize::try_from(pods)?,
            "{known:?}"
        );
        Ok(())
    })
    .await
}

async fn rotated(stage: &Stage, traffic: &Traffic<'_>, seen: &mut BTreeSet<String>) -> Result<()> {
    seen.insert(kid(stage).await?);
    rotations::ask(stage).await?;
    rotations::another_signs(stage, seen).await?;
    traffic.flows().await?;
    traffic.no_bad_since(0)?;
    Ok(())
}
