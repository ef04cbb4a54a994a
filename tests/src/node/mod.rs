//! A node that joins a control plane of ours: a real kubelet, containerd and runc, on which pods run.
//!
//! ```text
//!  test process ─┬─ leash ──► unshare ──► init.sh, process 1 of the node ─┬─ containerd ── runc ── pods
//!                │                                                        ├─ kubelet
//!                │                                                        └─ kube-proxy (with Services)
//!                ├─ Door: a port inside the node ──► the control plane, on the machine's loopback
//!                ├─ Egress (with Services): the API server ──► kubelet, webhooks
//!                └─ Gate (with Services): a port of the machine's ──► a Service or a pod
//! ```
//!
//! It has mounts, processes, a network and groups of its own. There is no way out of its network but to the API server.
//! What it stores is in memory. It ends with its value and with the test process, however that ends: the kernel ends all
//! of a node when its first process ends. Images are written by us ([`Image`]); there is no registry.
//!
//! Where the control plane has [`Nodes::Alone`](crate::cluster::Nodes::Alone), pods name their node (`spec.nodeName`), as
//! there is no scheduler. Services and cluster DNS are not there either, nor does the API server reach the kubelet (`kubectl
//! logs`, `exec`): ask [`Node::log`] and [`Node::processes`]. All of that is in a [`Bare`](crate::bare::Bare) cluster.

mod cut;
mod door;
mod egress;
mod gate;
mod image;
mod machine;
mod settings;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Node as Object, Pod};
use kube::{Api, Client, ResourceExt as _};

use crate::cluster::process::{Server, last_lines};
use crate::cluster::{ADMIN, ControlPlane, MASTERS, routed, within};

pub use cut::Cut;
pub use door::Door;
use egress::Egress;
pub use gate::Gate;
pub use image::Image;
use machine::Programs;
use xtask::groups::Groups;

/// How long a start may take; a machine of two cores needs 8 seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// Its address in its own network.
pub(crate) const ADDRESS: &str = "10.89.0.2";

/// A running node.
pub struct Node {
    name: String,
    folder: PathBuf,
    server: Mutex<Server>,
    /// Its first process, by the machine's number.
    init: u32,
    _doors: Vec<Door>,
    egress: Option<(Egress, PathBuf)>,
    // After the server: nobody may be in them when they are removed.
    groups: Groups,
}

impl Node {
    /// Starts one that joins a control plane with [`nodes`](crate::cluster::Options::nodes), and waits until it is
    /// ready; or says why there can be none. Pods of sandboxes need an image that only waits: `pause` is its name. Images
    /// that were written before come as `archives`.
    pub async fn start(
        plane: &ControlPlane,
        name: &str,
        pause: &str,
        images: &[Image],
        archives: &[PathBuf],
    ) -> Result<Result<Self, String>> {
        let routes = plane.is_routed();
        let programs = match Programs::find(routes)? {
            Ok(programs) => programs,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(reason) = machine::lacks(routes)? {
            return Ok(Err(reason));
        }
        let groups = match Groups::new()? {
            Ok(groups) => groups,
            Err(reason) => return Ok(Err(reason)),
        };

        let folder = plane.folder().join(name);
        fs::create_dir(&folder)?;
        let bin = links(&folder.join("bin"), &programs.own)?;
        let plugins = links(&folder.join("plugins"), &programs.plugins)?;
        let networks = folder.join("networks");
        fs::create_dir(&networks)?;
        fs::write(
            networks.join("10-pods.conflist"),
            settings::network().to_string(),
        )?;
        let containerd = settings::containerd(pause, &bin.join("runc"), &plugins, &networks);
        fs::write(folder.join("containerd.toml"), containerd)?;
        let authority = plane.folder().join("authority.pem");
        let kubelet = settings::kubelet(routes.then_some(&authority));
        fs::write(folder.join("kubelet.json"), kubelet.to_string())?;
        if routes {
            let user = plane.kubeconfig(ADMIN, &[MASTERS])?;
            fs::write(
                folder.join("proxy.json"),
                settings::proxy(name, &user).to_string(),
            )?;
            fs::write(folder.join("services"), format!("{}\n", routed::SERVICES))?;
        }
        let user = plane.kubeconfig(&format!("system:node:{name}"), &["system:nodes"])?;
        fs::copy(user, folder.join("kubeconfig"))?;
        fs::create_dir(folder.join("images"))?;
        for (number, image) in images.iter().enumerate() {
            image.write(&folder.join(format!("images/{number}.tar")))?;
        }
        for (number, archive) in archives.iter().enumerate() {
            let archive = std::path::absolute(archive)?;
            symlink(archive, folder.join(format!("images/archive-{number}.tar")))?;
        }
        let script = groups.script(&folder, include_str!("init.sh"))?;

        let words = command(&script, &folder, &bin, name)?;
        let mut server = Server::new("node", "env".into(), words, &folder);
        server.start()?;
        let server = Mutex::new(server);
        let number = folder.join("number");
        let begun = within(PATIENCE, "the node has its mounts", async || {
            if let Some(status) = lock(&server).ended()? {
                return Ok(Err(format!("its first process ended with {status}")));
            }
            Ok(Ok(fs::read_to_string(&number)?))
        });
        let begun = begun
            .await
            .and_then(|begun| begun.map_err(anyhow::Error::msg));
        let init = begun.with_context(|| logs(&folder))?.trim().parse()?;
        let url = plane.api_server_url();
        let port = url.rsplit(':').next().context("a URL with a port")?;
        let port = port.parse()?;
        let mut addresses = vec![Ipv4Addr::LOCALHOST];
        if routes {
            addresses.push(ADDRESS.parse()?);
        }
        let doors = addresses
            .into_iter()
            .map(|address| Door::open(init, SocketAddr::from((address, port))))
            .collect::<Result<_>>()?;
        let socket = routed::socket(plane.folder());
        let egress = routes
            .then(|| anyhow::Ok((Egress::open(init, &socket)?, socket)))
            .transpose()?;
        fs::write(folder.join("door"), "")?;
        let node = Self {
            name: name.to_owned(),
            init,
            _doors: doors,
            egress,
            folder,
            server,
            groups,
        };
        let client = plane.admin().await?;
        node.ready(client).await.with_context(|| node.logs())?;
        Ok(Ok(node))
    }

    /// What pods call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path of the node's, as this process finds it.
    pub fn path(&self, inside: &str) -> PathBuf {
        of_process(self.init, inside)
    }

    /// Leads pods to a port of the machine's loopback: by the node's address, which this returns, and the same port.
    pub fn door(&self, port: u16) -> Result<(Door, SocketAddr)> {
        let address = SocketAddr::new(ADDRESS.parse()?, port);
        Ok((Door::open(self.init, address)?, address))
    }

    /// Leads from an address of this machine's to a Service or a pod.
    pub async fn gate(&self, at: SocketAddr, to: SocketAddr) -> Result<Gate> {
        let (_, socket) = self.egress.as_ref().context("it routes no Services")?;
        Gate::open(socket, at, to).await
    }

    /// What a container has written so far, over all its starts, without the times.
    pub fn log(&self, pod: &Pod, container: &str) -> Result<String> {
        let namespace = pod.namespace().context("no namespace")?;
        let uid = pod.uid().context("no uid")?;
        let folder = format!(
            "/var/log/pods/{namespace}_{}_{uid}/{container}",
            pod.name_any()
        );
        let mut files = match fs::read_dir(self.path(&folder)) {
            Ok(files) => files
                .map(|file| Ok(file?.path()))
                .collect::<Result<Vec<_>>>()?,
            // It has not been started.
            Err(_) => Vec::new(),
        };
        files.sort();
        let mut log = String::new();
        for file in files {
            for line in fs::read_to_string(file)?.lines() {
                // Time, stream, and whether the line is a whole one.
                log.push_str(line.splitn(4, ' ').nth(3).unwrap_or_default());
                log.push('\n');
            }
        }
        Ok(log)
    }

    /// The processes of a container, by the machine's numbers; its id as a pod's status has it.
    pub fn processes(&self, container: &str) -> Result<Vec<u32>> {
        let id = container.rsplit('/').next().unwrap_or_default();
        ensure!(!id.is_empty(), "it has no id");
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // One that has ended meanwhile is in no group.
            let groups = fs::read_to_string(format!("/proc/{number}/cgroup")).unwrap_or_default();
            if groups.contains(id) {
                found.push(number);
            }
        }
        Ok(found)
    }

