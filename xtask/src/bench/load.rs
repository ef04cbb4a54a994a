//! The ways to ask: as fast as answers come, each request once, or at a fixed rate.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::http::Connection;
use super::limits::{now, per_second};

/// Connections of the generator: enough to keep one core of the server busy while an answer is looked at.
const CONNECTIONS: usize = 8;

/// Sends one request again and again on all connections; each answer is looked at. Answers a second.
pub fn flat_out(
    address: SocketAddr,
    request: &[u8],
    time: Duration,
    look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    flat_out_on(CONNECTIONS, address, request, time, look)
}

/// The same, on another number of connections.
pub fn flat_out_on(
    connections: usize,
    address: SocketAddr,
    request: &[u8],
    time: Duration,
    look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let start = now();
    let requests = std::iter::repeat(request).take_while(|_| start.elapsed() < time);
    drive(connections, address, requests, look)
}

/// Sends each request once. Answers a second.
pub fn each_once(address: SocketAddr, requests: &[Vec<u8>]) -> Result<f64> {
    drive(
        CONNECTIONS,
        address,
        requests.iter().map(Vec::as_slice),
        |_| Ok(()),
    )
}

/// Keeps a request under way on every connection, until there are no more.
fn drive<'a>(
    connections: usize,
    address: SocketAddr,
    mut requests: impl Iterator<Item = &'a [u8]>,
    mut look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let connections = (0..connections).map(|_| Connection::open(address));
    let mut connections: Vec<Connection> = connections.collect::<Result<_>>()?;
    let start = now();
    let mut under_way = 0;
    for (connection, request) in connections.iter_mut().zip(&mut requests) {
        connection.send(request)?;
        under_way += 1;
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
        if let Some(request) = requests.next() {
            connection.send(request)?;
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
    address: SocketAddr,
    request: &[u8],
    rate: f64,
    time: Duration,
) -> Result<Latency> {
    let mut connection = Connection::open(address)?;
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
