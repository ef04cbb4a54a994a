//! Too few file descriptors.

use std::time::Duration;

use anyhow::{Result, ensure};
use mintage_tests::dev::eventually;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::client::{Workers, newcomer};
use crate::sidecar::{Sidecar, cluster_of_today};

async fn hold(sidecar: &Sidecar, number: usize) -> Result<Vec<TcpStream>> {
    let mut held = Vec::new();
    for _ in 0..number {
        held.push(TcpStream::connect(sidecar.workload_api).await?);
    }
    Ok(held)
}

async fn takes_up(sidecar: &mut Sidecar, lifetime: i64) -> Result<()> {
    sidecar.swap_lifetime(lifetime);
    let address = sidecar.workload_api;
    eventually("the new bundle is in use", async || {
        Ok((newcomer(address).await? == lifetime).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_low_limit_leaves_descriptors_for_files() -> Result<()> {
    let mut sidecar = Sidecar::start_from(cluster_of_today(60), Some(64)).await?;
    ensure!(sidecar.logged("few-descriptors") == 1);
    let workers = Workers::start(2, sidecar.workload_api, Duration::from_millis(50)).await?;
    let _held = hold(&sidecar, 20).await?;
    takes_up(&mut sidecar, 301).await?;
    sidecar.is_healthy().await?;
    ensure!(sidecar.metric("process_open_fds").await? < 64);
    ensure!(sidecar.logged("bundle-refused") == 0);
    ensure!(sidecar.logged("accept-failed") == 0);
    workers.stop(20).await
}

#[tokio::test]
async fn without_descriptors_it_goes_on_and_recovers() -> Result<()> {
    let mut sidecar = Sidecar::start().await?;
    let workers = Workers::start(4, sidecar.workload_api, Duration::from_millis(50)).await?;
    let open = sidecar.metric("process_open_fds").await?;
    let before = sidecar.limit_descriptors(open + 2)?;
    let held = hold(&sidecar, 60).await?;
    eventually("it says what is wrong", async || {
        Ok((sidecar.logged("accept-failed") > 0).then_some(()))
    })
    .await?;
    // A reload meanwhile may fail, and keeps what there is.
    sidecar.swap_lifetime(304);
    let (rounds, spent) = (workers.rounds(), sidecar.processor_time()?);
    sleep(Duration::from_secs(3)).await;
    let spent = sidecar.processor_time()?.saturating_sub(spent);
    ensure!(workers.rounds() > rounds + 20, "the others do not go on");
    ensure!(spent < Duration::from_millis(1500), "it spins: {spent:?}");
    let said = sidecar.logged("accept-failed");
    ensure!(said <= 2, "it says so {said} times");
    sidecar.limit_descriptors(before)?;
    drop(held);
    takes_up(&mut sidecar, 303).await?;
    sidecar.is_healthy().await?;
    workers.stop(50).await
}
