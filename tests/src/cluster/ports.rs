//! Ports for servers that are told theirs, and that may come back to it.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Below what a kernel gives to connections: a server that is away for a while finds its port free again.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that nobody listens on.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin in different places.
    let start = u16::try_from(std::process::id() % 10_000)?.wrapping_mul(7);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free on the loopback")
}
