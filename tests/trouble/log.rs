//! Nobody reads the log.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::client::{Client, HOST};
use crate::raw::status;
use crate::sidecar::{Sidecar, cluster_of_today};

const DROPPED: &str = "mintage_log_lines_dropped_total";

/// A request that is refused and logged.
async fn refusal(client: &mut Client, id: &str) -> Result<()> {
    let request =
        format!("GET /validate?audience={id} HTTP/1.1\r\n{HOST}X-Request-Id: {id}\r\n\r\n");
    let answer = client.ask(&request).await?;
    ensure!(status(&answer) == 403, "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_stalled_reader_of_the_log_stops_nobody() -> Result<()> {
    let (sidecar, mut log) = Sidecar::start_unread(cluster_of_today(60), None).await?;
    let mut client = Client::connect(sidecar.workload_api).await?;
    let id = "x".repeat(64);
    let end = Instant::now() + Duration::from_secs(40);
    while sidecar.metric(DROPPED).await? == 0 {
        ensure!(Instant::now() < end, "no line was dropped");
        for _ in 0..500 {
            refusal(&mut client, &id).await?;
        }
    }
    // Dropping costs no time: the answers come as ever.
    let start = Instant::now();
    for _ in 0..50 {
        client.round().await?;
    }
    ensure!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    sidecar.memory_is_bounded().await?;
    // Read on: whole lines to the end, with a word about those that are missing.
    let (mut lines, mut said) = (0, false);
    while !said {
        let line = timeout(Duration::from_secs(10), log.next_line()).await??;
        let line = line.context("the log ended")?;
        let event: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        said = event["event"] == "log-lines-dropped";
        lines += 1;
    }
    ensure!(lines > 1000, "only {lines} lines waited");
    // And on from there.
    refusal(&mut client, "afterwards").await?;
    loop {
        let line = timeout(Duration::from_secs(10), log.next_line()).await??;
        let event: Value = serde_json::from_str(&line.context("the log ended")?)?;
        if event["request_id"] == "afterwards" {
            return Ok(());
        }
    }
}
