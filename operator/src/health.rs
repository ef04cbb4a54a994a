//! Whether the process is alive, and whether it is of use; what is missing, if not.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A leader whose loop has not moved for this long is started anew. Its loop moves with each write and each wait.
const STALLED: Duration = Duration::from_mins(5);

/// What must hold for the process to be ready; the text says what is missing.
pub type Requirement = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the probes ask.
pub struct Health {
    origin: Instant,
    /// Milliseconds since `origin` at which the leader's loop last moved; negative while this process does not lead.
    beat: AtomicI64,
    draining: AtomicBool,
    /// What the start waits for.
    waiting: Mutex<Option<String>>,
    requirements: Mutex<Vec<Requirement>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            beat: AtomicI64::new(NONE),
            draining: AtomicBool::new(false),
            waiting: Mutex::new(Some("starting".to_owned())),
            requirements: Mutex::default(),
        }
    }
}

/// What `beat` holds while there is no loop.
const NONE: i64 = -1;

impl Health {
    /// From now on this must hold, too.
    pub fn require(&self, requirement: Requirement) {
        lock(&self.requirements).push(requirement);
    }

    /// The start waits for something, or for nothing any more.
    pub fn waits_for(&self, what: Option<String>) {
        *lock(&self.waiting) = what;
    }

    /// The process is to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// The leader's loop has moved.
    pub fn beat(&self) {
        self.beat.store(self.now(), Ordering::SeqCst);
    }

    /// There is no leader's loop any more.
    pub fn stop_beating(&self) {
        self.beat.store(NONE, Ordering::SeqCst);
    }

    /// What is missing for the process to be ready; nothing if it is.
    pub fn missing(&self) -> Vec<String> {
        if self.draining.load(Ordering::SeqCst) {
            return vec!["shutting down".to_owned()];
        }
        if let Some(waiting) = lock(&self.waiting).clone() {
            return vec![waiting];
        }
        let requirements = lock(&self.requirements);
        let verdicts = requirements.iter().map(|requirement| requirement());
        verdicts.filter_map(Result::err).collect()
    }

    /// For how long the leader's loop has stood still, if that is too long.
    pub fn stalled(&self) -> Option<Duration> {
        stalled(self.beat.load(Ordering::SeqCst), self.now())
    }

    fn now(&self) -> i64 {
        i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

fn stalled(beat: i64, now: i64) -> Option<Duration> {
    let still = u64::try_from(now.saturating_sub(beat)).ok()?;
    let still = Duration::from_millis(still);
    (beat != NONE && still > STALLED).then_some(still)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing in here panics half-way, so what a poisoned lock holds is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leader_can_stall() {
        let minute = 60_000;
        assert_eq!(stalled(NONE, 60 * minute), None);
        assert_eq!(stalled(0, 5 * minute), None);
        assert_eq!(stalled(minute, 5 * minute), None);
        assert_eq!(stalled(0, 6 * minute), Some(Duration::from_mins(6)));
    }

    #[test]
    fn ready_means_that_nothing_is_missing() {
        let health = Health::default();
        assert_eq!(health.missing(), ["starting"]);
        health.waits_for(None);
        assert!(health.missing().is_empty());
        health.require(Box::new(|| Err("the watches have not listed".to_owned())));
        health.require(Box::new(|| Ok(())));
        health.require(Box::new(|| Err("there is no certificate".to_owned())));
        let missing = ["the watches have not listed", "there is no certificate"];
        assert_eq!(health.missing(), missing);
        health.drain();
        assert_eq!(health.missing(), ["shutting down"]);
    }
}
