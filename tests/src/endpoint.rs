//! The pod of a tenant's endpoint as a process on this machine, as its Deployment says: its arguments, its environment and the
//! Secrets that it mounts, and nothing else.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, KeyToPath, PodSpec, Secret, Volume};
use kube::Api;
use reqwest::{Certificate, RequestBuilder};
use tokio::process::{Child, Command};

use crate::cluster::{Cluster, within};
use crate::dev::{binary, http};
use crate::pod::listening;

/// A running endpoint; it ends with this value.
pub struct EndpointPod {
    _child: Child,
    tls: SocketAddr,
    admin: SocketAddr,
}

/// Longer than anything takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

impl EndpointPod {
    /// Starts a pod of a Deployment of a namespace in a folder, and waits until it is ready.
    pub async fn start(
        cluster: &Cluster,
        namespace: &str,
        name: &str,
        node: &Path,
    ) -> Result<Self> {
        let client = cluster.admin().await?;
        let url = cluster.api_server_url().trim_start_matches("https://");
        let (host, port) = url.split_once(':').context("no port")?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let deployment = deployments.get(name).await?;
        let template = deployment.spec.context("no spec")?.template;
        let pod = template.spec.context("no pod")?;
        let container = pod.containers.first().context("no container")?;
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        mount(&pod, container, &secrets, node).await?;

        let mut command = Command::new(binary("mintage-sidecar")?);
        command
            .args(container.args.iter().flatten())
            .env_clear()
            .env("KUBERNETES_SERVICE_HOST", host)
            .env("KUBERNETES_SERVICE_PORT", port)
            .env("MINTAGE_DIR", on(node, "/var/run/mintage"))
            .env("MINTAGE_SECRETS_DIR", on(node, "/var/run/mintage-secrets"))
            .env("MINTAGE_TLS_LISTEN", "127.0.0.1:0")
            .env("MINTAGE_PROXY_LISTEN", "127.0.0.1:0")
            .env("MINTAGE_ADMIN_LISTEN", "127.0.0.1:0");
        for variable in container.env.iter().flatten() {
            let value = variable.value.as_deref().context("no value")?;
            let root = node.to_str().context("the path is no text")?;
            let value = value.replace("/var/", &format!("{root}/var/"));
            command.env(&variable.name, value);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let [tls, admin] = listening(&mut child, ["tls", "admin"]).await?;
        let pod = Self {
            _child: child,
            tls,
            admin,
        };
        within(PATIENCE, "the endpoint is ready", async || {
            let url = format!("http://{}/readyz", pod.admin);
            let answer = http()?.get(url).send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            ensure!(status == 200, "{status}: {text}");
            Ok(())
        })
        .await?;
        Ok(pod)
    }

    /// A request to a path of a domain, whose certificate an authority has signed.
    pub fn post(&self, domain: &str, path: &str, authority: &str) -> Result<RequestBuilder> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .resolve(domain, self.tls)
            .tls_certs_only([Certificate::from_pem(authority.as_bytes())?])
            .build()?;
        Ok(client.post(format!("https://{domain}:{}{path}", self.tls.port())))
    }
}

/// A path of the pod, on this machine.
fn on(node: &Path, path: &str) -> PathBuf {
    node.join(path.trim_start_matches('/'))
}

/// Makes the volumes of a container: once, as they are now.
async fn mount(
    pod: &PodSpec,
    container: &Container,
    secrets: &Api<Secret>,
    node: &Path,
) -> Result<()> {
    for mount in container.volume_mounts.iter().flatten() {
        let folder = on(node, &mount.mount_path);
        fs::create_dir_all(&folder)?;
        let mut volumes = pod.volumes.iter().flatten();
        let volume = volumes
            .find(|volume| volume.name == mount.name)
            .with_context(|| format!("no volume {}", mount.name))?;
        fill(volume, secrets, &folder).await?;
    }
    Ok(())
}

async fn fill(volume: &Volume, secrets: &Api<Secret>, folder: &Path) -> Result<()> {
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().context("no name")?;
        let optional = secret.optional.unwrap_or_default();
        return copy(secrets, name, optional, secret.items.as_deref(), folder).await;
    }
    if let Some(projected) = &volume.projected {
        for source in projected.sources.iter().flatten() {
            let secret = source.secret.as_ref().context("a source is no Secret")?;
            let optional = secret.optional.unwrap_or_default();
            let items = secret.items.as_deref();
            copy(secrets, &secret.name, optional, items, folder).await?;
        }
        return Ok(());
    }
    volume
        .persistent_volume_claim
        .as_ref()
        .map(|_| ())
        .with_context(|| format!("what is the volume {}?", volume.name))
}

async fn copy(
    secrets: &Api<Secret>,
    name: &str,
    optional: bool,
    items: Option<&[KeyToPath]>,
    folder: &Path,
) -> Result<()> {
    let Some(secret) = secrets.get_opt(name).await? else {
        ensure!(optional, "there is no Secret {name}");
        return Ok(());
    };
    let data = secret.data.unwrap_or_default();
    match items {
        Some(items) => {
            for item in items {
                let bytes = data
                    .get(&item.key)
                    .with_context(|| format!("no {}", item.key))?;
                fs::write(folder.join(&item.path), &bytes.0)?;
            }
        }
        None => {
            for (key, bytes) in &data {
                fs::write(folder.join(key), &bytes.0)?;
            }
        }
    }
    Ok(())
}
