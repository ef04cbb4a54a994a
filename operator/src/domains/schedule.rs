//! When a domain is checked again, and when a proof that was there counts as gone.
//!
//! ```text
//!                      shown
//!   Unproven ───────────────────────► Proven ◄────────┐
//!   5 s … 10 min ◄──────┐             every 12 h      │ shown
//!                       │                │ not shown  │
//!                       │ lapsed         ▼            │
//!                       └───────────── Doubted ───────┘
//!                                      every 20 min
//! ```
//!
//! Times are counted from the start of the checks by a clock that nobody sets, so that a step of the machine's clock makes
//! nothing lapse and delays no check.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mintage_core::Uid;
use mintage_crds::CustomDomain;
use mintage_crds::status::find;

use super::challenge::Subject;
use super::outcome::{self, Outcome};
use crate::observe::VERIFIED;

/// What the status of an object says of its domain.
pub fn condition(object: &CustomDomain) -> Option<&Condition> {
    find(&object.status.as_ref()?.conditions, VERIFIED)
}

/// How often domains are checked, and how long a proof is missed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pace {
    /// A domain that is shown is checked again after this time at the latest.
    pub period: Duration,
    /// After the first check that did not show it; doubled after each further one.
    pub first_retry: Duration,
    /// The longest time between two checks of a domain that is not shown.
    pub longest_retry: Duration,
    /// A proof lapses after so many answers that do not show it …
    pub lapse_answers: u32,
    /// … over at least this time.
    pub lapse_after: Duration,
    /// It lapses after this time without a proof if there are no answers, too.
    pub lapse_silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            period: Duration::from_hours(12),
            first_retry: Duration::from_secs(5),
            longest_retry: Duration::from_mins(10),
            lapse_answers: 3,
            lapse_after: Duration::from_hours(1),
            lapse_silence: Duration::from_hours(24),
        }
    }
}

/// What is known of one life of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Which life.
    pub uid: Uid,
    /// Where it stands.
    pub standing: Standing,
    /// When it is checked next, counted from the start of the checks.
    pub next_check: Duration,
}

/// Where a domain stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Control was shown, and the last checks did not find the proof.
    Doubted(Doubt),
    /// The last check showed control.
    Proven,
    /// Control has not been shown, or not for too long.
    Unproven {
        /// How many checks in a row did not show it.
        failures: u32,
    },
}

/// How a proof has been missed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Doubt {
    /// Since when.
    pub since: Duration,
    /// The answers that did not show it, and since when there have been such.
    pub answers: Option<(u32, Duration)>,
}

/// What an object's status says of the time before this process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Past {
    /// Nothing, or something about another challenge than the one it has now.
    New,
    /// Control was shown.
    Proven,
    /// Control was shown, and was in doubt.
    Doubted,
    /// Control was not shown.
    Unproven,
}

/// A number out of 2³², drawn by chance.
pub type Chance = u32;

impl Past {
    /// Reads an object's status, which the operator alone writes. It counts for the challenge that stands in it, and so
    /// for one life of the object, one domain and one method.
    pub fn of(object: &CustomDomain, subject: &Subject) -> Self {
        let challenge = object
            .status
            .as_ref()
            .and_then(|status| status.challenge.as_ref());
        if challenge != subject.challenge().as_ref() {
            return Self::New;
        }
        match condition(object) {
            Some(condition) if condition.status == "True" => {
                if condition.message == outcome::shown(subject) {
                    Self::Proven
                } else {
                    Self::Doubted
                }
            }
            // Not checked yet is as good as new.
            Some(condition) if condition.reason != "NotChecked" => Self::Unproven,
            _ => Self::New,
        }
    }
}

impl Record {
    /// The record of an object that this process sees for the first time. What was shown before stays shown; checks are
    /// spread, so that a restart is no stampede, and what is new is checked at once.
    pub fn begin(uid: Uid, past: Past, now: Duration, chance: Chance, pace: &Pace) -> Self {
        let unproven = Standing::Unproven { failures: 0 };
        let soon = pace.longest_retry.min(pace.period);
        let (standing, within) = match past {
            Past::New => (unproven, Duration::ZERO),
            Past::Proven => (Standing::Proven, pace.period),
            Past::Doubted => (Standing::Proven, soon),
            Past::Unproven => (unproven, soon),
        };
        Self {
            uid,
            standing,
            next_check: now + within.mul_f64(fraction(chance)),
        }
    }

    /// Whether control counts as shown.
    pub fn is_verified(&self) -> bool {
        !matches!(self.standing, Standing::Unproven { .. })
    }

    /// The record after a check.
    pub fn after(self, outcome: &Outcome, now: Duration, chance: Chance, pace: &Pace) -> Self {
        let answered = matches!(outcome, Outcome::Contradicted(_));
        let standing = match (outcome, self.standing) {
            (Outcome::Shown, _) => Standing::Proven,
            (Outcome::Barred(_), _) => Standing::Unproven { failures: 0 },
            (_, Standing::Unproven { failures }) => Standing::Unproven {
                failures: failures.saturating_add(1),
            },
            (_, Standing::Proven) => Doubt::new(now).missed(answered, now, pace),
            (_, Standing::Doubted(doubt)) => doubt.missed(answered, now, pace),
        };
        let wait = match standing {
            Standing::Proven | Standing::Unproven { failures: 0 } => pace.period,
            Standing::Unproven { failures } => pace.retry(failures),
            Standing::Doubted(_) => pace.doubted(),
        };
        Self {
            uid: self.uid,
            standing,
            // Up to a fifth sooner, so that what began together does not stay together.
            next_check: now + wait.mul_f64(1.0 - fraction(chance) / 5.0),
        }
    }
}

impl Doubt {
    fn new(since: Duration) -> Self {
        Self {
            since,
            answers: None,
        }
    }

    /// One more check that did not find the proof.
    fn missed(mut self, answered: bool, now: Duration, pace: &Pace) -> Standing {
        if answered {
            let (count, since) = self.answers.unwrap_or((0, now));
            self.answers = Some((count.saturating_add(1), since));
        }
        let denied = self.answers.is_some_and(|(count, since)| {
            count >= pace.lapse_answers && now.saturating_sub(since) >= pace.lapse_after
        });
        if denied || now.saturating_sub(self.since) >= pace.lapse_silence {
            Standing::Unproven { failures: 1 }
        } else {
            Standing::Doubted(self)
        }
    }
}

impl Pace {
    /// How long to wait after so many checks that did not show control.
    fn retry(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let wait = self.first_retry.saturating_mul(doubled);
        wait.min(self.longest_retry)
    }

    /// How long to wait while a proof is missed: so that the answers it takes fit into the time that it takes.
    fn doubted(&self) -> Duration {
        (self.lapse_after / self.lapse_answers.max(1)).min(self.period)
    }
}

/// From 0 up to, but not, 1.
fn fraction(chance: Chance) -> f64 {
    f64::from(chance) / 2_f64.powi(32)
}

#[cfg(test)]
mod tests;
