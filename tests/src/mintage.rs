//! The command `mintage`, run to its end.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::dev::binary;

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Both outputs, for messages and searches.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Standard output of what has to succeed.
    pub fn succeeded(&self) -> Result<&str> {
        ensure!(
            self.code == Some(0),
            "it ended with {:?}: {}",
            self.code,
            self.said()
        );
        Ok(&self.out)
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| self.said())
    }
}

/// Runs `mintage` with arguments.
pub async fn mintage(arguments: &[&str]) -> Result<Run> {
    mintage_with(arguments, "", &[]).await
}

/// Runs `mintage` with arguments, a standard input and variables of the environment.
pub async fn mintage_with(
    arguments: &[&str],
    input: &str,
    variables: &[(&str, &str)],
) -> Result<Run> {
    let mut child = Command::new(binary("mintage")?)
        .args(arguments)
        .env_remove("MINTAGE_URL")
        .env_remove("MINTAGE_STATE_DIR")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // A command that does not read its input may be gone already.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let output = child.wait_with_output().await?;
    Ok(Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}
