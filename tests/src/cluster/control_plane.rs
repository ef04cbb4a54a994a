//! etcd, the API server and the controllers as processes.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::access::Cluster;
use super::audit::{self, Event, Mark};
use super::authority::{Authority, Identity};
use super::folder::Folder;
use super::process::Server;
use super::servers::{Programs, Servers, arguments, controllers_of, scheduler_of};
use super::{ports, routed, wait};
use crate::dev::http;

/// How long one start may take; a machine of two cores needs 5 seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a control plane is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Further arguments of kube-apiserver, which win over ours.
    pub api_server: Vec<String>,
    /// Whether kube-controller-manager runs, where it is to be had. Without it no namespace ends, no owner takes what it
    /// owns along, and no Deployment makes pods; pods are admitted without a `ServiceAccount` then.
    pub controllers: bool,
    /// Whether the definitions of `crds/generated` are there.
    pub definitions: bool,
    /// What nodes there may be.
    pub nodes: Nodes,
}

/// What nodes there may be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Nodes {
    /// None: pods never run.
    #[default]
    None,
    /// Nodes whose pods name them. They reach the API server, and it does not reach them.
    Alone,
    /// One node, to which a scheduler binds pods, and which routes Services. The API server reaches what runs there: the
    /// kubelet, and webhooks by their Services.
    Routed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_server: Vec::new(),
            controllers: true,
            definitions: true,
            nodes: Nodes::None,
        }
    }
}

/// A running control plane; it ends with this value, and with the test process.
pub struct ControlPlane {
    cluster: Cluster,
    servers: Mutex<Servers>,
    etcd_url: String,
    audit_log: PathBuf,
    controllers: bool,
    nodes: Nodes,
}

/// What is a control plane is a cluster to talk to.
impl Deref for ControlPlane {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl ControlPlane {
    /// Starts one; or says why it is not to be had.
    pub async fn start(options: Options) -> Result<Result<Self, String>> {
        let programs = match Programs::find(&options)? {
            Ok(programs) => programs,
            Err(reason) => return Ok(Err(reason)),
        };
        // A port that was free may be taken by the time that it is used.
        let mut attempts = 3;
        loop {
            let plane = Self::prepare(&options, &programs)?;
            attempts -= 1;
            match plane.bring_up(&options).await {
                Ok(()) => return Ok(Ok(plane)),
                Err(error) if attempts > 0 && plane.logs().contains("address already in use") => {
                    drop(error);
                }
                Err(error) => {
                    return Err(
                        error.context(format!("the control plane did not start\n{}", plane.logs()))
                    );
                }
            }
        }
    }

    /// Whether kube-controller-manager runs.
    pub fn has_controllers(&self) -> bool {
        self.controllers
    }

    /// Whether its node routes Services.
    pub(crate) fn is_routed(&self) -> bool {
        self.nodes == Nodes::Routed
    }

    /// All requests so far, in the order of their answers. A line may come a moment after its answer: look for it by
    /// [`super::eventually`].
    pub fn audit(&self) -> Result<Vec<Event>> {
        audit::read(&self.audit_log, Mark::START)
    }

    /// Where the audit log ends now, for [`Self::audit_since`].
    pub fn audit_mark(&self) -> Mark {
        audit::mark(&self.audit_log)
    }

    /// The requests that were answered after a mark.
    pub fn audit_since(&self, mark: Mark) -> Result<Vec<Event>> {
        audit::read(&self.audit_log, mark)
    }

    /// Ends the API server at once, as a crash would; connections break, and new ones are refused.
    pub fn stop_api_server(&self) -> Result<()> {
        self.servers().api_server.stop()
    }

    /// Starts it again where it was, with all that it stored, and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        self.servers().api_server.start()?;
        self.ready().await
    }

    /// Stands the API server still: connections stay open, and nothing is answered.
    pub fn pause(&self) -> Result<()> {
        self.servers().api_server.pause()
    }

