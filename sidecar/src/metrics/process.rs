//! What every program of ours tells of itself: its version, its log, and what the process takes, as Prometheus' own
//! clients tell it.

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::logging;

/// What is measured of the process.
#[derive(Default)]
pub struct Process {
    log_lines_dropped: Counter,
    open_fds: Gauge<i64, AtomicI64>,
    resident_memory: Gauge<i64, AtomicI64>,
}

impl Process {
    /// Registers it, with the program's version, in a registry without a prefix.
    pub fn register(&self, registry: &mut Registry, version: &'static str) {
        let program = registry.sub_registry_with_prefix("mintage");
        let version = Info::new([("version", version)]);
        program.register("build", "The program", version);
        program.register(
            "log_lines_dropped",
            "Log lines that nobody read in time",
            self.log_lines_dropped.clone(),
        );
        let process = registry.sub_registry_with_prefix("process");
        process.register("open_fds", "Open file descriptors", self.open_fds.clone());
        process.register_with_unit(
            "resident_memory",
            "Resident memory",
            Unit::Bytes,
            self.resident_memory.clone(),
        );
    }

    /// Measures it.
    pub fn measure(&self) {
        let dropped = logging::dropped();
        self.log_lines_dropped
            .inner()
            .store(dropped, Ordering::Relaxed);
        if let Some(usage) = Usage::now() {
            self.open_fds.set(usage.open_fds);
            self.resident_memory.set(usage.resident_bytes);
        }
    }
}

/// Descriptors and memory.
#[derive(Clone, Copy, Debug)]
struct Usage {
    open_fds: i64,
    resident_bytes: i64,
}

impl Usage {
    /// Reads `/proc`; `None` where there is none.
    fn now() -> Option<Self> {
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
