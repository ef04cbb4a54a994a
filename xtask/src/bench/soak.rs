//! `cargo xtask soak`: an hour of a sidecar's life in minutes: a reload each second, all keys rotated every twenty, every
//! kind of request, and connections that come and go. Memory and descriptors must stay flat, and no request may fail.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use xtask::flat::Quarters;

use super::cores::Cores;
use super::fixture::{ACCEPTED, APIS, Fixture, identifier};
use super::http::{Connection, FORM, access_token, get, one_token, post, token_request};
use super::limits::now;
use super::load::{Latency, flat_out, latency_at};
use super::server::Server;
use super::wall_clock;
use crate::progress::say;

/// Bundles between two rotations; there is one each second.
const ROTATION: usize = 20;

/// Connections that are opened and closed each second.
const CHURN: usize = 50;

/// What memory may grow by between the second quarter and the last.
const TOLERANCE_KIB: u64 = 1024;

/// What descriptors may grow by.
const TOLERANCE_FDS: u64 = 4;

/// One second.
struct Sample {
    memory: u64,
    fds: u64,
    answers: f64,
    p99: Duration,
}

/// Runs a built release sidecar for some minutes.
pub fn run(binary: &Path, minutes: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cores = Cores::find()?;
    let mut fixture = Fixture::short_lived(wall_clock())?;
    fixture.mount(dir.path(), 0)?;
    let server = Server::start(binary, dir.path(), cores, None)?;
    let seconds = usize::try_from(minutes * 60)?;
    let mut samples = Vec::new();
    say("second   memory  descriptors   answers/s        p99")?;
    for second in 1..=seconds {
        let begun = now();
        let rotate = second.is_multiple_of(ROTATION).then(|| second.to_string());
        fixture.plan_again(wall_clock(), rotate)?;
        fixture.mount(dir.path(), second)?;
        let sample = live(&server).with_context(|| format!("in second {second}"))?;
        if second.is_multiple_of(seconds / 12) {
            say(format_args!(
                "{second:6} {:5.1} MiB {:12} {:11.0} {:7} µs",
                mebibytes(sample.memory),
                sample.fds,
                sample.answers,
                sample.p99.as_micros()
            ))?;
        }
        samples.push(sample);
        sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
    }
    judge(&samples)
}

/// Every kind of request; an answer that is not 200 is an error.
fn live(server: &Server) -> Result<Sample> {
    let share = Duration::from_millis(40);
    let mut answers = Vec::new();
    for api in APIS {
        let request = token_request(&identifier(api.name));
        let look = |body: &[u8]| access_token(body).map(drop);
        answers.push(flat_out(server.workload, &request, share, look)?);
    }
    let token = one_token(
        &server.workload.into(),
        &token_request(&identifier(ACCEPTED)),
    )?;
    let good = get("/validate", Some(&token));
    answers.push(flat_out(server.workload, &good, share, |_| Ok(()))?);
    // A signature of another token: refused, and nothing of it may be kept.
    let (signed, _) = token.rsplit_once('.').context("a token has three parts")?;
    let body = format!("token={signed}.{}", "A".repeat(342));
    let bad = post("/introspect", FORM, &body);
    answers.push(flat_out(server.workload, &bad, share, |body| {
        ensure!(body == br#"{"active":false}"#, "a forged token is active");
        Ok(())
    })?);
    for _ in 0..CHURN {
        let mut connection = Connection::open(&server.workload.into())?;
        connection.send(&good)?;
        connection.receive()?;
    }
    let Latency { p99, .. } = latency_at(server.workload, &good, 1000.0, share)?;
    let folder = format!("/proc/{}/fd", server.id());
    let kinds = f64::from(u32::try_from(answers.len())?);
    Ok(Sample {
        memory: server.memory()?,
        fds: u64::try_from(fs::read_dir(folder)?.count())?,
        answers: answers.iter().sum::<f64>() / kinds,
        p99,
    })
}

/// Compares the second quarter, when everything is warm, with the last.
fn judge(samples: &[Sample]) -> Result<()> {
    let memory = Quarters::of(samples.iter().map(|sample| sample.memory));
    let fds = Quarters::of(samples.iter().map(|sample| sample.fds));
    say(format_args!(
        "memory {:.1} MiB, at the end {:.1} MiB; descriptors {}, at the end {}; no request failed",
        mebibytes(memory.early),
        mebibytes(memory.late),
        fds.early,
        fds.late
    ))?;
    ensure!(
        memory.is_flat(TOLERANCE_KIB),
        "memory grew by more than {TOLERANCE_KIB} KiB"
    );
    ensure!(
        fds.is_flat(TOLERANCE_FDS),
        "descriptors grew by more than {TOLERANCE_FDS}"
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64, fds: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample = |second| Sample {
            memory: memory(second),
            fds: fds(second),
            answers: 1.0,
            p99: Duration::ZERO,
        };
        (0..120).map(sample).collect()
    }

    #[test]
    fn flat_is_flat_and_growth_is_growth() {
        assert!(judge(&samples(|second| 8192 + second % 7 * 50, |_| 20)).is_ok());
        // It may grow while it gets warm.
        assert!(
            judge(&samples(
                |second| if second < 20 { 4096 } else { 9000 },
                |_| 20
            ))
            .is_ok()
        );
        let leak = judge(&samples(|second| 8192 + second * 20, |_| 20)).unwrap_err();
        assert!(leak.to_string().contains("memory"), "{leak}");
        let leak = judge(&samples(|_| 8192, |second| 20 + second / 10)).unwrap_err();
        assert!(leak.to_string().contains("descriptors"), "{leak}");
    }
}
