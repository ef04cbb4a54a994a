//! What a row of the table says, and how its figure comes about.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// A row of the table.
pub struct Row {
    /// What is measured.
    pub what: String,
    /// The design's goal, in words.
    pub goal: &'static str,
    /// What came out, or why nothing did.
    pub outcome: Result<Outcome>,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// With its unit.
    pub measured: String,
    /// The limit beside it, measured in the same run; with its unit.
    pub limit: Option<String>,
    /// Measured by limit.
    pub ratio: Option<f64>,
    /// `None` where the design has no goal.
    pub met: Option<bool>,
    /// What else there is to know.
    pub note: String,
}

/// How much time is spent.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often each row is measured, each time beside its limit; the middle one counts.
    pub rounds: usize,
    /// One load.
    pub load: Duration,
    /// One limit.
    pub bare: Duration,
    /// Tokens to validate, each once; all rounds together.
    pub tokens: usize,
}

impl Effort {
    /// Half a minute.
    pub const QUICK: Self = Self {
        rounds: 3,
        load: Duration::from_millis(500),
        bare: Duration::from_millis(200),
        tokens: 9_000,
    };

    /// Two minutes.
    pub const FULL: Self = Self {
        rounds: 5,
        load: Duration::from_secs(2),
        bare: Duration::from_millis(500),
        tokens: 40_000,
    };
}

/// A figure and the limit that was measured just before.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The figure.
    pub measured: f64,
    /// The limit, in the same unit.
    pub limit: f64,
}

impl Round {
    fn ratio(self) -> f64 {
        self.measured / self.limit
    }
}

/// The middle of several rounds.
#[derive(Debug)]
pub struct Middle {
    /// The round whose ratio is the median.
    pub round: Round,
    /// Its ratio.
    pub ratio: f64,
    /// The lowest and the highest ratio.
    pub spread: (f64, f64),
}

impl Middle {
    /// Measures some rounds.
    pub fn of(rounds: usize, mut measure: impl FnMut(usize) -> Result<Round>) -> Result<Self> {
        let measured = (0..rounds).map(&mut measure);
        let mut measured: Vec<Round> = measured.collect::<Result<_>>()?;
        measured.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        let round = *measured.get(rounds / 2).context("no round was measured")?;
        ensure!(round.limit > 0.0, "the limit could not be measured");
        let spread = (measured[0].ratio(), measured[rounds - 1].ratio());
        Ok(Self {
            round,
            ratio: round.ratio(),
            spread,
        })
    }

    /// The row's outcome, for figures a second.
    pub fn outcome(&self, limit: &str, met: Option<bool>, note: impl Into<String>) -> Outcome {
        Outcome {
            measured: a_second(self.round.measured),
            limit: Some(format!("{} ({limit})", a_second(self.round.limit))),
            ratio: Some(self.ratio),
            met,
            note: self.noted(note),
        }
    }

    /// A note with the spread before it.
    pub fn noted(&self, note: impl Into<String>) -> String {
        let (lowest, highest) = self.spread;
        format!("{lowest:.2} to {highest:.2}; {}", note.into())
    }
}

/// A rate with its unit.
pub fn a_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

/// An amount of memory with its unit.
pub fn mib(kib: u64) -> String {
    let tenths = kib * 10 / 1024;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_by_ratio_and_not_by_rate() {
        let rounds = [(900.0, 1000.0), (500.0, 1000.0), (100.0, 125.0)];
        let middle = Middle::of(3, |index| {
            let (measured, limit) = rounds[index];
            Ok(Round { measured, limit })
        });
        let middle = middle.unwrap();
        assert_eq!(a_second(middle.round.measured), "100/s");
        assert_eq!(middle.noted("x"), "0.50 to 0.90; x");
    }
}
