//! Where the programs are.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::client;

/// How a program of the control plane or one of the tools around it is started, or why it is not to be had.
///
/// `cargo xtask test` says it; in a plain `cargo test` the folder `KUBEBUILDER_ASSETS` does.
pub fn command_line(name: &str) -> Result<Result<Vec<String>, String>> {
    match (client::command_line(name), assets(name)) {
        (Err(_), Some(program)) => Ok(Ok(vec![program])),
        (outcome, _) => outcome,
    }
}

/// The one word that a program's command line is.
pub(super) fn program(name: &str) -> Result<Result<PathBuf, String>> {
    Ok(match command_line(name)? {
        Ok(line) => Ok(line.first().context("an empty command line")?.into()),
        Err(reason) => Err(reason),
    })
}

fn assets(name: &str) -> Option<String> {
    let folder = std::path::absolute(std::env::var_os("KUBEBUILDER_ASSETS")?).ok()?;
    let program = folder.join(name);
    program
        .is_file()
        .then(|| program.to_str().map(str::to_owned))?
}
