//! A cluster to show things in: one that is started for it, or a given one.

pub mod diagnosis;
mod forward;
mod report;

use std::ops::Deref;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use crate::bare::Bare;
use crate::cluster::{Cluster, command_line};
use crate::node::Image;
use crate::operator::NAMESPACE;
use crate::release::{Images, kubectl};
use crate::skip;

pub use forward::Forward;
pub use report::{Report, say};

/// Names a kubeconfig: its cluster is used, whose nodes have the images. Without it a cluster is started.
pub const KUBECONFIG: &str = "MINTAGE_E2E_KUBECONFIG";

/// Whether the cluster is left as it is at the end.
const KEEP: &str = "MINTAGE_E2E_KEEP";

/// A cluster, and a client of one who may do everything.
pub struct Stage {
    place: Place,
    /// Of the runtime that the cluster was started in.
    pub client: Client,
    kept: bool,
}

enum Place {
    Bare(Box<Bare>),
    Given(Box<Cluster>),
}

impl Deref for Stage {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match &self.place {
            Place::Bare(bare) => &bare.plane,
            Place::Given(cluster) => cluster,
        }
    }
}

impl Stage {
    /// Starts the cluster, or finds the given one; `None` where this machine can have none, and then the test is skipped.
    pub async fn start(test: &str, report: &mut Report) -> Result<Option<Self>> {
        Self::start_with(test, report, &[]).await
    }

    /// The same with further images, where the cluster is started here.
    pub async fn start_with(
        test: &str,
        report: &mut Report,
        further: &[Image],
    ) -> Result<Option<Self>> {
        for tool in ["helm", "kubectl"] {
            if let Err(reason) = command_line(tool)? {
                return skip::skip(test, &format!("{tool}: {reason}")).map(|()| None);
            }
        }
        let place = if let Some(file) = std::env::var_os(KUBECONFIG) {
            Place::Given(Box::new(Cluster::given(file.as_ref())?))
        } else {
            let images = Images::find()?;
            let made = [&images.made, further].concat();
            let start = Bare::start(&made, &images.archives);
            match report.step("a cluster of one node starts", start).await? {
                Ok(bare) => Place::Bare(Box::new(bare)),
                Err(reason) => return skip::skip(test, &reason).map(|()| None),
            }
        };
        let client = match &place {
            Place::Bare(bare) => bare.plane.admin().await?,
            Place::Given(cluster) => cluster.admin().await?,
        };
        let kept = std::env::var_os(KEEP).is_some();
        Ok(Some(Self {
            place,
            client,
            kept,
        }))
    }

    /// The one that was started here, whose parts can be stopped.
    pub fn bare(&self) -> Option<&Bare> {
        match &self.place {
            Place::Bare(bare) => Some(bare),
            Place::Given(_) => None,
        }
    }

    /// Whether the cluster is left as it is at the end.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// The cluster itself.
    pub fn cluster(&self) -> &Cluster {
        self
    }

    /// The ends of the logs of a cluster that was started here.
    pub fn logs(&self) -> String {
        match &self.place {
            Place::Bare(bare) => bare.logs(),
            Place::Given(_) => String::new(),
        }
    }

    /// The operator's pod that holds the Lease.
    pub async fn leader(&self) -> Result<String> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        let leases = leases.list(&ListParams::default()).await?.items;
        let mut holders = leases
            .into_iter()
            .filter_map(|lease| lease.spec?.holder_identity);
        holders.next().context("nobody holds a Lease")
    }

    /// Runs kubectl in a namespace, which must succeed.
    pub async fn kubectl(&self, namespace: &str, arguments: &[&str]) -> Result<String> {
        let arguments = [&["--namespace", namespace], arguments].concat();
        kubectl(self, &arguments).await
    }

    /// Applies manifests.
    pub async fn apply(&self, name: &str, manifests: &str) -> Result<()> {
        let file = self.folder().join(name);
        std::fs::write(&file, manifests)?;
        let file = file.to_str().context("the path is no text")?;
        kubectl(self, &["apply", "--filename", file]).await?;
        Ok(())
    }

    /// Runs the app in its own container, by `kubectl exec`; the lines of JSON that it says.
    pub async fn app(&self, namespace: &str, name: &str, arguments: &[&str]) -> Result<Vec<Value>> {
        let exec = ["exec", name, "--container", "app", "--", "/pods-app"];
        let said = self
            .kubectl(namespace, &[&exec, arguments].concat())
            .await?;
        let lines = said.lines();
        lines
            .map(|line| serde_json::from_str(line).with_context(|| format!("the app said {line}")))
            .collect()
    }

    /// The same where it says one line.
    pub async fn one(&self, namespace: &str, name: &str, arguments: &[&str]) -> Result<Value> {
        let said = self.app(namespace, name, arguments).await?;
        said.into_iter().next().context("the app said nothing")
    }

    /// Waits for Ctrl-C where the cluster is to be kept and would end with this process.
    pub async fn keep(&self) -> Result<()> {
        if let (Place::Bare(bare), true) = (&self.place, self.is_kept()) {
            let kubeconfig: PathBuf = bare.plane.kubeconfig("admin", &["system:masters"])?;
            say(&format!(
                "the cluster runs until Ctrl-C: export KUBECONFIG={}",
                kubeconfig.display()
            ));
            tokio::signal::ctrl_c().await?;
        }
        Ok(())
    }

    /// Ends a cluster that was started here. The error says what is left.
    pub fn end(self) -> Result<()> {
        match self.place {
            Place::Bare(bare) => bare.end(),
            Place::Given(_) => Ok(()),
        }
    }
}
