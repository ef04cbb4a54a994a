//! Structured logs on standard error. What is logged is chosen at each place; no token, no key and no request body is.

mod format;
mod lines;

use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use crate::options::LogFormat;

pub use lines::{Flush, dropped};
use lines::{Line, Lines, to_stderr};

/// Starts logging. What it gives writes the last lines when it goes; the error says what is wrong with the level.
pub fn start(format: LogFormat, level: &str) -> Result<Flush, String> {
    let filter =
        EnvFilter::try_new(level).map_err(|error| format!("--log-level {level}: {error}"))?;
    let (lines, flush) = Lines::start(to_stderr, std::io::stderr())
        .map_err(|error| format!("no thread for the log: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Line(Arc::clone(&lines)))
        .event_format(format)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(flush)
}
