//! What this process takes, as Prometheus' own clients tell it.

use std::fs;

/// Descriptors and memory.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Open file descriptors.
    pub open_fds: i64,
    /// Resident memory.
    pub resident_bytes: i64,
}

impl Usage {
    /// Reads `/proc`; `None` where there is none.
    pub fn now() -> Option<Self> {
        // The listing has a descriptor of its own.
        let open_fds = fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1);
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: i64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Self {
            open_fds: i64::try_from(open_fds).ok()?,
            resident_bytes: kibibytes * 1024,
        })
    }
}
