//! Validation over HTTP.

use std::thread;

use anyhow::{Context as _, Result};
use mintage_core::Alg;
use mintage_core::policy::Request;

use super::Bench;
use super::fixture::{ACCEPTED, identifier};
use super::http::get;
use super::limits::Bare;
use super::load::{each_once, flat_out};
use super::rows::{Middle, Outcome, Round, Row};
use crate::progress::say;

/// A row for tokens that were never seen, and one for a token that was.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    say("validation of distinct RS256 tokens (signing them first)")?;
    let distinct = Row {
        what: "validation of distinct RS256 tokens".to_owned(),
        goal: "≥ 50 % of the limit",
        outcome: validate_distinct(bench),
    };
    say("validation of the same RS256 token again")?;
    let again = Row {
        what: "validation of the same RS256 token again".to_owned(),
        goal: "≥ 50,000/s",
        outcome: validate_again(bench),
    };
    Ok(vec![distinct, again])
}

fn validate_distinct(bench: &Bench) -> Result<Outcome> {
    let requests = requests(bench, bench.effort.tokens)?;
    let share = requests.len() / bench.effort.rounds;
    let bare = Bare::new(Alg::RS256)?;
    let middle = Middle::of(bench.effort.rounds, |round| {
        let limit = bench.limit(|time| bare.verifying(time))?;
        let of_round = &requests[round * share..(round + 1) * share];
        let measured = each_once(bench.server.workload, of_round, |_| Ok(()))?;
        Ok(Round { measured, limit })
    })?;
    let note = format!("{} tokens, each once", share * bench.effort.rounds);
    Ok(middle.outcome("bare RS256 verification", Some(middle.ratio >= 0.5), note))
}

fn validate_again(bench: &Bench) -> Result<Outcome> {
    let requests = requests(bench, 1)?;
    let request = requests.first().context("no token")?;
    let bare = Bare::new(Alg::RS256)?;
    let middle = Middle::of(bench.effort.rounds, |_| {
        let limit = bench.limit(|time| bare.verifying(time))?;
        let measured = flat_out(
            bench.server.workload,
            request,
            bench.effort.load,
            |_| Ok(()),
        )?;
        Ok(Round { measured, limit })
    })?;
    let met = middle.round.measured >= 50_000.0;
    Ok(middle.outcome(
        "bare RS256 verification",
        Some(met),
        "the signature is remembered, the claims are judged each time",
    ))
}

/// Requests with tokens of which no two are equal.
fn requests(bench: &Bench, count: usize) -> Result<Vec<Vec<u8>>> {
    let mint = bench.fixture.mint()?;
    let audience = identifier(ACCEPTED);
    let request = Request {
        audience: Some(&audience),
        scope: None,
    };
    let order = mint.order(bench.started, request)?;
    let sign = |number: usize| {
        let mut jti = [0; 16];
        jti[..8].copy_from_slice(&number.to_le_bytes());
        let token = mint.sign(&order, jti)?;
        Ok(get("/validate", Some(&token)))
    };
    let cores = bench.cores;
    thread::scope(|scope| {
        // The sidecar has nothing to do meanwhile, so its core helps.
        let second = scope.spawn(move || {
            cores.enter_server()?;
            (0..count / 2).map(sign).collect::<Result<Vec<_>>>()
        });
        let mut requests = (count / 2..count).map(sign).collect::<Result<Vec<_>>>()?;
        requests.extend(second.join().expect("signing does not panic")?);
        Ok(requests)
    })
}
