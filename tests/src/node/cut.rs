//! A port whose packets are dropped.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::Node;
use crate::cluster::command_line;

/// While there is one, what goes to a TCP port of a pod or comes from it is dropped, without a word to either side: who has
/// a connection hears nothing more, and who wants one waits.
pub struct Cut {
    /// Whose network it is.
    init: u32,
    nft: String,
    table: String,
}

impl Node {
    /// Cuts a port of all pods off, until the value is gone.
    pub fn cut(&self, port: u16) -> Result<Cut> {
        let nft = command_line("nft")?.map_err(anyhow::Error::msg)?;
        let nft = nft.into_iter().next().context("an empty command line")?;
        let cut = Cut {
            init: self.init,
            nft,
            table: format!("cut-{port}"),
        };
        // What pods send each other passes the bridge, and there is shown to the chains of IPv4. Before kube-proxy's.
        cut.run(&format!(
            "table ip {} {{\n\
             chain forward {{\n\
             type filter hook forward priority -10;\n\
             tcp dport {port} drop\n\
             tcp sport {port} drop\n\
             }}\n\
             }}\n",
            cut.table
        ))?;
        Ok(cut)
    }
}

impl Cut {
    /// Lets packets through again.
    pub fn heal(self) -> Result<()> {
        // Once more when it is dropped, where it finds nothing.
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        self.run(&format!("delete table ip {}\n", self.table))
    }

    fn run(&self, rules: &str) -> Result<()> {
        let mut nft = Command::new("nsenter")
            .args(["--net", "--target", &self.init.to_string()])
            .args([&self.nft, "--file", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start nsenter")?;
        let mut input = nft.stdin.take().context("no standard input")?;
        input.write_all(rules.as_bytes())?;
        drop(input);
        let output = nft.wait_with_output()?;
        ensure!(
            output.status.success(),
            "nft: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        // A destructor has nobody to tell; `heal` does the same and says what went wrong. The node takes it along at last.
        self.remove().ok();
    }
}
