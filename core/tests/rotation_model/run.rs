//! One scenario: every token that can be made in it, shown to every validator that can be met.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use mintage_core::bundle::{Bundle, KeyringFile};
use mintage_core::keyring::Schedule;
use mintage_core::mint::{Mint, NoOrder};
use mintage_core::policy::{Granted, Request};
use mintage_core::verify::{Authentic, Expected, Rejection, Verifier};
use mintage_core::{Identifier, Kid, LEEWAY, Seconds, UnixTime};

use crate::explore::{Count, Property, Violation};
use crate::fixture::{API, DELAY, START, TICK, checkout};
use crate::operator::{Event, History, Loss, Scenario};
use crate::receiver::{Held, Travel, bits, reachable};

/// A token and when it was made.
pub struct Token {
    made: Seconds,
    authentic: Rc<Authentic>,
}

/// The run of one scenario.
pub struct Run<'a> {
    scenario: &'a Scenario,
    history: &'a History,
    verifiers: Vec<Verifier>,
    /// The first bundle of validators that says of a key that it is revoked.
    revoked_from: BTreeMap<Kid, usize>,
    /// By bundle and keyring files.
    mints: HashMap<(usize, u32), Mint>,
    /// Signing and finding the signer are remembered; judging is not.
    signed: HashMap<(Kid, UnixTime, Granted), Rc<Authentic>>,
    accepted: BTreeSet<Identifier>,
    found: Vec<Violation>,
    count: Count,
}

impl Token {
    pub fn kid(&self) -> Kid {
        self.authentic.kid.clone()
    }
}

/// For each revoked key the first bundle that says so.
fn first_refusals(history: &History) -> BTreeMap<Kid, usize> {
    let lists_revoked = |bundle: &Bundle, kid: &Kid| {
        let mut keys = bundle.body.keys.iter().map(|trusted| &trusted.key);
        keys.any(|key| key.kid() == kid && matches!(key.schedule, Schedule::Revoked { .. }))
    };
    let first = |kid: &Kid| {
        let mut bundles = history.to_validators.iter();
        bundles.position(|sent| lists_revoked(&sent.what, kid))
    };
    let kids = history.revoked.keys();
    kids.filter_map(|kid| Some((kid.clone(), first(kid)?)))
        .collect()
}

impl<'a> Run<'a> {
    pub fn new(scenario: &'a Scenario, history: &'a History) -> Self {
        let verifiers = history.to_validators.iter();
        Self {
            scenario,
            history,
            verifiers: verifiers
                .map(|sent| Verifier::new(&sent.what.body).unwrap())
                .collect(),
            revoked_from: first_refusals(history),
            mints: HashMap::new(),
            signed: HashMap::new(),
            accepted: BTreeSet::from([Identifier::parse(API).unwrap()]),
            found: Vec::new(),
            count: Count::default(),
        }
    }

    /// What was explored and found; `kids` are those of all tokens.
    pub fn outcome(mut self, kids: impl Iterator<Item = Kid>) -> (Count, Vec<Violation>) {
        self.count.scenarios = 1;
        self.count.keys = kids.collect::<BTreeSet<_>>().len() as u64;
        (self.count, self.found)
    }

    /// The tokens that an issuer can make, one at each tick in each of its states.
    pub fn issue(&mut self, offset: Seconds, bound: Seconds) -> Vec<Token> {
        let travel = Travel {
            bound,
            takes_older: false,
        };
        let bundles = reachable(&self.history.to_issuers, travel, self.scenario.ticks);
        let keyrings = reachable(&self.history.keyrings, travel, self.scenario.ticks);
        let mut tokens = Vec::new();
        for ((tick, bundles), keyrings) in (0..).zip(bundles).zip(keyrings) {
            let made = tick * TICK;
            let bundles: BTreeSet<usize> = bundles.iter().map(|held| held.index).collect();
            let files: BTreeSet<u32> = keyrings.iter().map(|held| self.files(*held)).collect();
            let mut kids = BTreeMap::new();
            for (bundle, files) in bundles
                .iter()
                .flat_map(|b| files.iter().map(move |f| (*b, *f)))
            {
                self.count.states += 1;
                if let Some(authentic) = self.token(made, offset, bundle, files) {
                    let claims = &authentic.claims;
                    let same = (
                        authentic.kid.clone(),
                        claims.expires_at,
                        claims.scopes.len(),
                    );
                    kids.insert(same, authentic);
                }
            }
            tokens.extend(
                kids.into_values()
                    .map(|authentic| Token { made, authentic }),
            );
        }
        self.count.tokens += tokens.len() as u64;
        tokens
    }

    /// The keyring files whose keys an issuer has: the one in force. After a loss it keeps in memory what it had.
    fn files(&self, held: Held) -> u32 {
        let mut events = self.scenario.events.iter();
        if events.any(|(_, event)| matches!(event, Event::LoseNewest | Event::LoseSigning)) {
            held.arrived
        } else {
            1 << held.index
        }
    }

