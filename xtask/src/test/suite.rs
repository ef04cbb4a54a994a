//! One `cargo test`, with what the tests find in their environment.
//!
//! | variable | holds |
//! |---|---|
//! | `MINTAGE_BIN_DIR` | the folder of the built programs, `mintage` and `mintage-sidecar` |
//! | `MINTAGE_SKIP_LOG` | a file: a test that cannot run on this machine appends `name: reason` and returns |
//! | `MINTAGE_COMPAT_<PROGRAM>` | the command line of a client or of a program of other people's, as a JSON array |
//! | `MINTAGE_COMPAT_<PROGRAM>_SKIP` | instead of it: why that program is not to be had |

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use super::clients::Client;
use super::libtest::Report;
use super::skips;
use crate::progress::say;
use crate::{process, workspace};

/// The tests to run and their environment.
pub struct Suite<'a> {
    filter: Option<&'a str>,
    clients: &'a [Client],
    programs: PathBuf,
    skip_log: PathBuf,
    variables: Vec<(&'static str, String)>,
    loud: bool,
}

impl<'a> Suite<'a> {
    /// Tests whose name contains `filter`, which find `clients`.
    pub fn new(filter: Option<&'a str>, clients: &'a [Client]) -> anyhow::Result<Self> {
        let target = workspace::target()?;
        Ok(Self {
            filter,
            clients,
            programs: target.join("debug"),
            skip_log: target.join("skipped-tests.txt"),
            variables: Vec::new(),
            loud: false,
        })
    }

    /// The same, with what tests say as they go, and with further variables.
    pub fn loud(self, variables: &[(&'static str, String)]) -> Self {
        Self {
            variables: variables.to_vec(),
            loud: true,
            ..self
        }
    }

    /// Runs `cargo test` for some targets and adds what it says to the report.
    pub fn run(&self, targets: &[&str], report: &mut Report) -> anyhow::Result<()> {
        fs::write(&self.skip_log, "").with_context(|| self.skip_log.display().to_string())?;
        let mut command = workspace::cargo();
        command
            .arg("test")
            .args(targets)
            .arg("--no-fail-fast")
            .args(self.filter);
        command
            .env("MINTAGE_BIN_DIR", &self.programs)
            .env("MINTAGE_SKIP_LOG", &self.skip_log);
        command.envs(self.clients.iter().map(Client::variable));
        command.envs(self.variables.iter().cloned());
        if self.loud {
            command.args(["--", "--nocapture"]);
        }

        let mut run = Report::default();
        let status = process::run_lines(&mut command, |line| {
            run.read(line);
            Ok(say(line)?)
        })?;
        for skip in skips::read_list(&self.skip_log)? {
            run.skip_passed(skip);
        }
        // Without this a test that does not compile, or that takes its whole program down, would count as nothing.
        if !status.success() && run.totals().failed == 0 {
            run.fail(format!(
                "`{}` ended with {status}",
                process::shown(&command)
            ));
        }
        report.add(run);
        Ok(())
    }
}
