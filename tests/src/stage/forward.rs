//! `kubectl port-forward` as a process.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::Stage;
use crate::cluster::command_line;
use crate::dev::http;

/// A port of a pod's on this machine; it ends with this value.
pub struct Forward {
    _child: Child,
    address: String,
}

impl Stage {
    /// Forwards to a port of a pod, `deployment/api` say.
    pub async fn forward(&self, namespace: &str, name: &str, port: u16) -> Result<Forward> {
        let line = command_line("kubectl")?.map_err(anyhow::Error::msg)?;
        let (program, first) = line.split_first().context("an empty command line")?;
        let kubeconfig = self.kubeconfig("mintage-tests", &["system:masters"])?;
        let port = format!(":{port}");
        let mut child = Command::new(program)
            .args(first)
            .args(["--namespace", namespace, "port-forward", name, &port])
            .env("KUBECONFIG", kubeconfig)
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(out).lines();
        // Forwarding from 127.0.0.1:41234 -> 7601
        let line = lines.next_line().await?.context("it ended")?;
        let address = line.split(' ').nth(2).context(line.clone())?.to_owned();
        // It stops when nobody reads what it says of each connection.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Forward {
            _child: child,
            address,
        })
    }
}

impl Forward {
    /// Where the port is on this machine.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.address.parse()?)
    }

    /// What is answered to GET.
    pub async fn read(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.address);
        let answer = http()?.get(url).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }
}
