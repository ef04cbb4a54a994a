//! Tokens over HTTP.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use anyhow::{Context as _, Result};
use mintage_core::Alg;

use super::Bench;
use super::fixture::{ACCEPTED, APIS, Api, identifier};
use super::http::{access_token, get, token_request};
use super::limits::Bare;
use super::load::{flat_out, latency_at};
use super::rows::{Middle, Outcome, Round, Row};
use crate::progress::say;

/// A row for each measured API, and the one about latency.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut peak = None;
    for api in &APIS {
        let how = if api.dialect.has_jti() {
            "with jti, each signed"
        } else {
            "without jti, one signature a second for all"
        };
        let what = format!("{} tokens {how}", api.alg);
        say(&what)?;
        let outcome = issue(bench, api);
        if let (ACCEPTED, Ok((rate, _))) = (api.name, &outcome) {
            peak = Some(*rate);
        }
        rows.push(Row {
            what,
            goal: goal(api),
            outcome: outcome.map(|(_, outcome)| outcome),
        });
    }
    say("p99 of a signed token at half load")?;
    rows.push(Row {
        what: "p99 of a signed RS256 token at half load".to_owned(),
        goal: "≤ 2 bare signatures",
        outcome: latency(bench, peak),
    });
    Ok(rows)
}

fn goal(api: &Api) -> &'static str {
    match api.alg {
        _ if !api.dialect.has_jti() => "≥ 12 × the limit",
        Alg::ES256 => "≥ 50 % of the limit (30,000/s where it is 60,000/s)",
        Alg::EdDSA => "none",
        _ => "≥ 95 % of the limit",
    }
}

fn is_met(api: &Api, ratio: f64, repeated: usize) -> Option<bool> {
    let least = match api.alg {
        _ if !api.dialect.has_jti() => return Some(ratio >= 12.0),
        Alg::EdDSA => return None,
        Alg::ES256 => 0.5,
        _ => 0.95,
    };
    Some(ratio >= least && repeated == 0)
}

/// Tokens a second, and the row's outcome.
fn issue(bench: &Bench, api: &Api) -> Result<(f64, Outcome)> {
    let bare = Bare::new(api.alg)?;
    let request = token_request(&identifier(api.name));
    let hasher = RandomState::new();
    let (mut answers, mut distinct) = (0, HashSet::new());
    let middle = Middle::of(bench.effort.rounds, |_| {
        let limit = bench.limit(|time| bare.signing(time))?;
        let measured = flat_out(bench.server.workload, &request, bench.effort.load, |body| {
            answers += 1;
            distinct.insert(hasher.hash_one(access_token(body)?));
            Ok(())
        })?;
        Ok(Round { measured, limit })
    })?;
    let repeated = answers - distinct.len();
    let note = match (api.dialect.has_jti(), repeated) {
        (false, _) => format!("{answers} answers, {} different tokens", distinct.len()),
        (true, 0) => format!("{answers} answers, all of them distinct"),
        (true, _) => format!("**{repeated} of {answers} answers repeat a token**"),
    };
    let limit = format!("bare {} signing", api.alg);
    let met = is_met(api, middle.ratio, repeated);
    Ok((middle.round.measured, middle.outcome(&limit, met, note)))
}

fn latency(bench: &Bench, peak: Option<f64>) -> Result<Outcome> {
    let half = peak.context("the peak of RS256 tokens is not known")? / 2.0;
    let bare = Bare::new(Alg::RS256)?;
    let request = token_request(&identifier(ACCEPTED));
    // What the machine alone does to one answer in a hundred, its other programs included.
    let healthz = get("/healthz", None);
    let mut noise = Vec::new();
    let middle = Middle::of(bench.effort.rounds, |_| {
        let idle = latency_at(bench.server.admin, &healthz, half, bench.effort.bare)?;
        noise.push(idle.p99);
        let limit = 1.0 / bench.limit(|time| bare.signing(time))?;
        let signed = latency_at(bench.server.workload, &request, half, bench.effort.load)?;
        Ok(Round {
            measured: signed.p99.as_secs_f64(),
            limit,
        })
    })?;
    noise.sort_unstable();
    let noise = noise.get(noise.len() / 2).copied().unwrap_or_default();
    let micros = |seconds: f64| format!("{} µs", Duration::from_secs_f64(seconds).as_micros());
    Ok(Outcome {
        measured: micros(middle.round.measured),
        limit: Some(format!(
            "{} (one bare signature)",
            micros(middle.round.limit)
        )),
        ratio: Some(middle.ratio),
        met: Some(middle.ratio <= 2.0),
        note: middle.noted(format!(
            "{half:.0} requests/s, evenly spaced; `/healthz`, which signs nothing, has {} at that rate",
            micros(noise.as_secs_f64())
        )),
    })
}
