//! `mintage dev` as a process, on ports of its own, with a copy of some manifests.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::disk::Disk;

/// A running `mintage dev`; it ends with this value.
pub struct Dev {
    /// The folder of manifests, to be edited.
    pub manifests: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    child: Child,
    info: Value,
    _dir: TempDir,
}

/// Variables of an environment.
pub type Variables = BTreeMap<String, String>;

/// Whether the commands were built.
static BUILT: OnceLock<bool> = OnceLock::new();

/// Where the built commands are. `cargo xtask test` says it; else they are built beside the running test.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("MINTAGE_BIN_DIR") {
        return Ok(PathBuf::from(dir).join(name));
    }
    let built = BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = std::process::Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--package",
                "mintage",
                "--package",
                "mintage-operator",
                "--package",
                "mintage-sidecar",
            ])
            .current_dir(crate::workspace())
            .status();
        build.is_ok_and(|status| status.success())
    });
    if !built {
        bail!("cannot build {name}");
    }
    let test = std::env::current_exe()?;
    // <target>/<profile>/deps/<test>
    let profile = test
        .parent()
        .and_then(Path::parent)
        .context("the test is not in a target folder")?;
    Ok(profile.join(name))
}

impl Dev {
    /// Starts with a copy of a folder. `options` follow the folder on the command line.
    pub async fn start(folder: &Path, options: &[&str]) -> Result<Self> {
        Self::start_edited(folder, |text| text, options).await
    }

    /// The same, with every manifest changed before it is read.
    pub async fn start_edited(
        folder: &Path,
        edit: impl Fn(String) -> String,
        options: &[&str],
    ) -> Result<Self> {
        let (dir, manifests) = copy(folder)?;
        for entry in fs::read_dir(&manifests)? {
            let path = entry?.path();
            let text = edit(fs::read_to_string(&path)?);
            fs::write(&path, text)?;
        }
        let state = dir.path().join("state");
        let command = std::process::Command::new(binary("mintage")?);
        let (child, info) = spawn(command, &manifests, &state, &state, options).await?;
        Ok(Self {
            manifests,
            state,
            child,
            info,
            _dir: dir,
        })
    }

    /// The same with its state on a disk of its own.
    pub async fn start_on(disk: &Disk, folder: &Path, options: &[&str]) -> Result<Self> {
        let (dir, manifests) = copy(folder)?;
        let (state, seen) = (disk.path().join("state"), disk.seen().join("state"));
        let command = disk.command(&binary("mintage")?);
        let (child, info) = spawn(command, &manifests, &state, &seen, options).await?;
        Ok(Self {
            manifests,
            state: seen,
            child,
            info,
            _dir: dir,
        })
    }

    /// Ends it with SIGTERM and starts it again on the same folders.
    pub async fn restart(&mut self, options: &[&str]) -> Result<()> {
        self.stop().await?;
        let command = std::process::Command::new(binary("mintage")?);
        let spawned = spawn(command, &self.manifests, &self.state, &self.state, options);
        (self.child, self.info) = spawned.await?;
        Ok(())
    }

