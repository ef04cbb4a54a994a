//! Networks of other processes.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Does something in the network of a process. What it returns, a socket say, stays there.
pub fn inside<T: Send + 'static>(
    process: u32,
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let path = format!("/proc/{process}/ns/net");
    let network = File::open(&path).context(path)?;
    // A thread of its own, which ends in there.
    let visitor = thread::spawn(move || -> Result<T> {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(act())
    });
    visitor
        .join()
        .map_err(|_| anyhow!("the thread in the network of {process} panicked"))?
}
