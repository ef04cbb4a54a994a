//! A pod's sidecar as a process, reading a folder as kubelet mounts it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Response;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::dev::{binary, http};

/// A running sidecar; it ends with this value.
pub struct Sidecar {
    _child: Child,
    http: reqwest::Client,
    /// Where its workload API listens.
    pub workload_api: SocketAddr,
    /// Where its health and metrics are.
    pub admin: SocketAddr,
}

impl Sidecar {
    /// Starts a sidecar on a folder as a workload, as `shop/checkout`, and waits until it is ready.
    pub async fn start(dir: &Path, workload: &str, options: &[&str]) -> Result<Self> {
        let mut child = Command::new(binary("mintage-sidecar")?)
            .arg("--dir")
            .arg(dir)
            .args(["--as", workload])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--ext-authz-listen", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let [workload_api, admin] = listening(&mut child, ["workload_api", "admin"]).await?;
        let sidecar = Self {
            _child: child,
            http: http()?,
            workload_api,
            admin,
        };
        sidecar.ready().await?;
        Ok(sidecar)
    }

    async fn ready(&self) -> Result<()> {
        for _ in 0..200 {
            if self.is_ready().await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let url = format!("http://{}/readyz", self.admin);
        bail!("{}", self.http.get(&url).send().await?.text().await?)
    }

    /// Asks for a token; the whole answer.
    pub async fn ask(&self, audience: &str) -> Result<Response> {
        let url = format!("http://{}/oauth/token", self.workload_api);
        let form = [("grant_type", "client_credentials"), ("audience", audience)];
        Ok(self.http.post(url).form(&form).send().await?)
    }

    /// A token for an audience.
    pub async fn token(&self, audience: &str) -> Result<String> {
        let answer = self.ask(audience).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == 200, "{status}: {text}");
        let answer: Value = serde_json::from_str(&text)?;
        let token = answer["access_token"].as_str().context("no token")?;
        Ok(token.to_owned())
    }

    /// The version of the bundle that it has loaded.
    pub async fn bundle_version(&self) -> Result<u64> {
        let version = self.metric("mintage_bundle_version ").await?;
        version.context("no bundle is loaded")
    }

    /// A whole number among its metrics, by the beginning of its line.
    pub async fn metric(&self, start: &str) -> Result<Option<u64>> {
        let url = format!("http://{}/metrics", self.admin);
        let text = self.http.get(url).send().await?.text().await?;
        let mut lines = text.lines();
        let number = lines.find_map(|line| line.strip_prefix(start));
        // Some gauges are numbers with a point, and none of these has a fraction.
        let number = number.and_then(|number| number.split('.').next());
        number.map(|number| Ok(number.parse()?)).transpose()
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> Result<bool> {
        let url = format!("http://{}/readyz", self.admin);
        Ok(self.http.get(url).send().await?.status() == 200)
    }

    /// Asks whether a token is good.
    pub async fn validate(&self, token: &str) -> Result<Response> {
        let url = format!("http://{}/validate", self.workload_api);
        Ok(self.http.post(url).bearer_auth(token).send().await?)
    }
}

/// Where a process listens, by the names that its log has for that; what it logs later is read and dropped.
pub(crate) async fn listening<const N: usize>(
    child: &mut Child,
    names: [&str; N],
) -> Result<[SocketAddr; N]> {
    let stderr = child.stderr.take().context("no standard error")?;
    let mut lines = BufReader::new(stderr).lines();
    let line = loop {
        let text = lines.next_line().await?.context("it ended")?;
        let line: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        if line["event"] == "listening" {
            break line;
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let mut addresses = [SocketAddr::from(([0; 4], 0)); N];
    for (address, name) in addresses.iter_mut().zip(names) {
        *address = line[name].as_str().context("no address")?.parse()?;
    }
    Ok(addresses)
}

/// The header of a token, read and not believed.
pub fn header(token: &str) -> Result<Value> {
    use base64::Engine as _;
    let part = token.split('.').next().context("no header")?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part)?;
    Ok(serde_json::from_slice(&bytes)?)
}
