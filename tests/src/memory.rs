//! What a process takes.

use std::fs;

use anyhow::{Context as _, Result};

use crate::operator::Operator;

/// In KiB.
pub struct Memory {
    /// The most that there ever was.
    pub peak: u64,
    /// What there is now.
    pub resident: u64,
}

impl Memory {
    /// Of a running operator.
    pub fn of(operator: &Operator) -> Result<Self> {
        Self::of_process(operator.id().context("the operator has ended")?)
    }

    /// Of a process, by its number.
    pub fn of_process(id: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number.with_context(|| format!("no {name}"))?.parse()?)
        };
        Ok(Self {
            peak: field("VmHWM:")?,
            resident: field("VmRSS:")?,
        })
    }
}
