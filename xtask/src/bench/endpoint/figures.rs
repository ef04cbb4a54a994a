//! What is measured of a server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_core::Alg;
use serde_json::Value;

use super::super::cores::{Cores, thread_time};
use super::super::family::{processor_time, tree};
use super::super::http::{Connection, Target, access_token, one_token};
use super::super::limits::{Bare, now, syncing};
use super::super::load::{each_once, each_once_over, flat_out_over, following, open};
use super::super::peers::check;
use super::super::rows::{Effort, Middle, Round};
use super::browser::{Browser, Person};
use super::servers::{For, Manner, check_userinfo};
use super::work::{Answer, Limit, Operation, Work};

/// Requests under way at once: enough that the server has something to do while the generator waits for its own core.
pub const CONNECTIONS: usize = 32;

/// The least codes of a round, so that a figure is one.
const FEWEST: usize = 64;

/// The most codes of a round: they must be used before they end, a minute after they were made.
const MOST: usize = 10_000;

/// A running server.
pub struct Subject<'a> {
    /// Its process.
    pub process: u32,
    /// Where it is asked.
    pub target: Target,
    /// How it is asked.
    pub manner: Manner,
    /// How many loads long it is warmed up: a just-in-time compiler needs some time.
    pub warm_up: u32,
    /// The folder that it writes to with every request that changes something, if it does.
    pub disk: Option<&'a Path>,
    /// What it does for each request.
    pub work: fn(Operation) -> Answer,
}

/// What came out for one operation.
pub struct Figure {
    /// Requests for each second of the server's time on its core, beside the limit's.
    pub per_core: Middle,
    /// Requests a second that were reached, which others on the machine disturb.
    pub reached: f64,
    /// Requests for the discovery document for each second of the server's time, just before.
    pub discovery: f64,
    /// How often a second the disk takes what is written, if it has to.
    pub syncs: Option<f64>,
    /// What it does.
    pub work: Work,
}

/// What a server was measured at, or why not.
pub type Outcomes = Vec<(Operation, Result<Figure>)>;

/// A server with users.
struct Measuring<'a> {
    subject: &'a Subject<'a>,
    cores: Cores,
    effort: Effort,
    bare: Bare,
    browsers: Vec<Browser>,
}

/// How fast requests are answered.
#[derive(Clone, Copy)]
struct Speed {
    /// Answers a second.
    reached: f64,
    /// Answers for each second of the server's time.
    per_core: f64,
}

/// Makes one load.
type Load<'a> = Box<dyn FnMut() -> Result<Speed> + 'a>;

/// The time of a process and of all that it started.
fn spent(process: u32) -> Result<Duration> {
    tree(process).into_iter().map(processor_time).sum()
}

/// What a limit of so many a second comes to for each second of this thread's time.
fn per_core(measure: impl FnOnce() -> Result<f64>) -> Result<f64> {
    let (begun, before) = (now(), thread_time());
    let rate = measure()?;
    let spent = thread_time().saturating_sub(before);
    Ok(as_if_alone(rate, begun.elapsed(), spent))
}

/// A rate that was reached in some time, of which its thread had its core for `spent`.
fn as_if_alone(rate: f64, elapsed: Duration, spent: Duration) -> f64 {
    rate * elapsed.as_secs_f64() / spent.as_secs_f64()
}

/// The middle of some figures.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

impl Subject<'_> {
    /// Measures everything that it can do.
    pub fn measure(
        &self,
        people: impl Iterator<Item = Person>,
        cores: Cores,
        effort: Effort,
    ) -> Result<Outcomes> {
        let sign_in = |person| self.manner.sign_in(&self.target, &person);
        let browsers: Vec<Browser> = people.map(sign_in).collect::<Result<_>>()?;
        let measuring = Measuring {
            subject: self,
            cores,
            effort,
            bare: Bare::new(Alg::RS256)?,
            browsers,
        };
        let all = Operation::ALL.into_iter();
        Ok(all.map(|it| (it, measuring.figure(it))).collect())
    }
}

