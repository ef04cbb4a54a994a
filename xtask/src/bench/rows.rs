//! What is measured.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use mintage_core::policy::Request;
use mintage_core::{Alg, UnixTime};

use super::fixture::{APIS, Fixture, identifier};
use super::http::{Connection, access_token, get, token_request};
use super::limits::{self, Limit, now};
use super::server::{Server, pin};
use crate::progress::say;

/// Connections of the generator: enough to keep one core of the server busy.
const CONNECTIONS: usize = 8;

/// A row of the table.
pub struct Row {
    pub what: String,
    /// Per second.
    pub rate: f64,
    /// The limit's name and rate.
    pub limit: (String, f64),
    pub goal: &'static str,
    pub met: bool,
    pub note: String,
}

/// Everything that was measured.
pub struct Report {
    pub rows: Vec<Row>,
    /// Requests a second of the cheapest route: what generator and server do when nothing else is to be done.
    pub generator: f64,
    pub p99: Duration,
    pub one_signature: Duration,
    pub idle_kib: u64,
    pub loaded_kib: u64,
    pub start_to_ready: Duration,
    pub binary_bytes: u64,
}

/// Measures all rows, each for some seconds.
pub fn measure(seconds: u64) -> Result<Report> {
    let time = Duration::from_secs(seconds);
    pin(0)?;
    say("bare signing and verifying")?;
    let limit = |alg| limits::measure(alg, time / 2);
    let limits = [Alg::RS256, Alg::PS256, Alg::ES256, Alg::EdDSA]
        .map(|alg| limit(alg).map(|limit| (alg, limit)));
    let limits: Vec<(Alg, Limit)> = limits.into_iter().collect::<Result<_>>()?;
    let (sign, _) = limit_of(&limits, Alg::RS256);

    let fixture = Fixture::new(wall_clock(), 0)?;
    let dir = tempfile::tempdir()?;
    fixture.write(dir.path())?;
    let server = Server::start(dir.path())?;
    let idle_kib = server.memory()?;
    pin(1)?;

    say("the generator's own limit")?;
    let generator = load(server.admin, &[get("/healthz", None)], time, |_| Ok(()))?;
    let mut rows = token_rows(&server, &limits, time)?;
    rows.extend(validation_rows(&server, &fixture, &limits, time)?);

    say("latency at half load")?;
    let peak = rows[1].rate;
    let p99 = half_load(
        server.workload,
        &token_request(&identifier("rs256-jti")),
        peak / 2.0,
        time,
    )?;
    let loaded_kib = server.memory()?;
    drop(server);

    say("start with 1,000 audiences")?;
    pin(0)?;
    let large = tempfile::tempdir()?;
    Fixture::new(wall_clock(), 1_000)?.write(large.path())?;
    let start_to_ready = Server::start(large.path())?.start_to_ready;
    let binary = crate::workspace::target()?.join("release/mintage-sidecar");
    Ok(Report {
        rows,
        generator,
        p99,
        one_signature: Duration::from_secs_f64(1.0 / sign),
        idle_kib,
        loaded_kib,
        start_to_ready,
        binary_bytes: std::fs::metadata(binary)?.len(),
    })
}

/// The limits of an algorithm: signing and verifying.
fn limit_of(limits: &[(Alg, Limit)], alg: Alg) -> (f64, f64) {
    let of_alg = limits.iter().find(|(of, _)| *of == alg);
    of_alg.map_or((0.0, 0.0), |(_, limit)| (limit.sign, limit.verify))
}

fn token_rows(server: &Server, limits: &[(Alg, Limit)], time: Duration) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for api in APIS {
        say(format!("tokens: {}", api.name))?;
        let mut tokens = HashSet::new();
        let mut count = 0_u64;
        let requests = [token_request(&identifier(api.name))];
        let rate = load(server.workload, &requests, time, |body| {
            count += 1;
            tokens.insert(digest(access_token(body)?));
            Ok(())
        })?;
        let (sign, _) = limit_of(limits, api.alg);
        let shared = !api.dialect.has_jti();
        let (goal, met) = goal_of(api.alg, shared, rate, sign);
        let note = if shared {
            format!(
                "{count} answers, {} signatures: one a second serves all",
                tokens.len()
            )
        } else {
            format!("{count} answers, {} of them distinct", tokens.len())
        };
        let what = format!(
            "{} tokens {}",
            api.alg,
            if shared {
                "without jti, one signature a second"
            } else {
                "with jti, each signed"
            }
        );
        rows.push(Row {
            what,
            rate,
            limit: (format!("bare {} signing", api.alg), sign),
            goal,
            met,
            note,
        });
    }
    Ok(rows)
}

