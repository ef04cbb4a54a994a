//! Ten thousand clients at once, of which most only hold their connections.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use mintage_tests::skip::skip;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{HOST, Workers, newcomer};
use crate::cluster::ORDERS;
use crate::raw::{read_response, status, token_request};
use crate::sidecar::{Sidecar, raise_descriptors};

const CLIENTS: usize = 10_000;

/// Connects, asks for a token if it is one of those that do, and holds the connection; whether it got what it wanted.
async fn hold(address: SocketAddr, asks: bool, mut end: watch::Receiver<bool>) -> bool {
    let held = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        if asks {
            let request = token_request(HOST, "", ORDERS);
            stream.write_all(request.as_bytes()).await.ok()?;
            let answer = read_response(&mut stream).await?;
            (status(&answer) == 200).then_some(())?;
        }
        Some(stream)
    };
    let mut at_end = end.clone();
    let held = tokio::select! {
        held = held => held,
        _ = at_end.wait_for(|end| *end) => None,
    };
    // An error says that the test itself is over.
    end.wait_for(|end| *end).await.ok();
    held.is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_starve_nobody() -> Result<()> {
    let most = raise_descriptors()?;
    if most < CLIENTS as u64 + 1000 {
        let reason = format!("only {most} open files are allowed (ulimit -Hn)");
        return skip(
            "connections::ten_thousand_connections_starve_nobody",
            &reason,
        );
    }
    let sidecar = Sidecar::start().await?;
    let address = sidecar.workload_api;
    let workers = Workers::start(8, address, Duration::from_millis(20)).await?;
    let (end, ended) = watch::channel(false);
    let mut flood = JoinSet::new();
    for number in 0..CLIENTS {
        flood.spawn(hold(address, number % 2 == 0, ended.clone()));
    }
    let start = Instant::now();
    let newcomer_waited = tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        let start = Instant::now();
        newcomer(address).await.map(|_| start.elapsed())
    });
    while start.elapsed() < Duration::from_secs(8) {
        sidecar.is_healthy().await?;
        sidecar.memory_is_bounded().await?;
        let connections = sidecar.metric("mintage_connections").await?;
        ensure!(connections <= 2 * 1024, "{connections} connections");
        sleep(Duration::from_millis(200)).await;
    }
    // As long as headers may take: without anybody making way it is ten times that.
    let waited = newcomer_waited.await??;
    ensure!(waited < Duration::from_secs(15), "{waited:?}");
    end.send_replace(true);
    let held = flood.join_all().await.into_iter().filter(|held| *held);
    let held = held.count();
    // All who were let in got what they wanted; far more were than there are slots.
    ensure!(held > 3 * 1024, "only {held} of the flood got in");
    newcomer(address).await?;
    sidecar.memory_is_bounded().await?;
    workers.stop(100).await
}
