//! A real Kubernetes API for tests.
//!
//! ```text
//!  a test ──► shared(test)   ──► &Cluster ─────────┐   client, kubeconfig, kubectl, helm, namespace, allow
//!         ├─► local(test)    ──► &ControlPlane ────┤   the same, and the audit log
//!         └─► private(test)  ──► ControlPlane ─────┘   the same, and it may be stopped, paused, compacted
//!                                   │
//!             etcd ◄── kube-apiserver ◄── kube-controller-manager        (on the loopback, by certificates)
//! ```
//!
//! The programs are those that `cargo xtask test` prepared, or those of `KUBEBUILDER_ASSETS`; without them a test is
//! skipped. All tests of a binary share one control plane, which is up in a few seconds, holds the definitions of
//! `crds/generated`, and ends with the test process however that ends. With `MINTAGE_TEST_KUBECONFIG=<file>` the tests
//! that need no more than an API use the cluster of that file instead. They install the definitions there, and make
//! namespaces, roles and bindings of their own, which they take away.
//!
//! There is no kubelet: pods are made, admitted and stored, and never run, unless a [`Node`](crate::node::Node) joins.

mod access;
mod audit;
mod authority;
mod control_plane;
mod definitions;
mod folder;
mod namespace;
mod ports;
pub(crate) mod process;
mod programs;
pub(crate) mod routed;
mod servers;
mod tools;
mod users;
mod wait;

use anyhow::{Result, bail};
use tokio::sync::OnceCell;

use crate::skip;

pub use access::{ADMIN, Cluster, MASTERS};
pub use audit::{Event, Mark};
pub use authority::Authority;
pub use control_plane::{ControlPlane, Nodes, Options};
pub use namespace::Namespace;
pub use ports::free as free_port;
pub use programs::command_line;
pub use users::rule;
pub use wait::{eventually, throughout, within};

/// Names a kubeconfig file: the tests that need no more than an API use its cluster, as the user of that file.
pub const KUBECONFIG: &str = "MINTAGE_TEST_KUBECONFIG";

/// The cluster that the tests of this binary share: that of [`KUBECONFIG`], or else a control plane of ours. Without
/// the programs the test is skipped: return.
pub async fn shared(test: &str) -> Result<Option<&'static Cluster>> {
    static GIVEN: OnceCell<Cluster> = OnceCell::const_new();
    if let Some(file) = std::env::var_os(KUBECONFIG) {
        let given = async || {
            let cluster = Cluster::given(file.as_ref())?;
            cluster.install_definitions().await?;
            anyhow::Ok(cluster)
        };
        return Ok(Some(GIVEN.get_or_try_init(given).await?));
    }
    Ok(local(test).await?.map(|plane| &**plane))
}

/// The control plane of ours that the tests of this binary share: nobody may stop or pause it, and other tests write to
/// its audit log as well. Without the programs the test is skipped: return.
pub async fn local(test: &str) -> Result<Option<&'static ControlPlane>> {
    static LOCAL: Once = Once::new();
    LOCAL
        .get(test, async || ControlPlane::start(Options::default()).await)
        .await
}

/// A control plane that tests share: the first of them starts it.
#[derive(Default)]
pub struct Once(OnceCell<Start>);

/// What came of the one start; one that failed is not tried again by each test.
enum Start {
    Done(Box<ControlPlane>),
    Failed(String),
    Skipped(String),
}

impl Once {
    /// Not started yet.
    pub const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// The control plane, which `start` starts if no test has done so before. Without the programs the test is skipped:
    /// return.
    pub async fn get(
        &'static self,
        test: &str,
        start: impl AsyncFnOnce() -> Result<Result<ControlPlane, String>>,
    ) -> Result<Option<&'static ControlPlane>> {
        let start = async || match start().await {
            Ok(Ok(plane)) => Start::Done(Box::new(plane)),
            Ok(Err(reason)) => Start::Skipped(reason),
            Err(error) => Start::Failed(format!("{error:#}")),
        };
        match self.0.get_or_init(start).await {
            Start::Done(plane) => Ok(Some(plane)),
            Start::Skipped(reason) => skip::skip(test, reason).map(|()| None),
            Start::Failed(error) => bail!("{error}"),
        }
    }
}

/// A control plane of the test's own. Without the programs the test is skipped: return.
pub async fn private(test: &str, options: Options) -> Result<Option<ControlPlane>> {
    match ControlPlane::start(options).await? {
        Ok(plane) => Ok(Some(plane)),
        Err(reason) => skip::skip(test, &reason).map(|()| None),
    }
}
