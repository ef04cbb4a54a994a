//! What failed, and when to try it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mintage_sidecar::clock::random_u32;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(2);

/// Those that wait, tenants for instance, each for longer after each failure, with jitter.
#[derive(Debug)]
pub struct Retries<K> {
    waiting: BTreeMap<K, Waiting>,
    again: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    failures: u32,
    until: Instant,
    /// What failed, in words.
    texts: Vec<String>,
}

impl<K> Default for Retries<K> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            again: None,
        }
    }
}

impl<K: Clone + Ord> Retries<K> {
    /// Something of one failed.
    pub fn fail(&mut self, key: K, texts: Vec<String>, now: Instant) {
        let waiting = self.waiting.entry(key).or_insert(Waiting {
            failures: 0,
            until: now,
            texts: Vec::new(),
        });
        let whole = FIRST
            .saturating_mul(2_u32.saturating_pow(waiting.failures))
            .min(LONGEST);
        waiting.failures += 1;
        waiting.texts = texts;
        // Between half and the whole of it.
        let half = whole / 2;
        waiting.until = now + half + half.mul_f64(f64::from(random_u32()) / f64::from(u32::MAX));
    }

    /// One is well.
    pub fn succeed(&mut self, key: &K) {
        self.waiting.remove(key);
    }

    /// All were tried but those that were left alone: who has not failed is well, or gone.
    pub fn settle(
        &mut self,
        failed: BTreeMap<K, Vec<String>>,
        left_alone: &BTreeSet<K>,
        now: Instant,
    ) {
        self.retain(|key| failed.contains_key(key) || left_alone.contains(key));
        for (key, texts) in failed {
            self.fail(key, texts, now);
        }
    }

    /// Forgets the others.
    pub fn retain(&mut self, stays: impl Fn(&K) -> bool) {
        self.waiting.retain(|key, _| stays(key));
    }

    /// Whether something of one failed the last time.
    pub fn has(&self, key: &K) -> bool {
        self.waiting.contains_key(key)
    }

    /// Whether one waits to be tried again.
    pub fn waits(&self, key: &K, now: Instant) -> bool {
        self.waiting
            .get(key)
            .is_some_and(|waiting| now < waiting.until)
    }

    /// All that wait to be tried again.
    pub fn waiting(&self, now: Instant) -> impl Iterator<Item = &K> {
        let waiting = self.waiting.iter();
        waiting
            .filter(move |(_, waiting)| now < waiting.until)
            .map(|(key, _)| key)
    }

    /// What failed the last time.
    pub fn said(&self) -> impl Iterator<Item = (&K, &[String])> {
        let waiting = self.waiting.iter();
        waiting.map(|(key, waiting)| (key, waiting.texts.as_slice()))
    }

    /// Something that is about none of them in particular is to be tried again.
    pub fn again(&mut self, now: Instant) {
        self.again = Some(now + FIRST);
    }

    /// A turn begins: what is to be tried again by now is tried with it.
    pub fn begin(&mut self, now: Instant) {
        self.again.take_if(|again| *again <= now);
    }

    /// When the next try is due.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.waiting.values().map(|waiting| waiting.until);
        waiting.chain(self.again).min()
    }

    /// The same after a moment at which all were tried that could be. What was overdue then waits for what holds it, and not
    /// for the clock.
    pub fn next_after(&self, moment: Instant) -> Option<Instant> {
        let waiting = self.waiting.values().map(|waiting| waiting.until);
        waiting.filter(|until| *until > moment).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_up_to_a_limit() {
        let mut retries = Retries::default();
        let now = Instant::now();
        for number in 0..20 {
            retries.fail("acme", Vec::new(), now);
            let wait = retries.next().unwrap() - now;
            let whole = FIRST
                .saturating_mul(2_u32.saturating_pow(number))
                .min(LONGEST);
            assert!(wait >= whole / 2 && wait <= whole, "{number}: {wait:?}");
            assert!(retries.waits(&"acme", now) && !retries.waits(&"globex", now));
        }
        retries.succeed(&"acme");
        assert_eq!(retries.next(), None);
    }

    #[test]
    fn who_was_left_alone_goes_on_waiting_and_says_what_it_said() {
        let mut retries = Retries::default();
        let now = Instant::now();
        let failed = |keys: &[&'static str]| {
            let texts = |key: &&'static str| (*key, vec![format!("{key} failed")]);
            keys.iter().map(texts).collect()
        };
        retries.settle(failed(&["acme", "globex", "gone"]), &BTreeSet::new(), now);
        assert_eq!(retries.waiting(now).count(), 3);
        // One was tried and is well, one waited, one is none of the world's any more and failed again.
        retries.settle(failed(&["gone"]), &BTreeSet::from(["globex"]), now);
        let said: Vec<_> = retries.said().map(|(_, texts)| texts.join("")).collect();
        assert_eq!(said, ["globex failed", "gone failed"]);
        // What is overdue and held has no time of its own: a loop has nothing to spin on.
        let last = now + LONGEST;
        assert!(retries.next_after(now) == retries.next() && retries.next_after(last).is_none());
        let waits = retries.waiting["gone"].failures;
        assert_eq!((waits, retries.waiting["globex"].failures), (2, 1));
    }
}
