//! What the person at the terminal reads: numbered steps, and lines under them.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Writes one line to standard output.
pub fn say(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Numbers the steps of a run: `[2/5] the compat clients`.
pub struct Steps {
    done: usize,
    total: usize,
}

impl Steps {
    /// A run of `total` steps.
    pub fn new(total: usize) -> Self {
        Self { done: 0, total }
    }

    /// Announces the next step.
    pub fn next(&mut self, title: &str) -> io::Result<()> {
        self.done += 1;
        say(format_args!("\n[{}/{}] {title}", self.done, self.total))
    }
}
