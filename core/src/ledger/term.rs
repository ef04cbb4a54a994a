//! When one promise holds, and how promises open and close.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::sorted::SortedMap;
use crate::{LEEWAY, Seconds, UnixTime};

/// When a promise holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    tag = "phase",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Term {
    /// Used from `from` on; believed already before.
    Open {
        /// The first second in which it is used.
        from: UnixTime,
    },
    /// No longer used; believed up to and including `believe_until`.
    Closed {
        /// The first second in which it was, or would have been, used: every validator has heard of it by then.
        from: UnixTime,
        /// The last second in which a token made under it can be alive.
        believe_until: UnixTime,
    },
}

impl Term {
    /// Whether issuers may act on it.
    pub fn is_used(self, now: UnixTime) -> bool {
        matches!(self, Self::Open { from } if from <= now)
    }

    /// Whether validators accept what was made under it.
    pub fn is_believed(self, now: UnixTime) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Closed { believe_until, .. } => now <= believe_until,
        }
    }

    /// The moment after `now` at which it changes by itself.
    pub fn next_change(self, now: UnixTime) -> Option<UnixTime> {
        let moment = match self {
            Self::Open { from } => from,
            Self::Closed { believe_until, .. } => believe_until + 1,
        };
        (moment > now).then_some(moment)
    }

    /// Of two promises of the same thing what they give together: the one that is believed longer.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open { from: x }, Self::Open { from: y }) => Self::Open { from: x.min(y) },
            (Self::Open { .. }, Self::Closed { .. }) => self,
            (Self::Closed { .. }, Self::Open { .. }) => other,
            (
                Self::Closed {
                    believe_until: x, ..
                },
                Self::Closed {
                    believe_until: y, ..
                },
            ) => {
                if x >= y {
                    self
                } else {
                    other
                }
            }
        }
    }

    /// Of two promises that must both hold what they give together: believed no longer than either.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open { from: x }, Self::Open { from: y }) => Self::Open { from: x.max(y) },
            (Self::Open { .. }, Self::Closed { .. }) => other,
            (Self::Closed { .. }, Self::Open { .. }) => self,
            (
                Self::Closed {
                    believe_until: x, ..
                },
                Self::Closed {
                    believe_until: y, ..
                },
            ) => {
                if x <= y {
                    self
                } else {
                    other
                }
            }
        }
    }

    fn start(self) -> UnixTime {
        match self {
            Self::Open { from } | Self::Closed { from, .. } => from,
        }
    }

    fn close(self, believe_until: UnixTime) -> Self {
        match self {
            Self::Open { from } => Self::Closed {
                from,
                believe_until,
            },
            Self::Closed { .. } => self,
        }
    }
}

/// The moments that a change of promises takes effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    /// Now.
    pub now: UnixTime,
    /// When a new promise is used: when every validator has heard of it.
    pub from: UnixTime,
    /// Until when one that is taken back now is believed; `None` to refuse it, and all that was taken back earlier, at
    /// once.
    pub believe_until: Option<UnixTime>,
}

impl Effect {
    /// A change now. Issuers that have not heard of it go on for as long as news takes, `delay`, and tokens of theirs
    /// must be good for their whole life, too.
    pub fn new(now: UnixTime, delay: Seconds, longest_lifetime: Seconds) -> Self {
        Self {
            now,
            from: now + delay,
            believe_until: Some(now + delay + longest_lifetime + LEEWAY),
        }
    }

    /// The term of what is wanted.
    fn open(self, before: Option<Term>) -> Term {
        match before {
            Some(term @ Term::Open { .. }) => term,
            // It is used again at once if each validator, with the fastest clock, too, believes it until it hears of this.
            Some(Term::Closed {
                from,
                believe_until,
            }) if believe_until >= self.from + LEEWAY => Term::Open {
                from: from.max(self.now),
            },
            _ => Term::Open { from: self.from },
        }
    }

    /// The term of what is not wanted; `None` when nobody needs to believe it.
    fn close(self, before: Term) -> Option<Term> {
        let term = before.close(self.believe_until?);
        term.is_believed(self.now).then_some(term)
    }
}

/// Opens what is wanted and closes what is not; forgets what nobody believes any more.
pub(super) fn settle<K: Clone + Ord>(
    terms: &mut SortedMap<K, Term>,
    wanted: &BTreeSet<K>,
    effect: Effect,
) {
    for key in wanted {
        let term = effect.open(terms.get(key).copied());
        terms.insert(key.clone(), term);
    }
    close_others(terms, effect, |key, _| wanted.contains(key));
}

/// Settles promises of which one is used at a time: what was used before stays in use until what is wanted may be.
pub(super) fn switch<K: Clone + Ord>(terms: &mut SortedMap<K, Term>, wanted: &K, effect: Effect) {
    let known = terms.get(wanted).copied();
    let open = known.filter(|term| matches!(term, Term::Open { .. }));
    // Keys for it may have to be made first; they sign from `effect.from` on by each issuer's clock, and issuers are told
    // by the planner's, when the slowest of theirs is there. What comes back waits, too: its keys have closed.
    let from = if effect.from > effect.now {
        effect.from + LEEWAY
    } else {
        effect.now
    };
    let mut term = open.unwrap_or(Term::Open { from });
    if effect.believe_until.is_none() {
        // The old one is refused at once, so the new one is all there is.
        term = Term::Open {
            from: term.start().min(effect.now),
        };
    }
    terms.insert(wanted.clone(), term);
    let over = term.is_used(effect.now);
    close_others(terms, effect, |key, term| {
        key == wanted || (!over && term.is_used(effect.now))
    });
}

/// What is in use of promises that [`switch`] settled; just after something came back, what will be.
pub(super) fn in_use<K: Copy>(terms: &SortedMap<K, Term>, now: UnixTime) -> Option<K> {
    let open = |used: bool| {
        terms
            .iter()
            .find(move |(_, term)| matches!(term, Term::Open { .. }) && term.is_used(now) == used)
    };
    open(true).or_else(|| open(false)).map(|(key, _)| *key)
}

fn close_others<K: Ord>(
    terms: &mut SortedMap<K, Term>,
    effect: Effect,
    keep: impl Fn(&K, Term) -> bool,
) {
    terms.retain(|key, term| {
        if !keep(key, *term) {
            let Some(closed) = effect.close(*term) else {
                return false;
            };
            *term = closed;
        }
        true
    });
}
