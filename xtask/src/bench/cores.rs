//! One core for the sidecar, one for who asks it: neither takes the other's time.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// The two cores of a run, of those that this process may use.
#[derive(Clone, Copy)]
pub struct Cores {
    server: usize,
    generator: usize,
}

impl Cores {
    /// The first two; with only one, everything shares it.
    pub fn find() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("cannot tell which cores there are")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().context("there is no core to run on")?;
        let generator = cores.next().unwrap_or(server);
        Ok(Self { server, generator })
    }

    /// Whether server and generator take each other's time.
    pub fn are_shared(self) -> bool {
        self.server == self.generator
    }

    /// Moves this thread, and what it starts from now on, to the server's core.
    pub fn enter_server(self) -> Result<()> {
        pin(self.server)
    }

    /// Does something on the server's core, while the server has nothing to do, and comes back.
    pub fn at_server<T>(self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.enter_server()?;
        let outcome = act();
        self.enter_generator()?;
        outcome
    }

    /// Moves this thread, and what it starts from now on, to the generator's core.
    pub fn enter_generator(self) -> Result<()> {
        pin(self.generator)
    }
}

/// The time that this thread has spent on cores.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (time.tv_sec.try_into(), time.tv_nsec.try_into());
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot move to core {core}"))
}
