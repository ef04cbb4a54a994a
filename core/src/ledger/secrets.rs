//! The generations of an application's secret: a new one is good before the application is given it, and the one before goes
//! on being good for as long as its owner said.
//!
//! ```text
//!  asked for ──propagation delay──► given to the application ──acceptPrevious──► the one before is refused
//!  └─ the endpoint takes both ──────┴───────────────────────────────────────────┘
//! ```

use serde::{Deserialize, Serialize};

use super::term::{Effect, Term, in_use, switch};
use crate::sorted::SortedMap;
use crate::world::SecretRules;
use crate::{ObjectRef, Seconds, TenantRef, Uid, UnixTime};

/// The most generations of one secret that are good at a time: each costs a derivation at every attempt.
const MOST: usize = 4;

/// What the secret of one application promised.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretLedger {
    /// The tenant.
    pub tenant: TenantRef,
    /// The application.
    pub at: ObjectRef,
    /// Which life of it.
    pub uid: Uid,
    /// The generations that are good.
    pub generations: Generations,
}

/// When each generation of a secret is good. One is open at least.
pub type Generations = SortedMap<u32, Term>;

/// Plans the generations of an application's secret. `delay` is the propagation delay, within which the endpoint hears of
/// a new one.
pub fn settle_secret(
    now: UnixTime,
    before: Option<&Generations>,
    rules: SecretRules,
    delay: Seconds,
) -> Generations {
    let mut terms = before.cloned().unwrap_or_default();
    // A generation never comes back: whoever found an old secret would have a good one.
    let newest = terms.keys().next_back().copied();
    let wanted = newest.map_or(rules.generation, |newest| newest.max(rules.generation));
    let keeps = rules.accept_previous > 0;
    let effect = Effect {
        now,
        // Nobody has the first one yet, and whoever lost one waits for nothing.
        from: if before.is_some() && keeps {
            now + delay
        } else {
            now
        },
        believe_until: keeps.then_some(now + rules.accept_previous),
    };
    switch(&mut terms, &wanted, effect);
    let latest = now + rules.accept_previous;
    terms.retain(|_, term| match term {
        Term::Open { .. } => true,
        Term::Closed {
            from,
            believe_until,
        } => {
            *believe_until = latest.min(*believe_until);
            // One that was never in use was given to nobody.
            *from <= now
        }
    });
    while terms.len() > MOST {
        let oldest = terms.keys().next().copied();
        terms.retain(|generation, _| Some(*generation) != oldest);
    }
    terms
}

/// When the next generation takes the place of the one in use.
pub fn next_from(generations: &Generations, now: UnixTime) -> Option<UnixTime> {
    let open = generations.values().filter_map(|term| match term {
        Term::Open { from } if *from > now => Some(*from),
        _ => None,
    });
    open.min()
}

/// Until when the last of the earlier generations is good.
pub fn previous_until(generations: &Generations) -> Option<UnixTime> {
    let closed = generations.values().filter_map(|term| match term {
        Term::Open { .. } => None,
        Term::Closed { believe_until, .. } => Some(*believe_until),
    });
    closed.max()
}

impl SecretLedger {
    /// The generation that the application is given.
    pub fn in_use(&self, now: UnixTime) -> Option<u32> {
        in_use(&self.generations, now)
    }

