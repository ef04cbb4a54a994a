//! The one place that reads the clock, and the one that draws random bytes: everything else takes them as arguments.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use mintage_core::UnixTime;
use mintage_core::claims::Jti;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in whole seconds.
    fn now(&self) -> UnixTime;

    /// Now, in microseconds since 1970.
    fn micros(&self) -> i64 {
        self.now().0.saturating_mul(1_000_000)
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    fn since_1970() -> Duration {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one reader of the clock"
        )]
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 is not set; everything is then in the future, and nothing is good.
        since.unwrap_or_default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(i64::try_from(Self::since_1970().as_secs()).unwrap_or(i64::MAX))
    }

    fn micros(&self) -> i64 {
        i64::try_from(Self::since_1970().as_micros()).unwrap_or(i64::MAX)
    }
}

/// A clock that is set by hand, for tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at a moment.
    pub fn at(now: UnixTime) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Sets the clock.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}

/// Random bytes; `None` if the system has no randomness, and then nothing may be given out that depends on it.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

/// Random bytes for a `jti`; `None` if the system has no randomness, and then no token may be made.
pub fn jti() -> Option<Jti> {
    random()
}

/// A random number, to tell this process from others; zero if the system has no randomness.
pub fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    // The number is a name and no secret.
    SystemRandom::new().fill(&mut bytes).ok();
    u32::from_be_bytes(bytes)
}
