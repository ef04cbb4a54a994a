//! A cluster of one node that a test, or `cargo xtask up`, starts by itself, without Docker, kind or a registry.
//!
//! ```text
//!  on the machine's loopback                            in namespaces of their own
//!  etcd ◄── kube-apiserver ◄─┬─ kube-controller-manager      kubelet ── containerd ── runc ── pods: CoreDNS, and yours
//!                  │         └─ kube-scheduler                  ▲       kube-proxy (nftables)
//!                  └───────────────── Egress ───────────────────┘
//! ```
//!
//! Services, cluster DNS, webhooks by `service:`, logs, exec and port-forward are there; network policies are stored and
//! not enforced, and there is no way out of the pods' network. It ends with its value and with the process that holds it,
//! however that ends.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};

use crate::cluster::{ControlPlane, Nodes, Options, command_line};
use crate::dev::binary;
use crate::node::{Image, Node};

/// The image that holds the namespaces of every pod, and that waits where the quickstart says so.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// The image of the cluster's DNS, as its manifests have it.
const DNS: &str = "mintage.test/coredns:1";

/// A running cluster.
pub struct Bare {
    /// What runs on the machine's loopback; also whom to ask for kubeconfigs.
    pub plane: ControlPlane,
    /// Where pods run.
    pub node: Node,
}

impl Bare {
    /// Starts one whose node has images, and waits until its DNS answers; or says why there can be none.
    pub async fn start(images: &[Image], archives: &[PathBuf]) -> Result<Result<Self, String>> {
        let dns = match command_line("coredns")? {
            Ok(line) => line.first().context("an empty command line")?.into(),
            Err(reason) => return Ok(Err(format!("coredns: {reason}"))),
        };
        let options = Options {
            // Whoever installs Mintage brings them.
            definitions: false,
            nodes: Nodes::Routed,
            ..Options::default()
        };
        let plane = match ControlPlane::start(options).await? {
            Ok(plane) => plane,
            Err(reason) => return Ok(Err(reason)),
        };
        if !plane.has_controllers() {
            return Ok(Err("there is no kube-controller-manager".into()));
        }
        let own = [
            Image {
                name: PAUSE.into(),
                program: binary("pods-app")?,
                arguments: vec!["pause".into()],
                user: 65_535,
            },
            Image {
                name: DNS.into(),
                program: dns,
                arguments: Vec::new(),
                user: 65_532,
            },
        ];
        let images = [&own, images].concat();
        let node = match Node::start(&plane, "bare", PAUSE, &images, archives).await? {
            Ok(node) => node,
            Err(reason) => return Ok(Err(reason)),
        };
        let cluster = Self { plane, node };
        let ready = cluster.dns().await;
        ready.with_context(|| cluster.logs())?;
        Ok(Ok(cluster))
    }

    /// The ends of its programs' logs.
    pub fn logs(&self) -> String {
        format!("{}{}", self.plane.logs(), self.node.logs())
    }

    /// Ends it, with all that runs on it. The error says what is left.
    pub fn end(self) -> Result<()> {
        self.node.end()
    }

    async fn dns(&self) -> Result<()> {
        let file = self.plane.folder().join("coredns.yaml");
        std::fs::write(&file, include_str!("coredns.yaml"))?;
        let file = crate::text(&file)?;
        let made = self.plane.kubectl(&["apply", "--filename", &file]).await?;
        made.succeeded()?;
        let name = "deployment/coredns";
        let arguments = [
            "--namespace",
            "kube-system",
            "rollout",
            "status",
            name,
            "--timeout=90s",
        ];
        let ready = self.plane.kubectl(&arguments).await?;
        if ready.succeeded().is_err() {
            let told = self
                .plane
                .kubectl(&["--namespace", "kube-system", "describe", "pods"]);
            return Err(anyhow!(
                "the cluster has no DNS: {}\n{}",
                ready.said(),
                told.await?.said()
            ));
        }
        Ok(())
    }
}
