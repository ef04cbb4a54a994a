//! The operator as a whole.

use anyhow::Result;

use crate::options::Run;

/// Runs until a signal ends it, or until it cannot go on.
pub fn run(_: &Run) -> Result<()> {
    Ok(())
}
