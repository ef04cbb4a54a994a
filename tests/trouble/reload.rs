//! A new bundle every 50 milliseconds, as kubelet brings them, under load.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use mintage_core::UnixTime;
use mintage_sidecar::files::Files;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::{Workers, newcomer};
use crate::cluster::{ACME, Cluster};
use crate::folder::files;
use crate::sidecar::{Sidecar, cluster_of_today};

const BUNDLES: i64 = 120;

/// What the operator would have written in the last minutes, every other second: keys rotate every twenty, and an
/// audience changes each time. All of it is known by now, so each bundle can be used at once.
fn history(cluster: &mut Cluster) -> Vec<Files> {
    let UnixTime(begin) = cluster.now;
    let versions = (1..=BUNDLES).map(|step| {
        cluster.world.audiences[0].lifetime = 600 - step;
        cluster.advance_to(UnixTime(begin + 2 * step));
        files(cluster, ACME, "orders")
    });
    versions.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_bundles_come_every_50_ms() -> Result<()> {
    let mut cluster = cluster_of_today(2 * BUNDLES + 10);
    for tenant in &mut cluster.world.tenants {
        (tenant.rotation_period, tenant.propagation_delay) = (20, 2);
    }
    let mut sidecar = Sidecar::start_from(cluster.clone(), None).await?;
    let versions = history(&mut cluster);
    let keys: BTreeSet<_> = cluster.private.keys().collect();
    ensure!(keys.len() > 20, "only {} keys were made", keys.len());

    let workers = Workers::start(6, sidecar.workload_api, Duration::ZERO).await?;
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for version in &versions {
        ticks.tick().await;
        sidecar.folder.swap(version);
    }
    mintage_tests::dev::eventually("the last bundle is in use", async || {
        let life = newcomer(sidecar.workload_api).await?;
        Ok((life == 600 - BUNDLES).then_some(()))
    })
    .await?;
    workers.stop(200).await?;
    let count = |outcome: &str| format!("mintage_reloads_total{{outcome=\"{outcome}\"}}");
    let loaded = sidecar.metric(&count("loaded")).await?;
    ensure!(loaded >= 20, "only {loaded} bundles were loaded");
    ensure!(
        sidecar.logged("bundle-refused") == 0,
        "a bundle was refused"
    );
    sidecar.memory_is_bounded().await
}