    /// The next moment after `now` at which a generation changes by itself.
    pub fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        let terms = self.generations.values();
        terms.filter_map(|term| term.next_change(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_000_000);
    const DELAY: Seconds = 300;
    const DAY: Seconds = 86_400;

    fn rules(generation: u32, accept_previous: Seconds) -> SecretRules {
        SecretRules {
            accept_previous,
            generation,
        }
    }

    fn ledger(generations: Generations) -> SecretLedger {
        SecretLedger {
            tenant: TenantRef::parse("identity/acme").unwrap(),
            at: ObjectRef::parse("shop/app").unwrap(),
            uid: Uid::parse("a").unwrap(),
            generations,
        }
    }

    /// An application's secret, as its owner changes it and the clock goes on.
    struct Story(Generations);

    impl Story {
        fn begin(generation: u32) -> Self {
            Self(settle_secret(NOW, None, rules(generation, DAY), DELAY))
        }

        /// The generation that is given, and all that are good.
        fn at(&mut self, now: UnixTime, rules: SecretRules) -> (Option<u32>, Vec<u32>) {
            self.0 = settle_secret(now, Some(&self.0), rules, DELAY);
            let again = settle_secret(now, Some(&self.0), rules, DELAY);
            assert_eq!(again, self.0, "planning again changes nothing");
            let good = self.0.iter().filter(|(_, term)| term.is_believed(now));
            let good = good.map(|(generation, _)| *generation).collect();
            (ledger(self.0.clone()).in_use(now), good)
        }
    }

    #[test]
    fn the_first_secret_is_given_at_once_whatever_its_generation() {
        for generation in [1, 7] {
            let mut story = Story::begin(generation);
            let seen = story.at(NOW, rules(generation, DAY));
            assert_eq!(seen, (Some(generation), vec![generation]));
        }
    }

    #[test]
    fn a_new_secret_is_good_before_it_is_given_and_the_old_one_for_a_day_after() {
        let mut story = Story::begin(1);
        let asked = NOW + 1000;
        assert_eq!(story.at(asked, rules(2, DAY)), (Some(1), vec![1, 2]));
        let given = next_from(&story.0, asked).unwrap();
        assert!(given >= asked + DELAY, "{given}");
        assert_eq!(story.at(given - 1, rules(2, DAY)), (Some(1), vec![1, 2]));
        assert_eq!(story.at(given, rules(2, DAY)), (Some(2), vec![1, 2]));
        assert_eq!(next_from(&story.0, given), None);
        assert_eq!(previous_until(&story.0), Some(given + DAY));
        let ledger = ledger(story.0.clone());
        assert_eq!(ledger.next_change(given), Some(given + DAY + 1));
        assert_eq!(story.at(given + DAY, rules(2, DAY)), (Some(2), vec![1, 2]));
        assert_eq!(story.at(given + DAY + 1, rules(2, DAY)), (Some(2), vec![2]));
        assert_eq!(story.0.len(), 1, "it is forgotten");
    }

    #[test]
    fn a_plan_that_comes_late_lets_the_old_one_go_on_as_long_all_the_same() {
        let mut story = Story::begin(1);
        story.at(NOW, rules(2, DAY));
        let late = NOW + 10 * DAY;
        assert_eq!(story.at(late, rules(2, DAY)), (Some(2), vec![1, 2]));
        assert_eq!(story.at(late + DAY, rules(2, DAY)), (Some(2), vec![1, 2]));
        assert_eq!(story.at(late + DAY + 1, rules(2, DAY)), (Some(2), vec![2]));
    }

    #[test]
    fn a_secret_that_leaked_is_refused_at_once() {
        let mut story = Story::begin(1);
        assert_eq!(story.at(NOW, rules(2, 0)), (Some(2), vec![2]));

        // Also when it is noticed in the middle of a rotation, before the new one was given and after.
        for wait in [1, 1000] {
            let mut story = Story::begin(1);
            story.at(NOW, rules(2, DAY));
            story.at(NOW + 1000, rules(2, DAY));
            story.at(NOW + 2000, rules(3, DAY));
            let noticed = NOW + 2000 + wait;
            assert_eq!(story.at(noticed, rules(3, 0)), (Some(3), vec![3]), "{wait}");
        }
    }

    #[test]
    fn a_shorter_time_counts_at_once_and_a_longer_one_revives_nothing() {
        let mut story = Story::begin(1);
        story.at(NOW, rules(2, DAY));
        let given = NOW + 1000;
        story.at(given, rules(2, DAY));
        story.at(given, rules(2, 60));
        assert_eq!(previous_until(&story.0), Some(given + 60));
        story.at(given, rules(2, 30 * DAY));
        assert_eq!(previous_until(&story.0), Some(given + 60));
        story.at(given + 61, rules(2, DAY));
        let revived = story.at(given + 61, rules(2, 30 * DAY));
        assert_eq!(revived, (Some(2), vec![2]));
    }

    #[test]
    fn a_generation_never_comes_back() {
        let mut story = Story::begin(3);
        assert_eq!(story.at(NOW, rules(1, DAY)), (Some(3), vec![3]));
        assert_eq!(story.at(NOW, rules(4, DAY)), (Some(3), vec![3, 4]));
        assert_eq!(story.at(NOW + 1, rules(2, DAY)), (Some(3), vec![3, 4]));
    }

    #[test]
    fn a_secret_that_nobody_was_given_is_good_no_longer_when_another_takes_its_place() {
        let mut story = Story::begin(1);
        assert_eq!(story.at(NOW, rules(2, DAY)), (Some(1), vec![1, 2]));
        assert_eq!(story.at(NOW + 1, rules(3, DAY)), (Some(1), vec![1, 3]));
        assert_eq!(story.at(NOW + 1000, rules(3, DAY)), (Some(3), vec![1, 3]));
    }

    #[test]
    fn of_many_rotations_the_last_few_are_good() {
        let mut story = Story::begin(1);
        for generation in 2..10 {
            let now = NOW + 1000 * i64::from(generation);
            story.at(now, rules(generation, DAY));
            story.at(now + 999, rules(generation, DAY));
        }
        let seen = story.at(NOW + 10_000, rules(9, DAY));
        assert_eq!(seen, (Some(9), vec![6, 7, 8, 9]));
    }
}
