//! A small disk of its own, in a mount namespace that nobody else sees.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// A mounted disk; it is gone with this value.
pub struct Disk {
    /// Its namespace lives as long as this process.
    holder: Child,
    dir: TempDir,
}

/// Mounts the disk, says how that went, and lives until its standard input ends.
const HOLD: &str = "mount -t tmpfs -o size=$1 tmpfs \"$2\" && echo mounted && read -r _";

impl Disk {
    /// Mounts one of a size as mount(8) takes it; or why that cannot be done here, which only root can.
    pub fn mount(size: &str) -> Result<Result<Self, String>> {
        let dir = tempfile::tempdir()?;
        fs::create_dir(dir.path().join("disk"))?;
        let spawned = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-c", HOLD, "sh", size])
            .arg(dir.path().join("disk"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut holder = match spawned {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Err("unshare(1) is not installed".to_owned()));
            }
            spawned => spawned?,
        };
        let mut said = String::new();
        let output = holder.stdout.take().context("no standard output")?;
        BufReader::new(output).read_line(&mut said)?;
        let disk = Self { holder, dir };
        Ok(if said == "mounted\n" {
            Ok(disk)
        } else {
            Err("no disk can be mounted here; root can".to_owned())
        })
    }

    /// Where it is, for processes that [`Disk::command`] starts.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// The same place for this process.
    pub fn seen(&self) -> PathBuf {
        let path = self.path();
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(path.strip_prefix("/").unwrap_or(&path))
    }

    /// A command for which the disk is there.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        command.arg(program);
        command
    }

    /// Takes all the room that is left.
    pub fn fill(&self) -> Result<()> {
        let mut filler = fs::File::create(self.seen().join("filler"))?;
        for piece in [4096, 1] {
            loop {
                match filler.write_all(&vec![b'x'; piece]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.seen().join("filler"))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}