fn validation_rows(
    server: &Server,
    fixture: &Fixture,
    limits: &[(Alg, Limit)],
    time: Duration,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    say("validation: distinct tokens (signing them first)")?;
    let (_, verify) = limit_of(limits, Alg::RS256);
    let wanted = if time > Duration::from_secs(1) {
        24_000
    } else {
        6_000
    };
    let tokens = distinct_tokens(fixture, wanted)?;
    let requests: Vec<_> = tokens
        .iter()
        .map(|token| get("/validate", Some(token)))
        .collect();
    let rate = once(server.workload, &requests)?;
    let limit = ("bare RS256 verifying".to_owned(), verify);
    let note = format!("{} tokens, each once", requests.len());
    rows.push(Row {
        what: "validation of distinct RS256 tokens".to_owned(),
        rate,
        limit: limit.clone(),
        goal: "≥ 50 % of the limit",
        met: rate >= verify / 2.0,
        note,
    });
    let rate = load(server.workload, &requests[..1], time, |_| Ok(()))?;
    rows.push(Row {
        what: "validation of the same RS256 token again".to_owned(),
        rate,
        limit,
        goal: "≥ 50,000 a second",
        met: rate >= 50_000.0,
        note: String::new(),
    });
    Ok(rows)
}

fn goal_of(alg: Alg, shared: bool, rate: f64, sign: f64) -> (&'static str, bool) {
    match alg {
        _ if shared => ("≥ 12 × the limit", rate >= 12.0 * sign),
        Alg::ES256 => ("≥ 50 % of the limit", rate >= sign / 2.0),
        Alg::EdDSA => ("none set", true),
        _ => ("≥ 95 % of the limit", rate >= 0.95 * sign),
    }
}

/// Sends requests in turn on all connections for some time; each answer is looked at. Answers a second.
fn load(
    address: SocketAddr,
    requests: &[Vec<u8>],
    time: Duration,
    mut look: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let mut connections = open(address)?;
    let mut next = requests.iter().cycle();
    let mut count = 0;
    for connection in &mut connections {
        connection.send(next.next().map_or(&[], Vec::as_slice))?;
    }
    let start = now();
    while start.elapsed() < time {
        for connection in &mut connections {
            look(connection.receive()?)?;
            connection.send(next.next().map_or(&[], Vec::as_slice))?;
            count += 1;
        }
    }
    let elapsed = start.elapsed();
    connections
        .iter_mut()
        .try_for_each(|connection| connection.receive().map(drop))?;
    Ok(per_second(count, elapsed))
}

/// Sends each request once.
fn once(address: SocketAddr, requests: &[Vec<u8>]) -> Result<f64> {
    let mut connections = open(address)?;
    let start = now();
    for batch in requests.chunks(CONNECTIONS) {
        for (connection, request) in connections.iter_mut().zip(batch) {
            connection.send(request)?;
        }
        for connection in connections.iter_mut().take(batch.len()) {
            connection.receive()?;
        }
    }
    Ok(per_second(requests.len(), start.elapsed()))
}

/// The 99th percentile of the time from when a request was due to its answer, at a fixed rate: a late answer makes the
/// next ones late, too, as it would for users.
fn half_load(address: SocketAddr, request: &[u8], rate: f64, time: Duration) -> Result<Duration> {
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
    latencies.sort();
    let index = latencies.len() * 99 / 100;
    Ok(latencies.get(index).copied().unwrap_or_default())
}

/// Spins: sleeping is not exact enough, and the core is the generator's own.
fn wait_until(moment: Instant) {
    while now() < moment {
        std::hint::spin_loop();
    }
}

fn open(address: SocketAddr) -> Result<Vec<Connection>> {
    (0..CONNECTIONS)
        .map(|_| Connection::open(address))
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of seconds, far below 2^52"
)]
fn per_second(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn digest(token: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

fn distinct_tokens(fixture: &Fixture, count: u64) -> Result<Vec<String>> {
    let mint = fixture.mint()?;
    let audience = identifier("rs256-jti");
    let order = mint.order(
        wall_clock(),
        Request {
            audience: Some(&audience),
            scope: None,
        },
    )?;
    let sign = |number: u64| {
        let mut jti = [0; 16];
        jti[..8].copy_from_slice(&number.to_le_bytes());
        Ok(mint.sign(&order, jti)?)
    };
    (0..count).map(sign).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sidecar under test uses the machine's clock, so its files must"
)]
fn wall_clock() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    UnixTime(since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }))
}