    /// Lets a paused API server go on.
    pub fn resume(&self) -> Result<()> {
        self.servers().api_server.resume()
    }

    /// Stands etcd still: the API server is there, and what it would have to ask of etcd waits.
    pub fn pause_etcd(&self) -> Result<()> {
        self.servers().etcd.pause()
    }

    /// Lets a paused etcd go on.
    pub fn resume_etcd(&self) -> Result<()> {
        self.servers().etcd.resume()
    }

    /// Makes etcd forget all revisions but the last. The API server keeps recent ones in memory: a watch from an old
    /// revision gets `410 Gone` after [`Self::stop_api_server`], this, and [`Self::start_api_server`].
    pub async fn compact_etcd(&self) -> Result<()> {
        let ask = async |path: &str, body: Value| -> Result<Value> {
            let url = format!("{}/v3/kv/{path}", self.etcd_url);
            let answer = http()?.post(url).json(&body).send().await?;
            Ok(answer.error_for_status()?.json().await?)
        };
        // Any key will do: the answer has the revision.
        let answer = ask("range", json!({ "key": "AA==" })).await?;
        let revision = answer["header"]["revision"].clone();
        ensure!(revision.is_string(), "etcd has no revision: {answer}");
        let body = json!({ "revision": revision, "physical": true });
        ask("compaction", body).await?;
        Ok(())
    }

