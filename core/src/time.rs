//! Time as tokens count it: whole seconds since 1970 (RFC 7519 `NumericDate` without fractions).

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// The clock difference between two machines that is forgiven, in seconds.
///
/// A token is refused from `exp + LEEWAY` on, and one that says it was issued later than `now + LEEWAY` is refused too.
pub const LEEWAY: Seconds = 30;

/// A length of time in whole seconds.
pub type Seconds = i64;

/// A moment: seconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

impl Add<Seconds> for UnixTime {
    type Output = Self;

    fn add(self, seconds: Seconds) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl Sub<Seconds> for UnixTime {
    type Output = Self;

    fn sub(self, seconds: Seconds) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

impl Sub for UnixTime {
    type Output = Seconds;

    fn sub(self, earlier: Self) -> Seconds {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
