//! `mintage-operator` as a process outside the cluster, with nothing but a kubeconfig.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use mintage_crds::permissions::{OPERATOR, Permission, REVIEWER};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use crate::cluster::process::LEASH;
use crate::cluster::{Cluster, within};
use crate::dev::{binary, http};
use crate::mintage::Run;
use crate::permissions;

/// The namespace that the operator calls its own.
pub const NAMESPACE: &str = "mintage-system";

/// The name of its `ServiceAccount`, as in a release of the chart that is named `mintage`.
pub const ACCOUNT: &str = "mintage";

/// What the chart sets in its environment, besides where it is.
pub const ENVIRONMENT: [(&str, &str); 1] = [("MIMALLOC_PURGE_DELAY", "10")];

/// How an operator is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

impl Options {
    /// With arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
        }
    }
}

/// A running operator; it ends with this value, and with this process, however that ends.
pub struct Operator {
    child: Child,
    admin: String,
    log: PathBuf,
    _leash: ChildStdin,
}

impl Operator {
    /// Starts one as the user of a kubeconfig file. It may not be ready yet.
    pub fn start(kubeconfig: &Path, folder: &Path, options: &Options) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = folder.join(format!("operator-{number}.log"));
        let file = std::fs::File::create(&log)?;
        let port = crate::cluster::free_port()?;
        let admin = format!("127.0.0.1:{port}");
        let mut child = Command::new("sh")
            .args(["-c", LEASH, "sh"])
            .arg(binary("mintage-operator")?)
            .args(["--namespace", NAMESPACE, "--admin-listen", &admin])
            .args(["--identity", &format!("operator-{number}")])
            .args(&options.arguments)
            .env("KUBECONFIG", kubeconfig)
            .envs(ENVIRONMENT)
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("NO_PROXY", "*")
            .envs(options.environment.iter().cloned())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()?;
        let leash = child.stdin.take().context("no standard input")?;
        Ok(Self {
            child,
            admin,
            log,
            _leash: leash,
        })
    }

    /// The number of its process, while that runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let (admin, log) = (self.admin.clone(), self.log.clone());
        let child = &mut self.child;
        let ready = within(
            Duration::from_mins(1),
            "the operator is ready",
            async || {
                if let Some(status) = child.try_wait()? {
                    bail!("it ended with {status}");
                }
                let answer = http()?.get(format!("http://{admin}/readyz")).send().await?;
                let (status, text) = (answer.status(), answer.text().await?);
                ensure!(status.is_success(), "{status}: {text}");
                Ok(())
            },
        );
        ready
            .await
            .with_context(|| format!("the end of its log:\n{}", tail(&log)))
    }

    /// Waits until it leads: before that it writes nothing.
    pub async fn leads(&self) -> Result<()> {
        within(Duration::from_mins(1), "the operator leads", async || {
            let leads = self.metric("mintage_operator_leader").await?;
            ensure!(leads == Some(1.0), "{leads:?}");
            Ok(())
        })
        .await
    }

    /// A line of its metrics, by its beginning; the number at its end.
    pub async fn metric(&self, start: &str) -> Result<Option<f64>> {
        let text = self.metrics().await?;
        let line = text.lines().find(|line| line.starts_with(start));
        line.and_then(|line| line.rsplit(' ').next())
            .map(|number| Ok(number.parse()?))
            .transpose()
    }

    /// All metrics.
    pub async fn metrics(&self) -> Result<String> {
        let url = format!("http://{}/metrics", self.admin);
        Ok(http()?
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }

    /// Where health and metrics are.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Its log so far.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Waits for its end; its exit code.
    pub async fn ended(&mut self, patience: Duration) -> Result<Option<i32>> {
        let status = tokio::time::timeout(patience, self.child.wait()).await;
        let status = status.with_context(|| format!("it runs still\n{}", tail(&self.log)))?;
        Ok(status?.code())
    }

    /// Asks it to end, and waits for that; its exit code.
    pub async fn terminate(&mut self) -> Result<Option<i32>> {
        self.signal(Signal::TERM)?;
        self.ended(Duration::from_secs(40)).await
    }

    /// Ends it at once.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Stands it still.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.id().context("it has ended")?;
        let id = Pid::from_raw(id.cast_signed()).context("a process has a number")?;
        Ok(kill_process(id, signal)?)
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The namespace and the `ServiceAccount` of the operator, with the permissions of the chart; a kubeconfig file for it.
pub async fn install_account(cluster: &Cluster) -> Result<PathBuf> {
    let namespace = Namespace {
        metadata: named(NAMESPACE),
        ..Namespace::default()
    };
    Api::<Namespace>::all(cluster.admin().await?)
        .create(&PostParams::default(), &namespace)
        .await?;
    account(cluster, permissions::REVIEWER, REVIEWER).await?;
    account(cluster, ACCOUNT, OPERATOR).await
}

/// A `ServiceAccount` in the operator's namespace that may do what a table says; a kubeconfig file for it.
pub async fn account(cluster: &Cluster, name: &str, table: &[Permission]) -> Result<PathBuf> {
    let account = ServiceAccount {
        metadata: named(name),
        ..ServiceAccount::default()
    };
    Api::<ServiceAccount>::namespaced(cluster.admin().await?, NAMESPACE)
        .create(&PostParams::default(), &account)
        .await?;
    permissions::grant(cluster, name, table).await?;
    cluster.service_account(NAMESPACE, name).await
}

/// Runs `mintage-operator uninstall` as the user of a kubeconfig file.
pub async fn uninstall(kubeconfig: &Path) -> Result<Run> {
    let output = Command::new(binary("mintage-operator")?)
        .args(["uninstall", "--namespace", NAMESPACE])
        .env("KUBECONFIG", kubeconfig)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    Ok(Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}
