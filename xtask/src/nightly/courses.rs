//! The random courses of keyrings, plans, manifests and pods, again and again for some minutes.
//!
//! For every change each property is tried with as many cases as a developer waits for. What one case in some ten
//! thousand meets is to be found here, and not in somebody's unrelated change.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Outcome;
use crate::{process, workspace};

/// The packages with properties, and their test targets that hold them.
const TARGETS: [&str; 10] = [
    "--package=mintage-core",
    "--package=mintage-crds",
    "--package=mintage-operator",
    "--test=keyring",
    "--test=rotation_model",
    "--test=suite",
    "--test=properties",
    "--test=webhook",
    "--profile=fuzz",
    "--quiet",
];

/// Runs all of them with other random numbers each time, until one fails or the minutes are over.
#[expect(
    clippy::disallowed_methods,
    reason = "what a nightly run lasts decides nothing but its end"
)]
pub(super) fn run(minutes: u64) -> Result<Outcome> {
    let target = workspace::target()?.join("fuzz");
    let cargo = |words: &[&str]| {
        let mut command = workspace::cargo();
        command.arg("test").args(TARGETS).args(words);
        command.arg("--target-dir").arg(&target);
        process::run(&mut command)
    };
    if !cargo(&["--no-run"])? {
        return Ok(Outcome::Failed("they cannot be built".to_owned()));
    }
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    while Instant::now() < end {
        if !cargo(&[])? {
            return Ok(Outcome::Failed(
                "the smallest course that fails stands above: make a test of it, beside the mend"
                    .to_owned(),
            ));
        }
    }
    Ok(Outcome::Passed)
}
