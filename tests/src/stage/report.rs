//! What was shown, and how long each part took.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

/// The steps so far.
pub struct Report {
    start: Instant,
    steps: Vec<(String, Duration, bool)>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            steps: Vec::new(),
        }
    }
}

impl Report {
    /// Does something that is to be shown, and writes down what came of it.
    pub async fn step<T>(
        &mut self,
        what: impl Into<String>,
        act: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (what, start) = (what.into(), Instant::now());
        let outcome = act.await;
        self.steps
            .push((what.clone(), start.elapsed(), outcome.is_ok()));
        say(&line(self.steps.last()));
        outcome.context(what)
    }

    /// Says all of it again, in one piece.
    pub fn end(&self) {
        let lines: Vec<String> = self.steps.iter().map(|step| line(Some(step))).collect();
        let failed = self.steps.iter().filter(|(_, _, good)| !good).count();
        say(&format!(
            "\n{}\n{} of {} steps passed, in {:.0} s",
            lines.join("\n"),
            self.steps.len() - failed,
            self.steps.len(),
            self.start.elapsed().as_secs_f64()
        ));
    }
}

fn line(step: Option<&(String, Duration, bool)>) -> String {
    step.map_or_else(String::new, |(what, time, good)| {
        let outcome = if *good { "ok" } else { "FAILED" };
        format!("{outcome:6} {:6.1} s  {what}", time.as_secs_f64())
    })
}

/// Where the test runner shows it with a failed test, and `cargo xtask e2e` at once.
#[expect(clippy::print_stdout, reason = "the report is what the test is for")]
pub fn say(line: &str) {
    println!("{line}");
}
