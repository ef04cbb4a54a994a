//! Tests that cannot run say so, and are counted.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Says that a test is skipped, and why: on standard error, and in the log from which `cargo xtask test` counts.
pub fn skip(test: &str, reason: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "SKIPPED {test}: {reason}")?;
    if let Some(log) = std::env::var_os("MINTAGE_SKIP_LOG") {
        writeln!(
            OpenOptions::new().append(true).create(true).open(log)?,
            "{test}: {reason}"
        )?;
    }
    Ok(())
}