impl Measuring<'_> {
    fn figure(&self, operation: Operation) -> Result<Figure> {
        let work = (self.subject.work)(operation).map_err(anyhow::Error::msg)?;
        let discovery = self.subject.manner.discovery();
        self.repeat(&discovery, self.warm_up())?;
        let discover = || Ok(self.repeat(&discovery, self.effort.load)?.per_core);
        let of_discovery = discover()?;
        let limit = || match work.limit {
            Limit::Discovery => discover(),
            Limit::Signatures(count) => {
                Ok(self.bare(|time| self.bare.signing(time))? / f64::from(count))
            }
            Limit::Verification => self.bare(|time| self.bare.verifying(time)),
        };
        let disk = self.subject.disk.filter(|_| work.commits > 0);
        let mut load = self.load(operation)?;
        let (mut reached, mut syncs) = (Vec::new(), Vec::new());
        let per_core = Middle::of(self.effort.rounds, |_| {
            let limit = limit()?;
            if let Some(disk) = disk {
                syncs.push(syncing(disk, self.effort.bare)?);
            }
            let speed = load()?;
            reached.push(speed.reached);
            Ok(Round {
                measured: speed.per_core,
                limit,
            })
        })?;
        Ok(Figure {
            per_core,
            reached: median(reached).context("no round was measured")?,
            discovery: of_discovery,
            syncs: median(syncs),
            work,
        })
    }

    fn bare(&self, measure: impl FnOnce(Duration) -> Result<f64>) -> Result<f64> {
        self.cores
            .at_server(|| per_core(|| measure(self.effort.bare)))
    }

    /// What makes one load of an operation, after warming up.
    fn load(&self, operation: Operation) -> Result<Load<'_>> {
        let manner = &self.subject.manner;
        let time = self.effort.load;
        Ok(match operation {
            Operation::ClientCredentials => {
                let request = manner.client_credentials();
                check(&one_token(&self.subject.target, &request)?)?;
                self.repeat(&request, self.warm_up())?;
                Box::new(move || self.repeat(&request, time))
            }
            Operation::Code => {
                let mut speed = self.exchange(FEWEST)?;
                let begun = now();
                while begun.elapsed() < self.warm_up() {
                    speed = self.exchange(self.batch(speed))?;
                }
                Box::new(move || {
                    speed = self.exchange(self.batch(speed))?;
                    Ok(speed)
                })
            }
            Operation::Refresh => {
                let answers = self.answers(For::Api, CONNECTIONS)?;
                let chains = answers.iter().map(|answer| manner.refresh(answer));
                let mut chains: Vec<Vec<u8>> = chains.collect::<Result<_>>()?;
                self.refresh(&mut chains, self.warm_up())?;
                Box::new(move || self.refresh(&mut chains, time))
            }
            Operation::UserInfoOpaque | Operation::UserInfoJwt => {
                let is_jwt = operation == Operation::UserInfoJwt;
                let purpose = if is_jwt { For::Api } else { For::UserInfo };
                let answers = self.answers(purpose, 1)?;
                let token = std::str::from_utf8(access_token(&answers[0])?)?;
                ensure!(
                    check(token).is_ok() == is_jwt,
                    "the token is of the other kind"
                );
                let request = manner.userinfo(token);
                each_once(
                    self.target(),
                    std::slice::from_ref(&request),
                    check_userinfo,
                )?;
                self.repeat(&request, self.warm_up())?;
                Box::new(move || self.repeat(&request, time))
            }
        })
    }

    fn target(&self) -> Target {
        self.subject.target.clone()
    }

    fn warm_up(&self) -> Duration {
        self.effort.load * self.subject.warm_up
    }

    /// As many codes as are used up in one load.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive, and what it comes to is bounded"
    )]
    fn batch(&self, speed: Speed) -> usize {
        let wanted = (speed.reached * self.effort.load.as_secs_f64()) as usize;
        wanted.clamp(FEWEST, MOST)
    }

    /// Measures a load on connections that are open; `act` says how many answers there were, and how many in a second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is counted in seconds is far below 2^52"
    )]
    fn timed(&self, act: impl FnOnce(&mut [Connection]) -> Result<(usize, f64)>) -> Result<Speed> {
        let mut connections = open(CONNECTIONS, self.target())?;
        let before = spent(self.subject.process)?;
        let (answers, reached) = act(&mut connections)?;
        let spent = spent(self.subject.process)?.saturating_sub(before);
        ensure!(
            answers > 0 && !spent.is_zero(),
            "the server did next to nothing"
        );
        Ok(Speed {
            reached,
            per_core: answers as f64 / spent.as_secs_f64(),
        })
    }

    /// One request again and again.
    fn repeat(&self, request: &[u8], time: Duration) -> Result<Speed> {
        self.timed(|connections| {
            let mut answers = 0;
            let rate = flat_out_over(connections, request, time, |_| {
                answers += 1;
                Ok(())
            })?;
            Ok((answers, rate))
        })
    }

    /// Exchanges codes that are made for it.
    fn exchange(&self, count: usize) -> Result<Speed> {
        let exchanges = self.exchanges(For::Api, count)?;
        let look = |body: &[u8]| access_token(body).map(drop);
        self.timed(|connections| {
            let rate = each_once_over(connections, &exchanges, look)?;
            Ok((count, rate))
        })
    }

    fn exchanges(&self, purpose: For, count: usize) -> Result<Vec<Vec<u8>>> {
        let manner = &self.subject.manner;
        manner.exchanges(&self.subject.target, &self.browsers, purpose, count)
    }

    /// The answers to some codes, each with everything that is compared.
    fn answers(&self, purpose: For, count: usize) -> Result<Vec<Vec<u8>>> {
        let mut answers = Vec::new();
        let exchanges = self.exchanges(purpose, count)?;
        each_once(self.target(), &exchanges, |body| {
            if purpose == For::Api {
                check_exchange(body)?;
            }
            answers.push(body.to_vec());
            Ok(())
        })?;
        Ok(answers)
    }

    /// Follows chains of refresh tokens for a time, one on each connection; they can be followed on.
    fn refresh(&self, chains: &mut [Vec<u8>], time: Duration) -> Result<Speed> {
        let manner = &self.subject.manner;
        self.timed(|connections| {
            let begun = now();
            let mut count = 0;
            let rate = following(connections, |turn, answer| {
                if let Some(answer) = answer {
                    if count == 0 {
                        check_exchange(answer)?;
                    }
                    chains[turn] = manner.refresh(answer)?;
                    count += 1;
                }
                Ok((begun.elapsed() < time).then(|| chains[turn].clone()))
            })?;
            Ok((count, rate))
        })
    }
}

/// All must do the same work: two RS256 signatures, and a refresh token.
fn check_exchange(body: &[u8]) -> Result<()> {
    let answer: Value = serde_json::from_slice(body)?;
    for name in ["access_token", "id_token"] {
        let token = answer[name].as_str();
        let token = token.with_context(|| format!("an answer without {name}"))?;
        check(token).context(name)?;
    }
    ensure!(
        answer["refresh_token"].is_string(),
        "an answer without a refresh token"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_the_time_that_it_had_its_core() {
        let millis = Duration::from_millis;
        let rate = as_if_alone(100.0, millis(60), millis(20));
        assert!((rate - 300.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn the_middle_one_counts() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn an_exchange_without_an_id_token_is_another_one() {
        let error = check_exchange(br#"{"access_token":"opaque"}"#).unwrap_err();
        assert!(format!("{error:#}").contains("no JWT"), "{error:#}");
        assert!(check_exchange(b"{}").is_err());
    }
}
