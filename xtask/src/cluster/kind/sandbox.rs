//! dockerd in a corner of this machine, with mounts, processes, a network and control groups of its own.
//!
//! Nothing outside changes: its bridges, rules, mounts and sockets are in there, and there is no way out of its network. It
//! ends with its value and with this process, however that ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use xtask::groups::Groups;

use crate::{process, workspace};

/// Becomes the program, after starting what ends the whole group when the pipe to this process closes.
const LEASH: &str = "exec 3<&0; { read -r _ <&3; kill -s KILL 0; } & exec \"$@\" </dev/null 3<&-";

/// How often dockerd is asked whether it answers, and how long it may take between two times.
const TRIES: (u32, Duration) = (300, Duration::from_millis(100));

/// The capabilities by their numbers, as the kernel has them from 5.9 on (capabilities(7)).
const CAPABILITIES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT \
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE \
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ \
    PERFMON BPF CHECKPOINT_RESTORE";

/// The running corner.
pub struct Sandbox {
    child: Child,
    _leash: ChildStdin,
    /// Its first process, by the machine's number.
    init: u32,
    folder: PathBuf,
    // After the processes: nobody may be in them when they are removed.
    groups: Groups,
}

impl Sandbox {
    /// Starts it with its settings in a folder and the images in another one, and waits until dockerd answers; or says why
    /// there can be none here.
    pub fn start(folder: &Path, images: &Path) -> Result<Result<Self, String>> {
        let groups = match Groups::new()? {
            Ok(groups) => groups,
            Err(reason) => return Ok(Err(reason)),
        };
        let runtime = folder.join("runc");
        fs::write(&runtime, self::runtime()?)?;
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755))?;
        fs::write(folder.join("dockerd.json"), settings(&runtime).to_string())?;
        let script = groups.script(folder, include_str!("sandbox.sh"))?;
        fs::create_dir_all(images)?;

        let log = fs::File::create(folder.join("sandbox.log"))?;
        let mut child = Command::new("sh")
            .args(["-c", LEASH, "sh", "unshare", "--mount", "--net", "--pid"])
            .args(["--uts", "--ipc", "--fork", "--kill-child", "sh"])
            .args([&*script, folder, images])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start unshare")?;
        let leash = child.stdin.take().context("no standard input")?;
        let mut sandbox = Self {
            child,
            _leash: leash,
            init: 0,
            folder: folder.to_owned(),
            groups,
        };
        sandbox.wait().with_context(|| sandbox.logs())?;
        Ok(Ok(sandbox))
    }

    /// Its first process, by the machine's number.
    pub fn init(&self) -> u32 {
        self.init
    }

    /// A command that runs in there.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.init))
            .args(["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup"])
            .arg(program.as_ref())
            // Neither the user's own settings nor their daemon.
            .env("HOME", &self.folder)
            .env_remove("DOCKER_CONFIG")
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_HOST")
            .env_remove("KIND_EXPERIMENTAL_PROVIDER")
            .env_remove("KUBECONFIG");
        command
    }

    /// The ends of the logs of what runs in there.
    pub fn logs(&self) -> String {
        ["sandbox", "dockerd"]
            .map(|name| {
                let log = fs::read_to_string(self.folder.join(format!("{name}.log")));
                // What has not been started has no log.
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(20)..];
                format!("--- {name}:\n{}\n", last.join("\n"))
            })
            .concat()
    }

    /// Ends it, with all that runs in it. The error says what is left.
    pub fn end(mut self) -> Result<()> {
        let ask = "kill $(cat /run/dockerd.number)";
        process::run(self.command("sh").args(["-c", ask]))?;
        // What it keeps is whole at any time: it may be ended at once if it takes its time.
        self.until(|sandbox| Ok(sandbox.child.try_wait()?.is_some()))?;
        self.stop()?;
        self.groups.remove()
    }

    /// Until dockerd answers.
    fn wait(&mut self) -> Result<()> {
        let number = self.folder.join("number");
        let begun = self.until(|sandbox| {
            sandbox.runs()?;
            Ok(number.exists())
        })?;
        if !begun {
            bail!("it could not prepare its mounts in time");
        }
        self.init = fs::read_to_string(&number)?.trim().parse()?;
        let answers = self.until(|sandbox| {
            sandbox.runs()?;
            let mut info = sandbox.command("docker");
            info.arg("info").stdout(Stdio::null()).stderr(Stdio::null());
            process::run(&mut info)
        })?;
        if !answers {
            bail!("dockerd does not answer");
        }
        Ok(())
    }

    fn runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("its first process ended with {status}"),
        }
    }

    /// Whether something came true in time.
    fn until(&mut self, mut holds: impl FnMut(&mut Self) -> Result<bool>) -> Result<bool> {
        let (tries, pause) = TRIES;
        for _ in 0..tries {
            if holds(self)? {
                return Ok(true);
            }
            thread::sleep(pause);
        }
        Ok(false)
    }

    fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            // Its number may be somebody else's by now. What holds the leash ends with the pipe.
            return Ok(());
        }
        // With what holds the leash; a group that is gone is as good.
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok();
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A destructor has nobody to tell; `end` does the same and says what went wrong.
        self.stop().ok();
    }
}

