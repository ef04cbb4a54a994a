//! The workload API as it is served, without sockets.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use mintage_core::bundle::split;
use mintage_core::keyring::Owner;
use mintage_sidecar::clock::ManualClock;
use mintage_sidecar::ext_authz::ext_authz_api;
use mintage_sidecar::files::{Files, KEYRING, bundle_name};
use mintage_sidecar::metrics::Metrics;
use mintage_sidecar::routes::{App, workload_api};
use mintage_sidecar::state::{Identity, Shared};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::cluster::{ACME, Cluster, NOW, name};

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const JSON: &str = "application/json";

/// The sidecar of `shop/checkout`, which asks for tokens.
pub static SHOP: LazyLock<Api> = LazyLock::new(|| Api::new("shop/checkout", &[]));
/// The sidecar of `orders/api`, which judges them.
pub static ORDERS_API: LazyLock<Api> = LazyLock::new(|| Api::new("orders/api", &["orders"]));

/// The same for an Envoy beside it.
pub static ENVOY: LazyLock<Router> =
    LazyLock::new(|| ext_authz_api(app("orders/api", &["orders"])));

pub struct Api(Router);

/// Status and body.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub audience: Option<String>,
    pub body: Value,
}

fn app(workload: &str, accept: &[&str]) -> App {
    let cluster = Cluster::standard();
    let identity = Identity {
        workload: name(workload),
        accept: accept.iter().map(|audience| name(audience)).collect(),
        domain: None,
    };
    let namespace = identity.workload.namespace.clone();
    let mut files = Files::default();
    let bundle = cluster.bundle(ACME, namespace.as_str());
    for (index, shard) in split(bundle).unwrap().into_iter().enumerate() {
        files.insert(&bundle_name(index), shard);
    }
    let owner = Owner::namespace(name(ACME), namespace);
    files.insert(KEYRING, cluster.keyring_file(&owner).to_bytes());
    let shared = Arc::new(Shared::new(Arc::new(ManualClock::at(NOW))));
    shared.load(&files, &identity).unwrap();
    App {
        shared,
        metrics: Arc::new(Metrics::default()),
        central: None,
        traces: None,
    }
}

impl Api {
    fn new(workload: &str, accept: &[&str]) -> Self {
        Self(workload_api(app(workload, accept)))
    }

    /// Posts a body.
    pub fn post(&self, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let request = Request::post(path).header("Content-Type", media_type);
        self.send(request.body(Body::from(body.to_vec())).unwrap())
    }

    /// Sends a request, which must not be answered with a fault of the server.
    pub fn send(&self, mut request: Request<Body>) -> Answer {
        let host = "127.0.0.1:7600".parse().unwrap();
        request.headers_mut().insert("Host", host);
        let (parts, body) = block_on(async {
            let answered = self.0.clone().oneshot(request).await.unwrap();
            let (parts, body) = answered.into_parts();
            (parts, body.collect().await.unwrap().to_bytes())
        });
        let answer = Answer {
            status: parts.status,
            audience: parts
                .headers
                .get("x-mintage-audience")
                .map(|value| value.to_str().unwrap().to_owned()),
            body: if body.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(&body).unwrap()
            },
        };
        assert!(!answer.status.is_server_error(), "{answer:?}");
        // A refusal says what is wrong, in words that are fit for a log (RFC 6749 section 5.2).
        if answer.status.is_client_error() && answer.body.is_object() {
            assert!(answer.body["error"].is_string(), "{answer:?}");
            let text = answer.body["error_description"].as_str().unwrap();
            assert!(!text.is_empty() && text.len() < 2048, "{answer:?}");
            let is_allowed = |c| matches!(c, ' '..='[' | ']'..='~');
            assert!(text.chars().all(is_allowed), "{answer:?}");
            assert_eq!(answer.body.get("access_token"), None);
        }
        answer
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: RefCell<Runtime> = RefCell::new(
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
        );
    }
    RUNTIME.with_borrow(|runtime| runtime.block_on(future))
}
