//! The pauses between tries to watch.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;

/// kube's own grow to 30 seconds, and jitter doubles those: after an API server was away for a while a leader would hear
/// nothing for up to a minute. A few watches of a few replicas need not wait as long.
const LONGEST: Duration = Duration::from_secs(8);

/// kube's pauses, none of them longer than eight seconds.
pub struct Pauses(DefaultBackoff);

impl Pauses {
    /// For one watch.
    pub fn new() -> Self {
        Self(DefaultBackoff::default())
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_the_longest() {
        let pauses: Vec<_> = Pauses::new().take(20).collect();
        assert!(pauses[0] < LONGEST, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST), "{pauses:?}");
        assert_eq!(pauses[19], LONGEST);
    }

    #[test]
    fn they_begin_anew_after_a_reset() {
        let mut pauses = Pauses::new();
        let first = pauses.by_ref().take(10).last();
        assert_eq!(first, Some(LONGEST));
        pauses.reset();
        assert!(pauses.next().is_some_and(|pause| pause < LONGEST));
    }
}
