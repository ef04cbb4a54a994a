//! How often somebody else's changes of a `caBundle` are mended: at once, but ever more slowly for whoever insists.

use mintage_core::{Seconds, UnixTime};

/// The longest pause between two repairs.
const LONGEST: Seconds = 60;

/// A quiet time after which the next repair is made at once again.
const QUIET: Seconds = 600;

/// What has been mended lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repairs {
    last: Option<UnixTime>,
    pause: Seconds,
}

impl Repairs {
    /// When the next repair may be made.
    pub fn next(&self, now: UnixTime) -> UnixTime {
        match self.last {
            // A clock that was set back must not hold a repair up for longer than any pause.
            Some(last) if now - last < QUIET && last <= now => last + self.pause,
            _ => now,
        }
    }

    /// A repair was made.
    pub fn made(&mut self, now: UnixTime) {
        let quiet = self
            .last
            .is_none_or(|last| now - last >= QUIET || last > now);
        self.pause = if quiet {
            1
        } else {
            (self.pause * 2).clamp(1, LONGEST)
        };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_insists_is_answered_once_a_minute_at_most() {
        let mut repairs = Repairs::default();
        let mut now = UnixTime(1000);
        let mut made = Vec::new();
        for _ in 0..3600 {
            if repairs.next(now) <= now {
                repairs.made(now);
                made.push(now.0);
            }
            now = now + 1;
        }
        assert_eq!(made[..4], [1000, 1001, 1003, 1007]);
        assert!(made.len() < 70, "{}", made.len());
        assert_eq!(made[20] - made[19], LONGEST);
        let quiet = now + QUIET;
        assert_eq!(repairs.next(quiet), quiet);
        assert_eq!(
            repairs.next(UnixTime(5)),
            UnixTime(5),
            "a clock that was set back"
        );
    }
}
