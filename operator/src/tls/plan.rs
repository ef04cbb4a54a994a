//! When which certificate is made, served and forgotten.
//!
//! ```text
//!            │ current ─────────────────────────────── 2/3 of its life ──────────── expires
//!            │                                            │
//!            │                                         Prepare: next is made; its authority is in caBundle
//!            │                                            │◄──── delay ────►│
//!            │                                                           Promote: next is current
//!  caBundle  │ [current] ───────────────────────────── [current, next] ──────────── Forget: [current]
//! ```
//!
//! An API server may know a `caBundle` that is as old as the delay, and a replica may serve a certificate until it
//! expires: in between they always fit.

use std::collections::BTreeSet;

use mintage_core::{Seconds, UnixTime};

use super::certificate::{BACKDATED, Facts};
use super::state::State;

/// How long things last, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// A certificate.
    pub life: Seconds,
    /// From when API servers were told of an authority until a certificate of it is served.
    pub delay: Seconds,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            life: 90 * 86_400,
            delay: 600,
        }
    }
}

/// What the API server's configurations hold as `caBundle`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// What they should, and did so before.
    Already,
    /// What they should, since this moment.
    Now,
    /// Something else, or there are none.
    Otherwise,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Drop authorities whose certificates have expired.
    Forget,
    /// Nothing until then, unless something changes.
    Keep {
        /// When to look again.
        until: UnixTime,
    },
    /// Write down since when API servers have been told of the next authority.
    Note {
        /// Since when.
        since: UnixTime,
    },
    /// Make the next certificate.
    Prepare,
    /// Serve the next certificate.
    Promote,
    /// Make a certificate and serve it at once: nothing that is there can be.
    Start,
}

/// What a certificate is to be for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The names that API servers call: one that lacks any of them is of no use.
    pub called: &'a BTreeSet<String>,
    /// All that a new one is made for.
    pub all: &'a BTreeSet<String>,
}

/// The next step. Once it is taken there may be another, until [`Step::Keep`].
pub fn step(
    now: UnixTime,
    present: Option<&State>,
    told: Told,
    names: Names<'_>,
    policy: Policy,
) -> Step {
    let Some(state) = present else {
        return Step::Start;
    };
    let current = &state.current.facts;
    let next = state.next.as_ref();
    if !current.is_good(now) {
        let usable = next.is_some_and(|next| next.served.facts.is_good(now));
        return if usable { Step::Promote } else { Step::Start };
    }
    let due = renew_at(current, policy);
    let stays = current.covers(names.called);
    let Some(next) = next else {
        return if now >= due || !current.covers(names.all) {
            Step::Prepare
        } else {
            rest(now, state, due)
        };
    };
    let facts = &next.served.facts;
    if !facts.is_good(now) || !facts.covers(names.all) || now >= renew_at(facts, policy) {
        return Step::Prepare;
    }
    // A time to come was noted by a clock that was wrong.
    let noted = next.told_since.filter(|since| *since <= now);
    let since = match (told, noted) {
        (Told::Already, Some(since)) => since,
        (Told::Now, Some(since)) if since == now => since,
        (Told::Already | Told::Now, _) => return Step::Note { since: now },
        (Told::Otherwise, _) => return rest(now, state, current.not_after),
    };
    // Where the current certificate lacks a name that API servers call, waiting helps nobody.
    let delay = if stays { policy.delay } else { 0 };
    if now >= since + delay {
        Step::Promote
    } else {
        rest(now, state, since + delay)
    }
}

fn rest(now: UnixTime, state: &State, due: UnixTime) -> Step {
    if state.forgettable(now).next().is_some() {
        return Step::Forget;
    }
    let ends = state.trusted.iter().map(|one| one.facts.not_after);
    let ends = ends.filter(|end| *end > now);
    let until = ends.chain([due]).min().unwrap_or(due);
    Step::Keep { until }
}

/// At two thirds of a certificate's life, or up to a twentieth of it earlier: each at its own moment.
pub fn renew_at(facts: &Facts, policy: Policy) -> UnixTime {
    // One that was made under another policy has the life that it has.
    let begin = facts.not_before + BACKDATED;
    let life = (facts.not_after - begin).clamp(0, policy.life.max(1));
    let earlier = life / 20 * Seconds::from(facts.spread) / Seconds::from(u16::MAX);
    facts.not_after - life / 3 - earlier
}