    /// The last lines of each server's log.
    pub fn logs(&self) -> String {
        let servers = self.servers();
        servers.each().map(Server::last_lines).collect()
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes certificates and finds ports; nothing runs yet.
    fn prepare(options: &Options, programs: &Programs) -> Result<Self> {
        let folder = Folder::new()?;
        let here = folder.path().to_owned();
        let put = |name: &str, text: &str| -> Result<String> {
            let file = here.join(name);
            fs::write(&file, text).with_context(|| file.display().to_string())?;
            crate::text(&file)
        };

        let authority = Authority::new()?;
        let mut names = vec!["127.0.0.1", "localhost"];
        if options.nodes == Nodes::Routed {
            names.extend(routed::NAMES);
        }
        let Identity { certificate, key } = authority.server(&names)?;
        let accounts = KeyPair::generate()?;
        let authority_file = put("authority.pem", &authority.pem)?;
        let (certificate, key) = (put("server.pem", &certificate)?, put("server.key", &key)?);
        let accounts_key = put("accounts.key", &accounts.serialize_pem())?;
        let accounts_public = put("accounts.pem", &accounts.public_key_pem())?;
        let policy = put("audit.yaml", audit::POLICY)?;
        let audit_log = here.join("audit.log");

        let (client_port, peer_port, port) = (ports::free()?, ports::free()?, ports::free()?);
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let url = format!("https://127.0.0.1:{port}");

        let data = crate::text(&here.join("etcd"))?;
        let etcd_arguments = arguments(&[
            ("name", "tests"),
            ("data-dir", &data),
            ("listen-client-urls", &etcd_url),
            ("advertise-client-urls", &etcd_url),
            ("listen-peer-urls", &peer_url),
            ("initial-advertise-peer-urls", &peer_url),
            ("initial-cluster", &format!("tests={peer_url}")),
            ("log-level", "warn"),
            // What it stores need not outlive the machine.
            ("unsafe-no-fsync", "true"),
        ]);
        let issuer = "https://kubernetes.default.svc.cluster.local";
        let mut api_server_arguments = arguments(&[
            ("etcd-servers", &etcd_url),
            ("bind-address", "127.0.0.1"),
            ("advertise-address", "127.0.0.1"),
            ("secure-port", &port.to_string()),
            // The loopback may not stand in the endpoints of the service `kubernetes`.
            ("endpoint-reconciler-type", "none"),
            ("tls-cert-file", &certificate),
            ("tls-private-key-file", &key),
            ("client-ca-file", &authority_file),
            ("allow-privileged", "true"),
            ("service-cluster-ip-range", routed::SERVICES),
            ("service-account-issuer", issuer),
            ("service-account-signing-key-file", &accounts_key),
            ("service-account-key-file", &accounts_public),
            ("audit-policy-file", &policy),
            ("audit-log-path", &crate::text(&audit_log)?),
            ("audit-log-maxsize", "1024"),
        ]);
        if programs.controllers.is_none() {
            // Nobody makes the accounts that it wants.
            api_server_arguments.push("--disable-admission-plugins=ServiceAccount".into());
        }
        if options.nodes == Nodes::None {
            api_server_arguments.extend(arguments(&[("authorization-mode", "RBAC")]));
        } else {
            let nodes = [
                ("authorization-mode", "Node,RBAC"),
                ("enable-admission-plugins", "NodeRestriction"),
            ];
            api_server_arguments.extend(arguments(&nodes));
        }
        if options.nodes == Nodes::Routed {
            let more = routed::api_server(&here, &authority)?;
            let more = more.each_ref().map(|(name, value)| (*name, &**value));
            api_server_arguments.extend(arguments(&more));
        }
        api_server_arguments.extend(options.api_server.iter().cloned());

        let cluster = Cluster::ours(folder, authority, url, programs.controllers.is_some());
        let controllers = [
            ("service-account-private-key-file", &*accounts_key),
            ("root-ca-file", &authority_file),
        ];
        let controllers = controllers_of(programs, options, &cluster, &controllers)?;
        let scheduler = scheduler_of(programs, &cluster)?;
        Ok(Self {
            controllers: controllers.is_some(),
            nodes: options.nodes,
            servers: Mutex::new(Servers {
                etcd: Server::new("etcd", programs.etcd.clone(), etcd_arguments, &here),
                api_server: Server::new(
                    "kube-apiserver",
                    programs.api_server.clone(),
                    api_server_arguments,
                    &here,
                ),
                controllers,
                scheduler,
            }),
            cluster,
            etcd_url,
            audit_log,
        })
    }

    async fn bring_up(&self, options: &Options) -> Result<()> {
        self.servers().etcd.start()?;
        self.servers().api_server.start()?;
        self.ready().await?;
        if options.definitions {
            // Before the controllers, of which the garbage collector looks for new kinds twice a minute only.
            self.cluster.install_definitions().await?;
        }
        if self.controllers {
            if let Some(controllers) = &mut self.servers().controllers {
                controllers.start()?;
            }
            let accounts: Api<ServiceAccount> =
                Api::namespaced(self.cluster.admin().await?, "default");
            self.until("the first ServiceAccount is there", async || {
                accounts.get("default").await?;
                Ok(())
            })
            .await?;
        }
        if let Some(scheduler) = &mut self.servers().scheduler {
            scheduler.start()?;
        }
        Ok(())
    }

    async fn ready(&self) -> Result<()> {
        let client: Client = self.cluster.admin().await?;
        self.until("the API server is ready", async || {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            client.request_text(request).await?;
            Ok(())
        })
        .await
    }

    /// Waits while all servers live.
    async fn until(&self, what: &str, mut attempt: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        let outcome = wait::within(PATIENCE, what, async || {
            if let Some(ended) = self.servers().ended()? {
                return Ok(Err(ended));
            }
            attempt().await.map(Ok)
        });
        match outcome.await? {
            Ok(()) => Ok(()),
            Err(ended) => bail!("{ended}"),
        }
    }
}

impl Drop for ControlPlane {
    #[expect(
        clippy::print_stderr,
        reason = "where the test runner shows it with a failed test"
    )]
    fn drop(&mut self) {
        let ended = self.servers().ended();
        if std::thread::panicking() || !matches!(ended, Ok(None)) {
            eprintln!("{ended:?}\n{}", self.logs());
        }
    }
}
