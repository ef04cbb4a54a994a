//! What is explored of a scenario, and what must never be found.

use std::collections::BTreeMap;
use std::fmt;

use mintage_core::Seconds;

use crate::fixture::DELAY;
use crate::operator::{Scenario, Spoil, play};
use crate::receiver::Travel;
use crate::run::{Run, Token};

/// What must never happen.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Property {
    /// A validator refuses a good token: one that an honest issuer made, that has not expired, under no revoked key.
    GoodTokenRefused,
    /// An issuer with a bundle and a grant has no key to sign with.
    NoKey,
    /// A token is accepted at `exp + LEEWAY` or later.
    PastExpiry,
    /// A token of a revoked key is accepted where the revocation has arrived.
    RevokedAccepted,
}

/// How the world of a run differs from the plain one.
#[derive(Clone, Copy)]
pub struct Fault {
    /// Spoils what is told to sidecars.
    pub spoil: Spoil,
    /// By how much validators judge with an older moment than that of the check: a remembered verdict.
    pub late: Seconds,
    /// Whether receivers let an older bundle replace a newer one.
    pub takes_older: bool,
}

impl Fault {
    pub const NONE: Self = Self {
        spoil: |_, _, _| {},
        late: 0,
        takes_older: false,
    };
}

/// A violation found.
pub struct Violation {
    pub property: Property,
    /// Which token, when, and with what in hand.
    pub text: String,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.text)
    }
}

/// What was explored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub scenarios: u64,
    /// Distinct states of issuers and of validators, at all ticks under all clocks.
    pub states: u64,
    pub tokens: u64,
    /// Calls of `Verifier::judge`: a token at a validator in one of its states.
    pub judged: u64,
    pub accepted: u64,
    /// Keys that signed.
    pub keys: u64,
}

impl Count {
    pub fn add(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.states += other.states;
        self.tokens += other.tokens;
        self.judged += other.judged;
        self.accepted += other.accepted;
        self.keys = self.keys.max(other.keys);
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} scenarios, {} receiver states, {} tokens, {} judgements ({} accepted), at most {} signing keys",
            self.scenarios, self.states, self.tokens, self.judged, self.accepted, self.keys
        )
    }
}

/// Clocks of the issuer and of the validator against the operator's, in seconds: whatever they are, the operator's
/// can be called the true one.
pub fn clocks(skew: Seconds, step: Seconds) -> Vec<(Seconds, Seconds)> {
    let offsets = || (-skew..=skew).filter(move |offset| offset % step == 0);
    offsets()
        .flat_map(|issuer| offsets().map(move |validator| (issuer, validator)))
        .filter(|(issuer, validator)| (issuer - validator).abs() <= skew)
        .collect()
}

/// Explores a scenario under each pair of clocks. It finds at most one refusal or acceptance for each pair.
pub fn explore(
    scenario: &Scenario,
    clocks: &[(Seconds, Seconds)],
    fault: Fault,
) -> (Count, Vec<Violation>) {
    let history = play(scenario, fault.spoil);
    let mut run = Run::new(scenario, &history);
    let mut issuers: BTreeMap<Seconds, Vec<Token>> = BTreeMap::new();
    for (issuer, validator) in clocks {
        // An issuer whose clock is ahead uses news early, so what it tells must travel faster by as much.
        let travel = Travel {
            bound: DELAY - (*issuer).max(0),
            takes_older: fault.takes_older,
        };
        let tokens = issuers
            .entry(*issuer)
            .or_insert_with(|| run.issue(*issuer, travel.bound));
        run.validate(tokens, *validator, travel, fault.late);
    }
    let tokens = issuers.into_values().flatten();
    run.outcome(tokens.map(|token| token.kid()))
}
