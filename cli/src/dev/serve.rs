//! The listeners of `dev`.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mintage_sidecar::admin::admin_api;
use mintage_sidecar::clock::SystemClock;
use mintage_sidecar::endpoint::store::{self, Place, Store};
use mintage_sidecar::endpoint::{self, Endpoint, Reach, endpoint_api};
use mintage_sidecar::ext_authz::ext_authz_api;
use mintage_sidecar::issuer::issuer_api;
use mintage_sidecar::metrics::Metrics;
use mintage_sidecar::routes::{App, workload_api};
use mintage_sidecar::server::{Limits, Listener, Protocol, TlsConfig};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::endpoints;
use super::session::Session;

/// The file that says where a running `dev` listens.
const INFO: &str = "dev.json";

/// The running listeners.
pub struct Servers {
    /// The workload APIs, in the order of the acting workloads.
    pub workloads: Vec<SocketAddr>,
    /// Where Envoy's `ext_authz` is answered: for which of them, and at what address.
    pub ext_authz: Vec<(usize, SocketAddr)>,
    /// Health and metrics, of the first workload.
    pub admin: SocketAddr,
    /// The issuers over TLS.
    pub tls: SocketAddr,
    sweeping: JoinHandle<()>,
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Servers {
    /// Binds all addresses, then serves; to be called on a tokio runtime.
    pub async fn start(session: &Session) -> Result<Self> {
        let of_endpoint = Arc::new(endpoint::Metrics::default());
        let metrics = Arc::new(Metrics::with(|registry| of_endpoint.register(registry)));
        let app = |shared| App {
            shared: Arc::clone(shared),
            metrics: Arc::clone(&metrics),
            central: None,
            traces: None,
        };
        let mut listeners = Vec::new();
        for one in &session.acting {
            listeners.push((
                bind("--listen", one.listen, None)?,
                workload_api(app(&one.shared)),
            ));
        }
        let workloads = listeners
            .iter()
            .map(|(listener, _)| listener.local_addr())
            .collect::<Result<_, _>>()?;
        let mut ext_authz = Vec::new();
        for asked in &session.args.ext_authz {
            let mut acting = session.acting.iter().enumerate();
            let (index, one) = acting
                .find(|(_, one)| one.workload == asked.workload)
                .with_context(|| {
                    let workload = &asked.workload;
                    format!("--ext-authz {workload}: it does not act as that workload; name it with --as or --also")
                })?;
            let listener = bind("--ext-authz", asked.listen, None)?.speaking(Protocol::Http2);
            ext_authz.push((index, listener.local_addr()?));
            listeners.push((listener, ext_authz_api(app(&one.shared))));
        }
        let admin = bind("--admin-listen", session.args.admin_listen, None)?;
        let tls = bind(
            "--tls-listen",
            session.args.tls_listen,
            Some(Arc::clone(&session.tls)),
        )?;
        let (admin_address, tls_address) = (admin.local_addr()?, tls.local_addr()?);
        if let Some(first) = session.acting.first() {
            listeners.push((admin, admin_api(app(&first.shared))));
        }
        let endpoint = Endpoint::new(
            Arc::clone(&session.realms),
            open_store(session).await?,
            Arc::new(SystemClock),
            of_endpoint,
        )
        .reaching(Reach::trusting_file(session.args.provider_ca.as_deref())?);
        let sweeping = store::sweep(endpoint.store(), Arc::new(SystemClock));
        let issuers = issuer_api(Arc::clone(&session.issuers));
        listeners.push((tls.telling_peers(), endpoint_api(endpoint, issuers)));

        let (end, ended) = watch::channel(false);
        let serve = |(listener, router): (Listener, _)| {
            tokio::spawn(listener.serve(
                router,
                Limits::default(),
                Arc::clone(&metrics),
                ended.clone(),
            ))
        };
        let tasks = listeners.into_iter().map(serve).collect();
        Ok(Self {
            workloads,
            ext_authz,
            admin: admin_address,
            tls: tls_address,
            sweeping: tokio::spawn(sweeping),
            end,
            tasks,
        })
    }

    /// Writes down where it listens, for scripts: the file is there once everything answers.
    pub fn announce(&self, session: &Session) -> Result<()> {
        let mut workloads: Vec<_> = session
            .acting
            .iter()
            .zip(&self.workloads)
            .map(|(one, address)| json!({ "workload": one.workload, "url": format!("http://{address}") }))
            .collect();
        for (index, address) in &self.ext_authz {
            workloads[*index]["ext_authz"] = address.to_string().into();
        }
        let info = json!({
            "pid": std::process::id(),
            "workloads": workloads,
            "admin_url": format!("http://{}", self.admin),
            "tls_addr": self.tls.to_string(),
            "applications": endpoints::described(&session.outcome.plan),
        });
        session
            .store()
            .write(INFO, format!("{info:#}\n").as_bytes(), 0o600)
    }

    /// Ends the listeners once the requests that were begun are finished.
    pub async fn end(self, session: &Session) {
        session.store().remove(INFO);
        session.acting.iter().for_each(|one| one.shared.drain());
        self.end.send_replace(true);
        self.sweeping.abort();
        for task in self.tasks {
            // A listener that panicked has said so; the others are waited for all the same.
            task.await.ok();
        }
    }
}

/// What the endpoints remember: in the state folder, if any tenant has one.
async fn open_store(session: &Session) -> Result<Arc<dyn Store>> {
    let place = if session.realms.load().is_empty() {
        Place::Memory
    } else {
        Place::File(session.state_dir().join("endpoint.db"))
    };
    store::open(&place)
        .await
        .context("what the endpoints remember, endpoint.db in the state folder")
}

fn bind(option: &str, address: SocketAddr, tls: Option<TlsConfig>) -> Result<Listener> {
    let is_named = tls.is_some();
    Listener::bind(address, tls).with_context(|| {
        // The addresses of the issuers have a port, too.
        let and = if is_named {
            ", and write its port into spec.domain of the tenants"
        } else {
            ""
        };
        format!("cannot listen on {address}; choose another address with {option}{and}")
    })
}
