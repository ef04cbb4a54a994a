//! What goes on, on one line of a terminal; nothing is said where nobody looks.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A line on standard error that is replaced as things go on, and taken away at the end.
pub struct Progress {
    what: &'static str,
    total: usize,
    done: AtomicUsize,
    shown: bool,
}

impl Progress {
    /// Begins something of so many parts; 0 if nobody can say.
    pub fn begin(what: &'static str, total: usize) -> Self {
        let progress = Self {
            what,
            total,
            done: AtomicUsize::new(0),
            shown: std::io::stderr().is_terminal(),
        };
        progress.show(0);
        progress
    }

    /// One part is done.
    pub fn advance(&self) {
        self.show(self.done.fetch_add(1, Ordering::SeqCst) + 1);
    }

    fn show(&self, done: usize) {
        let text = match self.total {
            0 => format!("{} …", self.what),
            total => format!("{} {done}/{total}", self.what),
        };
        self.replace(&text);
    }

    fn replace(&self, text: &str) {
        if self.shown {
            let mut stderr = std::io::stderr().lock();
            // A terminal that is gone shows no progress.
            write!(stderr, "\r{text:<60}\r")
                .and_then(|()| stderr.flush())
                .ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.replace("");
    }
}
