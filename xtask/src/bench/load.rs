//! The ways to ask: as fast as answers come, each request once, or at a fixed rate.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::http::{Connection, Target};
use super::limits::{now, per_second};

/// Connections of the generator: enough to keep one core of the server busy while an answer is looked at.
const CONNECTIONS: usize = 8;

/// Sends one request again and again on all connections; each answer is looked at. Answers a second.
pub fn flat_out(
    target: impl Into<Target>,
    request: &[u8],
    time: Duration,
    look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    flat_out_on(CONNECTIONS, target, request, time, look)
}

/// The same, on another number of connections.
pub fn flat_out_on(
    connections: usize,
    target: impl Into<Target>,
    request: &[u8],
    time: Duration,
    look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    flat_out_over(&mut open(connections, target)?, request, time, look)
}

/// The same, on connections that are open.
pub fn flat_out_over(
    connections: &mut [Connection],
    request: &[u8],
    time: Duration,
    look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let start = now();
    let next = |_, _: Option<&[u8]>| Ok((start.elapsed() < time).then_some(Cow::Borrowed(request)));
    drive(connections, next, look)
}

/// Sends each request once; each answer is looked at. Answers a second.
pub fn each_once(
    target: impl Into<Target>,
    requests: &[Vec<u8>],
    look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    each_once_over(&mut open(CONNECTIONS, target)?, requests, look)
}

/// The same, on connections that are open.
pub fn each_once_over(
    connections: &mut [Connection],
    requests: &[Vec<u8>],
    look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let mut requests = requests.iter();
    let next = |_, _: Option<&[u8]>| Ok(requests.next().map(Cow::from));
    drive(connections, next, look)
}

/// Sends on each connection what follows from its answer before, until nothing does. `next` is given the connection's number,
/// and no answer at first. Answers a second.
pub fn following(
    connections: &mut [Connection],
    mut next: impl FnMut(usize, Option<&[u8]>) -> Result<Option<Vec<u8>>>,
) -> Result<f64> {
    let next = |turn, answer: Option<&[u8]>| Ok(next(turn, answer)?.map(Cow::from));
    drive(connections, next, |_| Ok(()))
}

/// Opens connections.
pub fn open(connections: usize, target: impl Into<Target>) -> Result<Vec<Connection>> {
    let target = target.into();
    (0..connections)
        .map(|_| Connection::open(&target))
        .collect()
}

/// Keeps a request under way on every connection, until there is no next one for it.
fn drive<'a>(
    connections: &mut [Connection],
    mut next: impl FnMut(usize, Option<&[u8]>) -> Result<Option<Cow<'a, [u8]>>>,
    mut look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let start = now();
    let mut under_way = 0;
    for (turn, connection) in connections.iter_mut().enumerate() {
        if let Some(request) = next(turn, None)? {
            connection.send(&request)?;
            under_way += 1;
        }
    }
    let mut count = 0;
    for turn in (0..connections.len()).cycle() {
        if under_way == 0 {
            break;
        }
        let connection = &mut connections[turn];
        if !connection.is_waiting() {
            continue;
        }
        // Sent before the answer is looked at, so that the server never waits for the generator's sums.
        let answer = connection.receive()?;
        let request = next(turn, Some(connection.body(answer.clone())))?;
        if let Some(request) = request {
            connection.send(&request)?;
        } else {
            under_way -= 1;
        }
        look(connection.body(answer))?;
        count += 1;
    }
    Ok(per_second(count, start.elapsed()))
}

/// Half of the answers, and all but one in a hundred, took no longer than this.
#[derive(Clone, Copy)]
pub struct Latency {
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
}

/// The time from when a request was due to its answer, at a fixed rate: a late answer makes the next ones late, too, as
/// it would for users.
pub fn latency_at(
    target: impl Into<Target>,
    request: &[u8],
    rate: f64,
    time: Duration,
) -> Result<Latency> {
    let mut connection = Connection::open(&target.into())?;
    let mut latencies = Vec::new();
    let start = now();
    let mut due = start;
    while start.elapsed() < time {
        wait_until(due);
        connection.send(request)?;
        connection.receive()?;
        latencies.push(due.elapsed());
        due += Duration::from_secs_f64(1.0 / rate);
    }
    latencies.sort_unstable();
    let percentile = |percent: usize| latencies.get(latencies.len() * percent / 100).copied();
    let (p50, p99) = percentile(50)
        .zip(percentile(99))
        .context("nothing was answered")?;
    Ok(Latency { p50, p99 })
}

/// Spins: sleeping is not exact enough, and the core is the generator's own.
fn wait_until(moment: Instant) {
    while now() < moment {
        std::hint::spin_loop();
    }
}
