//! `kubectl mintage doctor`: looks for what usually goes wrong in a cluster.
//!
//! ```text
//!  cluster ─► Look (what may be read, and what may not) ─► one examination for each subject ─► findings, with the mend
//! ```
//!
//! Examinations are functions of what was read and of the clock.

mod clock;
mod declared;
mod definitions;
mod look;
mod operator;
mod pods;
mod secrets;
mod webhook;

use mintage_sidecar::clock::{Clock as _, SystemClock};
use serde::Serialize;
use serde_json::json;

use super::Scene;
use crate::Failure;
use crate::output::{self, Output};
use look::Look;
pub use pods::{CONTAINER, INJECTED, sidecar};

/// Look for what usually goes wrong: definitions, operator, webhook, tenants, grants, pods, keys, clocks.
///
/// With --namespace it looks at one namespace, and works with the right to view it; what may not be read is said. Exits
/// with 0 if nothing is found, and with 1 otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is: stable, for scripts.
    pub code: &'static str,
    /// The object that it is about.
    pub object: String,
    /// What was found.
    pub found: String,
    /// What comes of it.
    pub matters: String,
    /// What to do.
    pub mend: String,
}

/// Finds things; in the order in which they should be mended.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one.
    pub fn add(
        &mut self,
        code: &'static str,
        object: impl Into<String>,
        found: impl Into<String>,
        matters: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.0.push(Finding {
            code,
            object: object.into(),
            found: found.into(),
            matters: matters.into(),
            mend: mend.into(),
        });
    }

    #[cfg(test)]
    fn codes(&self) -> Vec<&'static str> {
        self.0.iter().map(|finding| finding.code).collect()
    }
}

/// Runs the command.
pub async fn run(_: &Args, scene: &Scene) -> Result<(), Failure> {
    let look = Look::at(&scene.client, scene.asked.as_deref()).await?;
    let now = SystemClock.now();
    let mut findings = Findings::default();
    clock::examine(&look, &mut findings);
    definitions::examine(&look, &mut findings);
    operator::examine(&look, now, &mut findings);
    webhook::examine(&look, now, &mut findings);
    declared::examine(&look, now, &mut findings)?;
    pods::examine(&look, &mut findings);
    secrets::examine(&look, now, &mut findings)?;
    report(&findings.0, &look.unread(), scene.output)?;
    if findings.0.is_empty() {
        return Ok(());
    }
    // It was said above.
    Err(Failure::Refused(String::new()))
}

fn report(findings: &[Finding], unread: &[String], output: Output) -> std::io::Result<()> {
    if output == Output::Json {
        return output::json(&json!({ "findings": findings, "notLookedAt": unread }));
    }
    for finding in findings {
        let Finding {
            code,
            object,
            found,
            matters,
            mend,
        } = finding;
        output::line(format!("{} {object}: {found}", output::bad(code)))?;
        output::line(format!("    why it matters: {matters}"))?;
        output::line(format!("    how to mend it: {mend}"))?;
    }
    for text in unread {
        output::line(format!("{} {text}", output::doubtful("not looked at:")))?;
    }
    output::line(match findings.len() {
        0 if unread.is_empty() => "nothing is wrong".to_owned(),
        0 => "nothing is wrong with what could be looked at".to_owned(),
        1 => "1 finding".to_owned(),
        several => format!("{several} findings"),
    })
}
