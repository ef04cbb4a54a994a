//! The endpoint of the tenant acme as sidecars see it, which does as a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use mintage_core::bundle::Endpoint;
use mintage_core::policy::Request;
use mintage_core::world::{EndpointWishes, SessionRules, Theme, World};
use mintage_core::{Domain, UnixTime};
use mintage_sidecar::central;
use serde_json::json;
use tokio::sync::watch;

use crate::cluster::{ACME, Cluster, NOW, name, standard};
use crate::folder::{files, put_bundle};
use crate::pod::{Pod, identity};
use crate::support::tls::{Authority, Server};

/// What kubelet mounts for the endpoint.
pub const POD_TOKEN: &str = "the-pods-own-token";

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    /// As it should.
    Good,
    /// With a token of the test's own, and the status of a good answer.
    Giving(String),
    /// With a status, and a body.
    Answering(StatusCode, String),
    /// By leading to itself once more.
    Redirecting,
    /// When it is told to.
    Slow(watch::Receiver<bool>),
}

struct Script {
    cluster: Cluster,
    now: UnixTime,
    manner: Manner,
    /// The forms that were sent.
    asked: Vec<BTreeMap<String, String>>,
    /// How many are answered at this moment, and were at most.
    under_way: (usize, usize),
}

pub struct TenantEndpoint {
    pub server: Server,
    authority: Authority,
    script: Arc<Mutex<Script>>,
}

/// The standard world with an endpoint of the tenant.
pub fn with_endpoint() -> World {
    let mut world = standard();
    let acme = world.tenants.iter_mut().find(|of| of.at == name(ACME));
    acme.unwrap().endpoint = Some(Arc::new(EndpointWishes {
        name: None,
        connections: Vec::new(),
        theme: Theme::default(),
        session: SessionRules {
            idle: 60,
            lifetime: 60,
        },
        certificate: None,
        authorities: None,
        trusted_proxies: Vec::new(),
    }));
    world
}

impl TenantEndpoint {
    /// One that has a certificate for a host.
    pub fn start(cluster: &Cluster, host: &str) -> Self {
        let script = Arc::new(Mutex::new(Script {
            cluster: cluster.clone(),
            now: NOW,
            manner: Manner::Good,
            asked: Vec::new(),
            under_way: (0, 0),
        }));
        let router = Router::new()
            .route("/oauth/token", post(token))
            .with_state(Arc::clone(&script));
        let authority = Authority::new();
        Self {
            server: authority.serve(host, |_| router),
            authority,
            script,
        }
    }

    /// Changes how it answers.
    pub fn answer(&self, manner: Manner) {
        self.script.lock().unwrap().manner = manner;
    }

    /// Refuses.
    pub fn refuse(&self, status: u16, error: &str, description: &str) {
        let body = json!({ "error": error, "error_description": description });
        let status = StatusCode::from_u16(status).unwrap();
        self.answer(Manner::Answering(status, body.to_string()));
    }

    /// The forms that were sent.
    pub fn asked(&self) -> Vec<BTreeMap<String, String>> {
        self.script.lock().unwrap().asked.clone()
    }

    /// The most requests that it had at a time.
    pub fn most_at_once(&self) -> usize {
        self.script.lock().unwrap().under_way.1
    }

    /// What a sidecar is told of it.
    pub fn told(&self, of: &Endpoint) -> Endpoint {
        Endpoint {
            address: self.server.address.to_string(),
            authorities: Some(self.authority.pem()),
            ..of.clone()
        }
    }

    /// A pod of `shop/checkout` that asks it.
    pub fn pod(&self, cluster: &Cluster) -> Pod {
        self.pod_of(cluster, None)
    }

    /// The same whose tokens name a domain.
    pub fn pod_of(&self, cluster: &Cluster, domain: Option<&str>) -> Pod {
        let mut identity = identity("shop/checkout", "");
        identity.domain = domain.map(name);
        let pod = Pod::empty(identity, mintage_sidecar::server::Limits::default());
        std::fs::write(pod.dir.path().join(central::TOKEN), POD_TOKEN).unwrap();
        self.load(&pod, cluster);
        pod
    }

    /// Brings what the cluster planned last, and time goes on to that moment.
    pub fn load(&self, pod: &Pod, cluster: &Cluster) {
        let mut bundle = cluster.bundle(ACME, "shop").clone();
        let endpoint = bundle.body.endpoint.as_mut().unwrap();
        *endpoint = Arc::new(self.told(endpoint));
        let mut files = files(cluster, ACME, "shop");
        put_bundle(&mut files, &bundle);
        pod.shared.load(&files, &pod.identity).unwrap();
        self.script.lock().unwrap().cluster = cluster.clone();
        self.at(pod, cluster.now);
    }

    /// Lets time pass for both.
    pub fn at(&self, pod: &Pod, now: UnixTime) {
        pod.set_clock(now);
        self.script.lock().unwrap().now = now;
    }
}

async fn token(
    State(script): State<Arc<Mutex<Script>>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let manner = {
        let mut script = script.lock().unwrap();
        script.asked.push(form.clone());
        script.under_way.0 += 1;
        script.under_way.1 = script.under_way.1.max(script.under_way.0);
        script.manner.clone()
    };
    let response = match manner {
        Manner::Good => good(&script.lock().unwrap(), &headers, &form),
        Manner::Giving(token) => success(&token),
        Manner::Answering(status, body) => {
            (status, [(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Manner::Redirecting => {
            let again = [(LOCATION, "/oauth/token")];
            (StatusCode::TEMPORARY_REDIRECT, again).into_response()
        }
        Manner::Slow(mut told) => {
            // An error says that the test that would tell it is over: then nobody waits for the answer either.
            told.wait_for(|told| *told).await.ok();
            good(&script.lock().unwrap(), &headers, &form)
        }
    };
    script.lock().unwrap().under_way.0 -= 1;
    response
}

fn good(script: &Script, headers: &HeaderMap, form: &BTreeMap<String, String>) -> Response {
    assert_eq!(form["client_assertion"], POD_TOKEN);
    let domain: Domain = name(headers[HOST].to_str().unwrap());
    let mint = script
        .cluster
        .mint_with(ACME, "shop/checkout", Some(&domain), true);
    let request = Request {
        audience: form.get("audience").map(String::as_str),
        scope: form.get("scope").map(String::as_str),
    };
    let order = mint.order(script.now, request).unwrap();
    success(&mint.sign(&order, [7; 16]).unwrap())
}

fn success(token: &str) -> Response {
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 1 });
    ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
