//! Clients that send a byte a second and never come to an end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{HOST, Workers, newcomer};
use crate::raw::status;
use crate::sidecar::Sidecar;

/// Sends a beginning, then a byte each second until the server answers or closes; when that was, and the answer.
async fn drip(address: SocketAddr, beginning: String) -> Result<(Duration, u16)> {
    let mut stream = TcpStream::connect(address).await?;
    let start = Instant::now();
    stream.write_all(beginning.as_bytes()).await?;
    let (mut answers, mut requests) = stream.into_split();
    let dripping = tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(1)).await;
            if requests.write_all(b"x").await.is_err() {
                // Cut off; what it answered before is read all the same.
                std::future::pending::<()>().await;
            }
        }
    });
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(40), answers.read_to_end(&mut answer)).await;
    dripping.abort();
    ensure!(read.is_ok(), "it was never cut off");
    let answer = String::from_utf8_lossy(&answer);
    Ok((start.elapsed(), status(&answer)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_drips_is_cut_off_and_others_go_on() -> Result<()> {
    let sidecar = Sidecar::start().await?;
    let address = sidecar.workload_api;
    let workers = Workers::start(4, address, Duration::from_millis(50)).await?;
    let (mut headers, mut bodies) = (JoinSet::new(), JoinSet::new());
    for _ in 0..300 {
        let head = format!("POST /oauth/token HTTP/1.1\r\n{HOST}X-Slow: ");
        headers.spawn(drip(address, head));
    }
    for _ in 0..100 {
        let head = format!(
            "POST /oauth/token HTTP/1.1\r\n{HOST}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 1000\r\n\r\ngrant_type="
        );
        bodies.spawn(drip(address, head));
    }
    sleep(Duration::from_secs(2)).await;
    newcomer(address).await?;
    sidecar.memory_is_bounded().await?;
    for outcome in bodies.join_all().await {
        let (after, status) = outcome?;
        ensure!(status == 408, "{status} after {after:?}");
        ensure!((9..14).contains(&after.as_secs()), "body: {after:?}");
    }
    for outcome in headers.join_all().await {
        let (after, status) = outcome?;
        ensure!(matches!(status, 0 | 408), "{status} after {after:?}");
        ensure!((14..20).contains(&after.as_secs()), "headers: {after:?}");
    }
    workers.stop(300).await
}