/// What dockerd is told; nothing comes from the machine's own settings.
fn settings(runtime: &Path) -> serde_json::Value {
    json!({
        "data-root": "/run/docker-data",
        "exec-root": "/run/docker",
        "pidfile": "/run/docker.pid",
        "hosts": ["unix:///run/docker.sock"],
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "runtimes": { "mintage": { "path": runtime } },
        "default-runtime": "mintage",
    })
}

/// The program that dockerd starts for runc.
fn runtime() -> Result<String> {
    let runc = process::find("runc").context("runc was not found; it comes with docker.io")?;
    let status = fs::read_to_string("/proc/self/status")?;
    let lacks = lacking(&status).context("/proc/self/status names no capabilities")?;
    Ok(script(&runc, &lacks))
}

/// It takes some capabilities out of what runc is told.
fn script(runc: &Path, lacks: &[&str]) -> String {
    let edits = lacks
        .iter()
        .flat_map(|name| ["s/\"CAP_", *name, "\",//g;s/,\"CAP_", *name, "\"//g;"]);
    include_str!("runc.sh")
        .replace("EDITS", &edits.collect::<String>())
        .replace("RUNC", &runc.display().to_string())
}

/// The capabilities that nobody here can have, in the text of `/proc/self/status`.
fn lacking(status: &str) -> Option<Vec<&'static str>> {
    let mut lines = status.lines();
    let bounds = lines.find_map(|line| line.strip_prefix("CapBnd:"))?;
    let bounds = u64::from_str_radix(bounds.trim(), 16).ok()?;
    let lacking = CAPABILITIES
        .split(' ')
        .enumerate()
        .filter(|(number, _)| bounds & (1 << number) == 0);
    Some(lacking.map(|(_, name)| name).collect())
}

/// Where all of it is kept from one run to the next.
pub fn cache() -> Result<PathBuf> {
    Ok(workspace::cache()?.join("cluster/kind-node"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_that_are_missing_are_named() {
        let status = "Name:\tsh\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\n";
        assert_eq!(lacking(status), Some(vec!["SYS_RESOURCE"]));
        assert_eq!(lacking("CapBnd:\t000001ffffffffff\n"), Some(Vec::new()));
        assert_eq!(lacking("Name:\tsh\n"), None);
    }

    #[test]
    fn runc_is_not_asked_for_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, file) = (
            folder.path().join("runtime"),
            folder.path().join("config.json"),
        );
        fs::write(
            &runtime,
            script(Path::new("echo"), &["SYS_RESOURCE", "BPF"]),
        )
        .unwrap();
        fs::write(&file, r#"["CAP_SYS_RESOURCE","CAP_SYS_TIME","CAP_BPF"]"#).unwrap();
        let mut command = Command::new("sh");
        command.arg(&runtime).args(["create", "--bundle"]);
        let said = process::read(command.arg(folder.path()).arg("one")).unwrap();
        let bundle = folder.path().display();
        assert_eq!(said, format!("create --bundle {bundle} one\n"));
        assert_eq!(fs::read_to_string(file).unwrap(), r#"["CAP_SYS_TIME"]"#);
    }
}
