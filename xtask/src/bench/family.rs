//! A process and all that it started: their memory, their end; and a process's time on a core.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::param::clock_ticks_per_second;
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

/// The time that a process has spent on cores, in steps of a clock tick (10 ms mostly).
pub fn processor_time(process: u32) -> Result<Duration> {
    let used = used_ticks(process).with_context(|| format!("no times of process {process}"))?;
    let ticks = u32::try_from(clock_ticks_per_second())?;
    Ok(Duration::from_secs(used) / ticks)
}

fn used_ticks(process: u32) -> Option<u64> {
    let mut fields = stat(process)?.into_iter().skip(11);
    let [user, system]: [u64; 2] = [fields.next()?.parse().ok()?, fields.next()?.parse().ok()?];
    Some(user + system)
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
    stat(process)?.get(1)?.parse().ok()
}

/// What `/proc` says of a process, from its state on.
fn stat(process: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The field before that is the program's name in parentheses, and may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    Some(after.split_whitespace().map(str::to_owned).collect())
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
            // Whoever takes a child over when its parent has ended may let it stand as a zombie, which has no memory. A
            // signal takes its time, too.
            let has_memory = || {
                let rest = fs::read_to_string(format!("/proc/{member}/smaps_rollup"));
                rest.is_ok_and(|text| text.contains("Rss:"))
            };
            let mut looks = 0;
            while has_memory() {
                looks += 1;
                assert!(looks < 1000, "{member} goes on");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    #[test]
    fn time_on_a_core_is_counted() {
        let itself = std::process::id();
        let before = processor_time(itself).unwrap();
        let mut count = 0_u64;
        while processor_time(itself).unwrap() < before + Duration::from_millis(30) {
            count += std::hint::black_box(1);
        }
        assert!(count > 0);
        assert!(processor_time(0).is_err());
    }
}
