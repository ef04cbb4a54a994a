//! A client library as a process: see `compat/README.md` for the protocol.

use std::process::Stdio;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running client.
pub struct Client {
    name: String,
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// How a program is started that `cargo xtask test` prepared, or why it cannot be had.
pub fn command_line(name: &str) -> Result<Result<Vec<String>, String>> {
    let variable = format!("MINTAGE_COMPAT_{}", name.to_uppercase().replace('-', "_"));
    if let Ok(reason) = std::env::var(format!("{variable}_SKIP")) {
        return Ok(Err(reason));
    }
    let line = std::env::var(&variable)
        .map_err(|_| anyhow!("{variable} is not set; run these tests by `cargo xtask test`"))?;
    Ok(Ok(serde_json::from_str(&line)?))
}

impl Client {
    /// Starts a client; the error says why it cannot be had, if `cargo xtask test` said so.
    pub fn start(name: &str) -> Result<Result<Self, String>> {
        let line = match command_line(name)? {
            Ok(line) => line,
            Err(reason) => return Ok(Err(reason)),
        };
        let (program, arguments) = line.split_first().context("an empty command line")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        Ok(Ok(Self {
            name: name.to_owned(),
            _child: child,
            input,
            output,
        }))
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &Value) -> Result<Value> {
        self.input
            .write_all(format!("{request}\n").as_bytes())
            .await?;
        let line = self.output.next_line().await?;
        let line = line.with_context(|| format!("the {} client ended", self.name))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Sets the verifier up.
    pub async fn configure(&mut self, mut settings: Value) -> Result<()> {
        settings["op"] = "configure".into();
        let answer = self.ask(&settings).await?;
        if answer["ok"] == true {
            Ok(())
        } else {
            Err(anyhow!("{}: configure: {answer}", self.name))
        }
    }

    /// Verifies a token; the claims.
    pub async fn accepts(&mut self, token: &str) -> Result<Value> {
        let answer = self.ask(&json!({ "op": "verify", "token": token })).await?;
        if answer["ok"] == true {
            Ok(answer["claims"].clone())
        } else {
            Err(anyhow!("{}: refused {answer}", self.name))
        }
    }

    /// Verifies a token that must be refused; the library's own error class or code, and its message.
    pub async fn refuses(&mut self, token: &str) -> Result<(String, String)> {
        let answer = self.ask(&json!({ "op": "verify", "token": token })).await?;
        if answer["ok"] == true {
            return Err(anyhow!(
                "{}: accepted what it must refuse: {answer}",
                self.name
            ));
        }
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Ok((text("error"), text("message")))
    }
}
