//! Authorities that a browser trusts, in the store of the person whose home it has.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

use crate::client::command_line;
use crate::text;

/// Puts an authority into the store below a home, as `certutil` of NSS does on a person's own machine.
pub async fn install(home: &Path, authority: &Path) -> Result<()> {
    let line = match command_line("certutil")? {
        Ok(line) => line,
        Err(reason) => bail!("no authority can be trusted: {reason}"),
    };
    let store = home.join(".pki/nssdb");
    let database = format!("sql:{}", text(&store)?);
    if !store.exists() {
        std::fs::create_dir_all(&store)?;
        run(&line, &["-N", "--empty-password", "-d", &database]).await?;
    }
    let name = text(authority)?;
    let arguments = ["-A", "-n", &name, "-t", "C,,", "-i", &name, "-d", &database];
    run(&line, &arguments).await
}

async fn run(line: &[String], arguments: &[&str]) -> Result<()> {
    let (program, first) = line.split_first().context("an empty command line")?;
    let output = Command::new(program)
        .args(first)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(())
}
