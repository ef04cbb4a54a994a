//! When to try again: later each time, and all sidecars of a cluster at different moments.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(15);

/// The pauses between one try and the next.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The next pause: from half of what is due up to all of it, by a random number.
    pub fn next(&mut self, random: u32) -> Duration {
        let due = self.0;
        self.0 = (due * 2).min(LAST);
        due / 2 + due.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
    }

    /// It went well for a while: the next pause is a short one.
    pub fn reset(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(0), FIRST / 2);
        assert_eq!(backoff.next(u32::MAX), FIRST * 2);
        for _ in 0..10 {
            backoff.next(7);
        }
        assert_eq!(backoff.next(u32::MAX), LAST);
        assert_eq!(backoff.next(0), LAST / 2);
        backoff.reset();
        assert_eq!(backoff.next(u32::MAX), FIRST);
    }
}
