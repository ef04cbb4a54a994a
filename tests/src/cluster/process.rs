//! A server as a process that never outlives this one.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Becomes the program, after starting what ends the whole group when the pipe to this process closes.
const LEASH: &str = "exec 3<&0; { read -r _ <&3; kill -s KILL 0; } & exec \"$@\" </dev/null 3<&-";

/// A program and its arguments, which can be started again and again.
pub struct Server {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    _leash: ChildStdin,
}

impl Server {
    /// One that is not started yet; it writes its log to a file in the folder.
    pub fn new(
        name: &'static str,
        program: PathBuf,
        arguments: Vec<String>,
        folder: &Path,
    ) -> Self {
        Self {
            name,
            program,
            arguments,
            log: folder.join(format!("{name}.log")),
            running: None,
        }
    }

    /// Starts it, unless it runs.
    pub fn start(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut child = Command::new("sh")
            .args(["-c", LEASH, "sh"])
            .arg(&self.program)
            .args(&self.arguments)
            .current_dir(self.log.parent().context("no folder")?)
            // Neither the user's clusters nor their proxies.
            .env_remove("KUBECONFIG")
            .env("NO_PROXY", "*")
            .env("no_proxy", "*")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let leash = child.stdin.take().context("no standard input")?;
        self.running = Some(Running {
            child,
            _leash: leash,
        });
        Ok(())
    }

    /// Ends it at once, as a crash would.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut running) = self.running.take() {
            // With what holds the leash; a group that is gone is as good.
            kill_process_group(Pid::from_child(&running.child), Signal::KILL).ok();
            running.child.wait()?;
        }
        Ok(())
    }

    /// Stands it still: connections stay open, and nothing is answered.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// To the program alone: what holds the leash has to stay awake.
    fn signal(&self, signal: Signal) -> Result<()> {
        let running = self.running.as_ref();
        let running = running.with_context(|| format!("{} does not run", self.name))?;
        Ok(kill_process(Pid::from_child(&running.child), signal)?)
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        match &mut self.running {
            Some(running) => Ok(running.child.try_wait()?),
            None => Ok(None),
        }
    }

    /// The last lines of its log, under its name.
    pub fn last_lines(&self) -> String {
        const COUNT: usize = 25;
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(COUNT)..];
        format!(
            "--- {}, at the end of its log:\n{}\n",
            self.name,
            last.join("\n")
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop().ok();
    }
}
