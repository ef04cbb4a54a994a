//! Child processes that never outlive this one.
//!
//! Each child leads a process group of its own. When the child ends, or this process is told to end, the whole group
//! is ended: a test that was interrupted leaves no server behind that holds a port.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long children may take to end by themselves after a signal.
const GRACE: Duration = Duration::from_millis(500);

static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// From now on a Ctrl-C, a hang-up or a SIGTERM ends all children first.
pub fn end_children_on_signal() -> anyhow::Result<()> {
    let mut signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot listen for signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // The lock is kept until the exit, so that no child starts after the others were ended.
            let groups = groups();
            end(&groups, Signal::TERM);
            thread::sleep(GRACE);
            end(&groups, Signal::KILL);
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Runs a command that writes to this terminal; says whether it succeeded.
pub fn run(command: &mut Command) -> anyhow::Result<bool> {
    let child = spawn(command)?;
    Ok(finish(command, child, |_| Ok(()))?.success())
}

/// Runs a command and hands over each line of its standard output as it comes.
pub fn run_lines(
    command: &mut Command,
    on_line: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<ExitStatus> {
    let child = spawn(command.stdout(Stdio::piped()))?;
    finish(command, child, on_line)
}

/// The standard output of a command that has to succeed.
pub fn read(command: &mut Command) -> anyhow::Result<String> {
    let mut text = String::new();
    let status = run_lines(command, |line| {
        text.push_str(line);
        text.push('\n');
        Ok(())
    })?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(text)
}

/// A program that can be run by its name, or that only root's shell finds by it.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A command as one would type it: the program without its folder.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = program.file_name().into_iter().chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    let mut groups = groups();
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    groups.push(Pid::from_child(&child));
    Ok(child)
}

/// Reads the child's lines to their end, and ends what it left running.
fn finish(
    command: &Command,
    mut child: Child,
    mut on_line: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<ExitStatus> {
    let group = Pid::from_child(&child);
    // On a thread of its own: a process that was left behind may hold the pipe open, and reading would never end.
    let sweeper = thread::spawn(move || {
        // Until it is reaped below, the leader's id cannot go to an unrelated process.
        let ended = waitid(
            WaitId::Pid(group),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        );
        groups().retain(|other| *other != group);
        end(&[group], Signal::KILL);
        ended.map(drop)
    });
    let mut outcome = Ok(());
    for line in child
        .stdout
        .take()
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufReader::lines)
    {
        if outcome.is_ok() {
            outcome = line
                .map_err(anyhow::Error::from)
                .and_then(|line| on_line(&line));
        }
    }
    sweeper
        .join()
        .expect("the sweeper does not panic")
        .with_context(|| shown(command))?;
    let status = child.wait().with_context(|| shown(command))?;
    outcome.map(|()| status)
}

fn groups() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(groups: &[Pid], signal: Signal) {
    for group in groups {
        // The only failure is that nobody is left in the group, which is what was wanted.
        kill_process_group(*group, signal).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_status_come_back() {
        let mut lines = Vec::new();
        let status = run_lines(
            Command::new("sh").args(["-c", "echo one; echo two; exit 3"]),
            |line| {
                lines.push(line.to_owned());
                Ok(())
            },
        );
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(status.unwrap().code(), Some(3));
    }

    #[test]
    fn what_a_command_left_running_is_ended() {
        // Whoever is left holds the pipe and would write to it.
        let text =
            read(Command::new("sh").args(["-c", "(sleep 5; echo late) & echo first"])).unwrap();
        assert_eq!(text, "first\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("mintage-no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `mintage-no-such-program`");
    }
}
