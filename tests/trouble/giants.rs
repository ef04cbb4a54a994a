//! Requests that are too large for anybody, many at a time.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{HOST, Workers};
use crate::raw::status;
use crate::sidecar::Sidecar;

/// What one client sends at most: more than all memory that the sidecar may take.
const ENDLESS: usize = 128 << 20;

/// Sends a beginning, then the same piece again and again; how much it got rid of, and the status.
async fn pour(address: SocketAddr, beginning: String, piece: String) -> Result<(usize, u16)> {
    let stream = TcpStream::connect(address).await?;
    let (mut answers, mut requests) = stream.into_split();
    let pouring = async move {
        let mut sent = 0;
        let mut outcome = requests.write_all(beginning.as_bytes()).await;
        while outcome.is_ok() && sent < ENDLESS {
            outcome = requests.write_all(piece.as_bytes()).await;
            sent += piece.len();
        }
        sent
    };
    let reading = async move {
        let mut answer = Vec::new();
        // A reset after the answer is an end, too.
        answers.read_to_end(&mut answer).await.ok();
        status(&String::from_utf8_lossy(&answer))
    };
    let both = async { tokio::join!(pouring, reading) };
    Ok(timeout(Duration::from_secs(30), both).await?)
}

/// Twenty clients at once pour; each is answered with one of the statuses, or reset before it could read (0).
async fn refused(
    sidecar: &Sidecar,
    beginning: &str,
    piece: &str,
    statuses: RangeInclusive<u16>,
) -> Result<()> {
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let (beginning, piece) = (beginning.to_owned(), piece.to_owned());
        clients.spawn(pour(sidecar.workload_api, beginning, piece));
    }
    let mut answered = 0;
    while let Some(outcome) = clients.join_next().await {
        let (sent, status) = outcome??;
        sidecar.memory_is_bounded().await?;
        ensure!(sent < ENDLESS, "all of it was read");
        ensure!(status == 0 || statuses.contains(&status), "{status}");
        answered += usize::from(status != 0);
    }
    ensure!(answered > 0, "nobody read the answer to {beginning:.30}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giants_are_refused_and_take_no_memory() -> Result<()> {
    let sidecar = Sidecar::start().await?;
    let workers = Workers::start(2, sidecar.workload_api, Duration::from_millis(20)).await?;
    let kilobytes = "x".repeat(64 * 1024);
    let head = format!("POST /oauth/token HTTP/1.1\r\n{HOST}");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    refused(&sidecar, &format!("{head}X: "), &kilobytes, 431..=431).await?;
    refused(&sidecar, &head, &"X: y\r\n".repeat(1000), 431..=431).await?;
    refused(&sidecar, "GET /", &kilobytes, 414..=431).await?;
    let length = format!("{head}{form}Content-Length: 100000000000\r\n\r\n");
    refused(&sidecar, &length, &kilobytes, 413..=413).await?;
    let chunked = format!("{head}{form}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{kilobytes}\r\n");
    refused(&sidecar, &chunked, &chunk, 413..=413).await?;
    // A chunk's own head without an end.
    let extension = format!("{chunked}1;");
    refused(&sidecar, &extension, &kilobytes, 400..=413).await?;
    workers.stop(10).await
}