    /// The ends of its programs' logs.
    pub fn logs(&self) -> String {
        logs(&self.folder)
    }

    /// Ends it, with all that runs on it. The error says what is left.
    pub fn end(mut self) -> Result<()> {
        lock(&self.server).stop()?;
        self.groups.remove()
    }

    async fn ready(&self, client: Client) -> Result<()> {
        let nodes: Api<Object> = Api::all(client);
        let ready = within(PATIENCE, "the node is ready", async || {
            if let Some(status) = lock(&self.server).ended()? {
                return Ok(Some(status));
            }
            let node = nodes.get(&self.name).await?;
            let conditions = node.status.and_then(|status| status.conditions);
            let mut conditions = conditions.into_iter().flatten();
            let ready = conditions.find(|one| one.type_ == "Ready");
            let ready = ready.context("it says nothing of itself yet")?;
            ensure!(ready.status == "True", "{:?}", ready.message);
            Ok(None)
        });
        match ready.await? {
            None => Ok(()),
            Some(status) => bail!("its first process ended with {status}"),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A destructor has nobody to tell; `end` does the same and says what went wrong.
        lock(&self.server).stop().ok();
    }
}

/// A path as a process sees it.
pub fn of_process(number: u32, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{number}/root{path}"))
}

/// Namespaces, and the first process in them.
fn command(script: &Path, folder: &Path, bin: &Path, name: &str) -> Result<Vec<String>> {
    let path = std::env::var("PATH").context("PATH")?;
    let mut words = vec![format!("PATH={}:{path}", crate::text(bin)?)];
    words.extend(
        [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
            "sh",
        ]
        .map(str::to_owned),
    );
    words.extend([
        crate::text(script)?,
        crate::text(folder)?,
        name.into(),
        ADDRESS.into(),
    ]);
    Ok(words)
}

/// A folder in which programs have the names by which others start them.
fn links(folder: &Path, programs: &[(&str, PathBuf)]) -> Result<PathBuf> {
    fs::create_dir(folder)?;
    for (name, program) in programs {
        symlink(program, folder.join(name))?;
    }
    Ok(folder.to_owned())
}

fn logs(folder: &Path) -> String {
    let log = |name| last_lines(name, &folder.join(format!("{name}.log")));
    ["node", "containerd", "kubelet", "kube-proxy"]
        .into_iter()
        .filter(|name| folder.join(format!("{name}.log")).exists())
        .map(log)
        .collect()
}

fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}
