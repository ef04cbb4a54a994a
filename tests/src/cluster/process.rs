//! A server as a process that never outlives this one.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Becomes the program, after starting what ends the whole group when the pipe to this process closes.
pub const LEASH: &str =
    "exec 3<&0; { read -r _ <&3; kill -s KILL 0; } & exec \"$@\" </dev/null 3<&-";

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
        last_lines(self.name, &self.log)
    }
}

/// The last lines of a log, under a name.
pub fn last_lines(name: &str, log: &Path) -> String {
    const COUNT: usize = 25;
    let log = fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(COUNT)..];
    format!("--- {name}, at the end of its log:\n{}\n", last.join("\n"))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    /// Says to the test below that it is the process that dies, and where to leave the id of its server.
    const DIES: &str = "MINTAGE_TESTS_DIE_IN";

    fn sleeper(folder: &Path) -> Server {
        Server::new("sleep", "sleep".into(), vec!["600".into()], folder)
    }

    fn pid(server: &Server) -> u32 {
        server.running.as_ref().unwrap().child.id()
    }

    /// Whether a process sleeps for us; its id alone may be that of another by now.
    fn sleeps(pid: u32) -> bool {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x00600\x00")
    }

    async fn until(what: &str, condition: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < end, "it did not come to pass that {what}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_server_ends_with_its_value_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = sleeper(folder.path());
        server.start().unwrap();
        let first = pid(&server);
        until("it sleeps", || sleeps(first)).await;
        server.stop().unwrap();
        assert!(!sleeps(first));
        server.start().unwrap();
        let second = pid(&server);
        until("it sleeps again", || sleeps(second)).await;
        server.pause().unwrap();
        drop(server);
        assert!(!sleeps(second), "a paused one is not ended");
    }

    #[tokio::test]
    async fn a_server_that_ends_by_itself_is_told_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-c", "echo why; exit 3"].map(str::to_owned).to_vec();
        let mut server = Server::new("failing", "sh".into(), arguments, folder.path());
        server.start().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while server.ended().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end");
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(
            server.ended().unwrap().and_then(|status| status.code()),
            Some(3)
        );
        assert!(server.last_lines().contains("why"));
    }

    /// This test starts itself in another process, which dies without a word.
    #[tokio::test]
    async fn nothing_outlives_a_process_that_is_killed() {
        if let Some(folder) = std::env::var_os(DIES) {
            let mut server = sleeper(Path::new(&folder));
            server.start().unwrap();
            let own = super::super::folder::Folder::new().unwrap();
            let said = format!("{} {}", pid(&server), own.path().display());
            fs::write(Path::new(&folder).join("said.tmp"), said).unwrap();
            fs::rename(
                Path::new(&folder).join("said.tmp"),
                Path::new(&folder).join("said"),
            )
            .unwrap();
            std::future::pending::<()>().await;
        }
        let folder = tempfile::tempdir().unwrap();
        let name = std::thread::current().name().unwrap().to_owned();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .env(DIES, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = folder.path().join("said");
        until("the other process has its server", || said.exists()).await;
        let said = fs::read_to_string(said).unwrap();
        let (server, own) = said.split_once(' ').unwrap();
        let server = server.parse().unwrap();
        until("its server sleeps", || sleeps(server)).await;
        assert!(Path::new(own).is_dir());

        process.kill().unwrap();
        process.wait().unwrap();
        until("its server is gone", || !sleeps(server)).await;
        until("its folder is gone", || !Path::new(own).exists()).await;
    }
}
