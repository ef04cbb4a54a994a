//! What the sidecar takes: memory, time to start, bytes on disk.

use std::fs;

use anyhow::{Context as _, Result, anyhow};

use super::Bench;
use super::fixture::Fixture;
use super::rows::{Outcome, Row, mib};
use super::server::Server;
use crate::elf;
use crate::progress::say;

/// The APIs of the large namespace, besides those that are measured.
const MANY: usize = 995;

/// Rows about a sidecar after all the load, and about one with many audiences. `idle` is what the first took before.
pub fn measure(bench: &Bench, idle: u64) -> Result<Vec<Row>> {
    let loaded = bench.server.peak_memory().map(|peak| Outcome {
        measured: mib(peak),
        limit: None,
        ratio: None,
        met: Some(peak <= 16 * 1024),
        note: "the most there was during all of the above".to_owned(),
    });
    say("start with 1,000 audiences")?;
    let starts = start_often(bench);
    let large = starts.as_ref().map_or(String::new(), |(_, memory)| {
        format!("5 audiences; with 1,000 it is {}", mib(*memory))
    });
    let row = |what: &str, goal, outcome| Row {
        what: what.to_owned(),
        goal,
        outcome,
    };
    let idle = Outcome {
        measured: mib(idle),
        limit: None,
        ratio: None,
        met: Some(idle <= 8 * 1024),
        note: large,
    };
    let start = starts.map(|(outcome, _)| outcome);
    Ok(vec![
        row("memory, idle", "≤ 8 MiB", Ok(idle)),
        row("memory, loaded", "≤ 16 MiB", loaded),
        row("start to ready with 1,000 audiences", "≤ 50 ms", start),
        row("stripped binary", "≤ 15 MB", size(bench)),
    ])
}

/// The median start, and the memory after it.
fn start_often(bench: &Bench) -> Result<(Outcome, u64)> {
    let dir = tempfile::tempdir()?;
    Fixture::new(bench.started, MANY)?.write(dir.path())?;
    let start = |_| {
        let server = Server::start(&bench.binary, dir.path(), bench.cores, None)?;
        Ok((server.start_to_ready, server.memory()?))
    };
    let starts = (0..bench.effort.rounds).map(start);
    let mut starts: Vec<_> = starts.collect::<Result<_>>()?;
    starts.sort_unstable();
    let (time, memory) = *starts.get(starts.len() / 2).context("no start")?;
    let millis = time.as_secs_f64() * 1000.0;
    let outcome = Outcome {
        measured: format!("{millis:.1} ms"),
        limit: None,
        ratio: None,
        met: Some(millis <= 50.0),
        note: format!("median of {} starts", starts.len()),
    };
    Ok((outcome, memory))
}

fn size(bench: &Bench) -> Result<Outcome> {
    let bytes = fs::read(&bench.binary)?;
    let is_static = elf::is_static(&bytes);
    let megabytes = u32::try_from(bytes.len()).map_err(|_| anyhow!("the binary has over 4 GB"))?;
    let megabytes = f64::from(megabytes) / 1e6;
    Ok(Outcome {
        measured: format!("{megabytes:.1} MB"),
        limit: None,
        ratio: None,
        met: Some(megabytes <= 15.0),
        note: if is_static {
            "linked statically".to_owned()
        } else {
            "linked dynamically here; the design's figure is for a static one".to_owned()
        },
    })
}