    /// Sends it SIGTERM, if it runs.
    pub fn terminate(&self) -> Result<()> {
        if let Some(pid) = self.child.id() {
            let pid = rustix::process::Pid::from_raw(pid.try_into()?).context("no pid")?;
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        Ok(())
    }

    /// Ends it with SIGTERM and waits; gives the exit code.
    pub async fn stop(&mut self) -> Result<i32> {
        self.terminate()?;
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await??;
        Ok(status.code().unwrap_or(-1))
    }

    /// The workload API; 0 for the first workload, 1 for the first `--also`, and so on.
    pub fn url(&self, workload: usize) -> String {
        let url = self
            .info
            .pointer(&format!("/workloads/{workload}/url"))
            .and_then(Value::as_str);
        url.unwrap_or_default().to_owned()
    }

    /// Where Envoy's `ext_authz` is answered for a workload, by its number.
    pub fn ext_authz(&self, workload: usize) -> Result<SocketAddr> {
        let address = self
            .info
            .pointer(&format!("/workloads/{workload}/ext_authz"));
        let address = address.and_then(Value::as_str);
        Ok(address.context("it answers no ext_authz")?.parse()?)
    }

    /// Where the issuers are served over TLS.
    pub fn tls_addr(&self) -> String {
        self.info["tls_addr"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Where health and metrics are.
    pub fn admin_url(&self) -> String {
        self.info["admin_url"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The public part of the certificate authority.
    pub fn ca_file(&self) -> PathBuf {
        self.state.join("ca.pem")
    }

    /// What an application is set up with: the variables that `dev` wrote down for it.
    pub fn application(&self, namespace: &str, name: &str) -> Result<Variables> {
        let file = format!("clients/{namespace}.{name}.env");
        let text = fs::read_to_string(self.state.join(&file)).context(file)?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        Ok(lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// All that it said so far.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(log_file(&self.manifests))?)
    }

    /// Rewrites a manifest as an editor does: a new file in its place.
    pub fn edit(&self, file: &str, change: impl FnOnce(String) -> String) -> Result<()> {
        let path = self.manifests.join(file);
        let text = change(fs::read_to_string(&path)?);
        let beside = path.with_extension("tmp");
        fs::write(&beside, text)?;
        fs::rename(beside, path)?;
        Ok(())
    }

    /// Asks for a token; the status and the answer.
    pub async fn ask(&self, workload: usize, form: &[(&str, &str)]) -> Result<(u16, Value)> {
        let mut all = vec![("grant_type", "client_credentials")];
        all.extend_from_slice(form);
        let response = http()?
            .post(format!("{}/oauth/token", self.url(workload)))
            .form(&all)
            .send()
            .await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    /// Gets a token.
    pub async fn token(&self, workload: usize, audience: &str) -> Result<String> {
        let (status, answer) = self.ask(workload, &[("audience", audience)]).await?;
        let token = answer["access_token"].as_str();
        Ok(token
            .with_context(|| format!("{status}: {answer}"))?
            .to_owned())
    }

    /// Asks whether a workload accepts a token: the status of `/validate` and its challenge.
    pub async fn validate(&self, workload: usize, token: &str) -> Result<(u16, String)> {
        let response = http()?
            .get(format!("{}/validate", self.url(workload)))
            .bearer_auth(token)
            .send()
            .await?;
        let challenge = response
            .headers()
            .get("www-authenticate")
            .map(|value| value.to_str())
            .transpose()?;
        Ok((
            response.status().as_u16(),
            challenge.unwrap_or_default().to_owned(),
        ))
    }

    /// Reads a JSON document of the workload API.
    pub async fn json(&self, workload: usize, path: &str) -> Result<Value> {
        Ok(http()?
            .get(format!("{}{path}", self.url(workload)))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    }
}

/// A client for the loopback.
pub fn http() -> Result<reqwest::Client> {
    // The only one that is built in, whoever comes first.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()?)
}

/// Tries something until it holds, for half a minute: on a busy machine, keys take many seconds to make.
pub async fn eventually<T, F: Future<Output = Result<Option<T>>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = attempt().await? {
            return Ok(value);
        }
        if Instant::now() > end {
            bail!("it did not come to pass that {what}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// A copy of a folder of manifests, in a folder of its own.
fn copy(folder: &Path) -> Result<(TempDir, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let manifests = dir.path().join("manifests");
    fs::create_dir(&manifests)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A folder beside manifests is a program's.
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), manifests.join(entry.file_name()))?;
        }
    }
    Ok((dir, manifests))
}

fn log_file(manifests: &Path) -> PathBuf {
    manifests.with_extension("log")
}

/// Starts it; `seen` is where this process sees the state folder.
async fn spawn(
    command: std::process::Command,
    manifests: &Path,
    state: &Path,
    seen: &Path,
    options: &[&str],
) -> Result<(Child, Value)> {
    let info = seen.join("dev.json");
    drop(fs::remove_file(&info));
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_file(manifests))?;
    // A test whose manifests name the port of the issuers chooses it itself.
    let tls: &[&str] = if options.contains(&"--tls-listen") {
        &[]
    } else {
        &["--tls-listen", "127.0.0.1:0"]
    };
    let mut child = Command::from(command)
        .arg("dev")
        .arg(manifests)
        .arg("--state-dir")
        .arg(state)
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(tls)
        .args(options)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        if let Ok(text) = fs::read_to_string(&info)
            && let Ok(value) = serde_json::from_str(&text)
        {
            return Ok((child, value));
        }
        let exited = child.try_wait()?;
        if exited.is_some() || Instant::now() > end {
            let said = fs::read_to_string(log_file(manifests))?;
            bail!("mintage dev did not start ({exited:?}); it said:\n{said}");
        }
        sleep(Duration::from_millis(20)).await;
    }
}
