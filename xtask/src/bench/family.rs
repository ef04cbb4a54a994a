//! A process and all that it started: their memory, and their end.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Memory in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Resident; what processes share counts once for each.
    pub rss: u64,
    /// Resident; what processes share is divided among them.
    pub pss: u64,
}

impl Memory {
    /// What a process and its descendants take now.
    pub fn of(process: u32) -> Result<Self> {
        let mut sum = Self::default();
        for id in tree(process) {
            let file = format!("/proc/{id}/smaps_rollup");
            match fs::read_to_string(&file) {
                Ok(text) => {
                    sum.rss += field(&text, "Rss:").with_context(|| file.clone())?;
                    sum.pss += field(&text, "Pss:").with_context(|| file.clone())?;
                }
                // A descendant may end meanwhile; the process itself may not.
                Err(error) if id == process => return Err(error).context(file),
                Err(_) => {}
            }
        }
        Ok(sum)
    }
}

/// A process and its descendants.
pub fn tree(process: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, parent(id)?)))
        .collect();
    let mut members = BTreeSet::from([process]);
    loop {
        let before = members.len();
        let children = parents
            .iter()
            .filter(|(_, parent)| members.contains(parent));
        let children: Vec<u32> = children.map(|(child, _)| *child).collect();
        members.extend(children);
        if members.len() == before {
            return members;
        }
    }
}

/// Ends a process and its descendants.
pub fn end(process: u32) {
    let ids = tree(process).into_iter();
    for id in ids.filter_map(|id| Pid::from_raw(id.try_into().ok()?)) {
        // The only failure is that it has ended by itself, which is what was wanted.
        kill_process(id, Signal::KILL).ok();
    }
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_a_process_started_counts() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .spawn()
            .unwrap();
        let id = shell.id();
        let members = loop {
            let members = tree(id);
            if members.len() > 1 {
                break members;
            }
        };
        assert!(members.contains(&id) && !members.contains(&std::process::id()));
        let alone = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap();
        let all = Memory::of(id).unwrap();
        assert!(all.rss > field(&alone, "Rss:").unwrap(), "{all:?}");
        assert!(all.pss > 0 && all.pss <= all.rss, "{all:?}");

        end(id);
        shell.wait().unwrap();
        assert!(Memory::of(id).is_err());
        for member in members {
            // Whoever takes a child over when its parent has ended may let it stand as a zombie, which has no memory.
            let rest = fs::read_to_string(format!("/proc/{member}/smaps_rollup"));
            assert!(!rest.is_ok_and(|text| text.contains("Rss:")), "{member}");
        }
    }
}
