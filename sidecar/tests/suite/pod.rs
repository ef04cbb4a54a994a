//! A pod: the workload API and the admin listener on free ports.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use mintage_core::UnixTime;
use mintage_sidecar::admin::admin_api;
use mintage_sidecar::central::Central;
use mintage_sidecar::clock::ManualClock;
use mintage_sidecar::ext_authz::ext_authz_api;
use mintage_sidecar::metrics::Metrics;
use mintage_sidecar::routes::{App, workload_api};
use mintage_sidecar::server::{Limits, Listener, Protocol};
use mintage_sidecar::state::{Identity, Shared};
use reqwest::{Client, RequestBuilder};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::answer::send;
pub use crate::answer::{Answer, answer};
use crate::cluster::{ACME, Cluster, NOW, name};
pub use crate::folder::{files, put_bundle};

pub struct Pod {
    pub clock: Arc<ManualClock>,
    pub shared: Arc<Shared>,
    pub metrics: Arc<Metrics>,
    pub identity: Identity,
    pub workload_api: SocketAddr,
    pub admin: SocketAddr,
    pub ext_authz: SocketAddr,
    /// The workload API, without a connection.
    pub router: Router,
    /// Where kubelet mounts its files; what is loaded comes otherwise.
    pub dir: TempDir,
    pub client: Client,
    pub end: watch::Sender<bool>,
    pub served: JoinHandle<()>,
    pub ext_authz_served: JoinHandle<()>,
}

/// A client that knows no proxy.
pub fn client() -> Client {
    // Another test may have been faster.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    Client::builder().no_proxy().build().unwrap()
}

/// Who a workload is; `accept` with commas.
pub fn identity(workload: &str, accept: &str) -> Identity {
    Identity {
        workload: name(workload),
        accept: accept
            .split(',')
            .filter(|name| !name.is_empty())
            .map(name)
            .collect(),
        domain: None,
    }
}

impl Pod {
    /// A pod without a bundle yet.
    pub fn empty(identity: Identity, limits: Limits) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let shared = Arc::new(Shared::new(Arc::clone(&clock) as _));
        let metrics = Arc::new(Metrics::default());
        let dir = TempDir::new().unwrap();
        let app = App {
            shared: Arc::clone(&shared),
            metrics: Arc::clone(&metrics),
            central: Some(Arc::new(Central::new(dir.path(), Arc::clone(&metrics)))),
            traces: None,
        };
        let (end, ended) = watch::channel(false);
        let bind = || {
            let free = SocketAddr::from(([127, 0, 0, 1], 0));
            Listener::bind(free, None).unwrap()
        };
        let (workload, admin) = (bind(), bind());
        let ext_authz = bind().speaking(Protocol::Http2);
        let ext_authz_addr = ext_authz.local_addr().unwrap();
        let workload_addr = workload.local_addr().unwrap();
        let admin_addr = admin.local_addr().unwrap();
        let health = admin_api(app.clone());
        tokio::spawn(admin.serve(health, limits, Arc::new(Metrics::default()), ended.clone()));
        let for_envoy = ext_authz_api(app.clone());
        let for_envoy = ext_authz.serve(for_envoy, limits, Arc::clone(&metrics), ended.clone());
        let ext_authz_served = tokio::spawn(for_envoy);
        let router = workload_api(app);
        let served =
            tokio::spawn(workload.serve(router.clone(), limits, Arc::clone(&metrics), ended));
        Self {
            clock,
            shared,
            metrics,
            identity,
            workload_api: workload_addr,
            admin: admin_addr,
            ext_authz: ext_authz_addr,
            router,
            dir,
            client: client(),
            end,
            served,
            ext_authz_served,
        }
    }

    /// A pod of the tenant acme; `accept` with commas.
    pub fn of(cluster: &Cluster, workload: &str, accept: &str) -> Self {
        let pod = Self::empty(identity(workload, accept), Limits::default());
        pod.load(cluster);
        pod
    }

    /// The standard cluster's `shop/checkout`.
    pub fn checkout() -> Self {
        Self::of(Cluster::standard(), "shop/checkout", "")
    }

    /// The standard cluster's API of orders.
    pub fn orders() -> Self {
        Self::of(Cluster::standard(), "orders/api", "orders")
    }

    /// Brings what the cluster planned last, at that moment.
    pub fn load(&self, cluster: &Cluster) {
        self.set_clock(cluster.now);
        let namespace = self.identity.workload.namespace.as_str();
        let files = files(cluster, ACME, namespace);
        self.shared.load(&files, &self.identity).unwrap();
    }

    /// The domain that its tokens name.
    pub fn domain(&self) -> String {
        let loaded = self.shared.current().unwrap();
        loaded.mint.policy().issuer().domain().to_string()
    }

    /// Sets the clock.
    pub fn set_clock(&self, now: UnixTime) {
        self.clock.set(now);
    }

    /// A path of the workload API.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.workload_api)
    }

    /// Asks for a token with form parameters, for client credentials unless they name a grant type.
    pub fn ask(&self, params: &[(&str, &str)]) -> RequestBuilder {
        let mut params = params.to_vec();
        if !params.iter().any(|(name, _)| *name == "grant_type") {
            params.insert(0, ("grant_type", "client_credentials"));
        }
        self.client.post(self.url("/oauth/token")).form(&params)
    }

    /// A token for an audience, with all that is granted.
    pub async fn token(&self, audience: &str) -> String {
        let answer = answer(self.ask(&[("audience", audience)])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token")
    }

    /// Introspects a token.
    pub async fn introspect(&self, token: &str) -> Answer {
        let request = self.client.post(self.url("/introspect"));
        answer(request.form(&[("token", token)])).await
    }

    /// Validates a token; `query` from the question mark on.
    pub async fn validate(&self, query: &str, token: &str) -> Answer {
        let request = self.client.get(self.url("/validate") + query);
        answer(request.bearer_auth(token)).await
    }

    /// Gets a path of the workload API.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.client.get(self.url(path))).await
    }

    /// Gets a path of the admin listener.
    pub async fn admin(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.admin);
        send(self.client.get(url)).await
    }

    /// The value of a metric, by name and labels as written; 0 if it is not there.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode(NOW, None).unwrap();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }
}