    fn token(
        &mut self,
        made: Seconds,
        offset: Seconds,
        bundle: usize,
        files: u32,
    ) -> Option<Rc<Authentic>> {
        let body = &self.history.to_issuers[bundle].what.body;
        let keyrings = &self.history.keyrings;
        let mint = self.mints.entry((bundle, files)).or_insert_with(|| {
            let files: Vec<KeyringFile> = bits(files).map(|i| keyrings[i].what.clone()).collect();
            Mint::new(body, checkout(), None, &files).unwrap()
        });
        let now = START + made + offset;
        let request = Request {
            audience: Some(API),
            scope: None,
        };
        match mint.order(now, request) {
            Ok(order) => {
                let same = (order.kid.clone(), now, order.granted.clone());
                let sign = || {
                    let token = mint.sign(&order, [0; 16]).unwrap();
                    let verifier = Verifier::new(body).unwrap();
                    Rc::new(verifier.authenticate(&token, now).unwrap())
                };
                Some(self.signed.entry(same).or_insert_with(sign).clone())
            }
            Err(refusal) => {
                if made + offset >= 0 && self.must_issue(made, bundle, files, &refusal) {
                    let text = format!(
                        "at {made} an issuer with a clock of {offset:+}, bundle {bundle} and keyrings {files:b}: {refusal}"
                    );
                    self.report(Property::NoKey, text);
                }
                None
            }
        }
    }

    /// Whether an issuer ought to have made a token. There may be no key
    /// - from the revocation of one until its successor may sign;
    /// - after the loss of one that the issuer never got, until it hears of the loss, or if the key was in use already
    ///   until its successor may sign.
    ///
    /// - while no key was brought, from the revocation of the last one until another one may sign.
    ///
    /// And without a grant there need not be a token.
    fn must_issue(&self, made: Seconds, bundle: usize, files: u32, refusal: &NoOrder) -> bool {
        let history = self.history;
        let (NoOrder::KeyUnavailable { .. } | NoOrder::Central { .. }) = refusal else {
            let mut events = self.scenario.events.iter();
            return self.scenario.granted && !events.any(|(_, event)| *event == Event::RemoveGrant);
        };
        let succeeding = |at: Seconds| (at..=at + DELAY + LEEWAY).contains(&made);
        let never_got = |kid: &Kid| {
            let mut files = bits(files).map(|index| &history.keyrings[index].what);
            !files.any(|file| file.keys.iter().any(|key| key.kid == *kid))
        };
        let unheard = |loss: &Loss| history.to_issuers[bundle].at < loss.at;
        // The successor may be lost in its turn.
        let succeeds = |at: Seconds| {
            let mut losses = history.lost.values().map(|loss| loss.at);
            succeeding(at)
                || losses.any(|lost| (at..=at + DELAY).contains(&lost) && succeeding(lost))
        };
        let revoked = history.revoked.values().any(|at| succeeds(*at));
        let lost = history.lost.iter().any(|(kid, loss)| {
            never_got(kid) && succeeding(loss.at) && (loss.signs || unheard(loss))
        });
        let keyless = history.keyless.iter().any(|(from, until)| {
            *from <= made && until.is_none_or(|until| made <= until + DELAY + LEEWAY)
        });
        !revoked && !lost && !keyless
    }

    /// Shows each token to validators in each of their states, from its making to well past its end.
    pub fn validate(&mut self, tokens: &[Token], offset: Seconds, travel: Travel, late: Seconds) {
        let states = reachable(&self.history.to_validators, travel, self.scenario.ticks);
        let states: Vec<BTreeSet<(usize, usize)>> = states
            .into_iter()
            .map(|held| {
                held.iter()
                    .map(|held| (held.index, newest(*held)))
                    .collect()
            })
            .collect();
        self.count.states += states.iter().map(|states| states.len() as u64).sum::<u64>();
        for token in tokens {
            let claims = &token.authentic.claims;
            let lifetime = claims.expires_at - claims.issued_at;
            let last = token.made + lifetime + 2 * LEEWAY + TICK;
            let revoked_from = self.revoked_from.get(&token.authentic.kid).copied();
            for (tick, states) in (0..)
                .zip(&states)
                .skip(usize::try_from(token.made / TICK).unwrap())
            {
                let at = tick * TICK;
                if at > last {
                    break;
                }
                let now = START + at + offset;
                let expired = now >= claims.expires_at + LEEWAY;
                let revoked = self.history.revoked.get(&token.authentic.kid);
                let good =
                    at < token.made + lifetime && revoked.is_none_or(|revoked| *revoked > at);
                for (index, newest) in states {
                    let expected = Expected::Apis(&self.accepted);
                    let verdict =
                        self.verifiers[*index].judge(&token.authentic, expected, now - late);
                    self.count.judged += 1;
                    let property = match verdict {
                        Ok(_) => {
                            self.count.accepted += 1;
                            if expired {
                                Property::PastExpiry
                            } else if revoked_from.is_some_and(|from| *newest >= from) {
                                Property::RevokedAccepted
                            } else {
                                continue;
                            }
                        }
                        Err(_) if good => Property::GoodTokenRefused,
                        Err(_) => continue,
                    };
                    let verdict = verdict.map(|_| "accepted");
                    let text = describe(token, at, offset, *index, verdict);
                    self.found.push(Violation { property, text });
                    return;
                }
            }
        }
    }

    fn report(&mut self, property: Property, text: String) {
        if self.found.iter().all(|known| known.property != property) {
            self.found.push(Violation { property, text });
        }
    }
}

fn newest(held: Held) -> usize {
    bits(held.arrived).last().unwrap_or(held.index)
}

fn describe(
    token: &Token,
    at: Seconds,
    offset: Seconds,
    index: usize,
    verdict: Result<&str, Rejection>,
) -> String {
    let claims = &token.authentic.claims;
    let issuer = claims.issued_at - START - token.made;
    let verdict = verdict.map_or_else(|rejection| rejection.to_string(), str::to_owned);
    format!(
        "a token made at {} (clock {issuer:+}) for {} s, checked at {at} (clock {offset:+}) with bundle {index}: {verdict}",
        token.made,
        claims.expires_at - claims.issued_at,
    )
}
