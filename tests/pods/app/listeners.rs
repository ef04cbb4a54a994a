//! Who listens in the pod's network.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::Fault;

/// The state of a socket that listens, in the kernel's tables.
const LISTENS: &str = "0A";

/// The ports on which somebody listens: on the loopback alone, and on the pod's address.
pub fn all() -> Result<Value, Fault> {
    let (mut loopback, mut everywhere) = (BTreeSet::new(), BTreeSet::new());
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table)?.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, ..] = words[..] else {
                return Err(format!("{table} says {line}").into());
            };
            let (address, port) = local.split_once(':').ok_or("no port")?;
            if state == LISTENS {
                let ports = if is_loopback(address) {
                    &mut loopback
                } else {
                    &mut everywhere
                };
                ports.insert(u16::from_str_radix(port, 16)?);
            }
        }
    }
    Ok(json!({ "loopback": loopback, "everywhere": everywhere }))
}

/// Addresses are words in the machine's order: 127.0.0.1 is `0100007F` where it is little-endian.
fn is_loopback(address: &str) -> bool {
    let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
    let v4 = word([127, 0, 0, 1]);
    let v6 = format!("{}{}", "0".repeat(24), word([0, 0, 0, 1]));
    let mapped = format!("{}{}{v4}", "0".repeat(16), word([0, 0, 0xFF, 0xFF]));
    [v4, v6, mapped].contains(&address.to_owned())
}
