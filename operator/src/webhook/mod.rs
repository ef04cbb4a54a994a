//! The mutating webhook: API servers ask it about new pods. Every replica serves it.
//!
//! ```text
//!  API server ──TLS──► POST /inject ─► Request ─► inject (pure, panics caught) ─► AdmissionReview
//!                                                    ▲
//!                                      the newest Snapshot, and Settings
//! ```
//!
//! Nothing is written, so a dry run is like any other. Until the watches have listed everything, pods are refused with
//! 503 and `Retry-After`, which kubectl and every controller heed.
//!
//! For `run`: [`serve`] does it all. [`Server`] is the same in steps, for those who need the port. The process is ready
//! if [`Certificates::ready`] says so and the snapshot is there; on `shutdown` the server goes on for
//! [`Options::linger`], asking clients to leave, so that a Service has time to send new ones elsewhere.

mod metrics;
mod review;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use mintage_core::Namespace;
use mintage_sidecar::server::{Limits, Listener};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::inject::{self, Outcome, Settings, Skip};
use crate::snapshot::{Snapshot, Snapshots};
use crate::tls::Certificates;
pub use metrics::{Answered, Metrics};
use review::{Decision, Request};

/// The path that API servers post to.
pub const PATH: &str = "/inject";

/// The most bytes of a request. A pod has 1.5 MiB at most in etcd, and 3 MiB on the way there; as JSON inside an
/// `AdmissionReview` it takes more.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// How long a request waits for the watches to show what the API server knows already: a namespace made a moment ago.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the webhook is served.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How long it goes on once the process is to end.
    pub linger: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 9443).into(),
            linger: Duration::from_secs(5),
        }
    }
}

/// Gives pods their sidecars: [`inject::inject`], or another in its tests.
pub type Inject = fn(&Snapshot, &Namespace, &Value, &Settings) -> Outcome;

/// What a request is answered from.
#[derive(Clone)]
pub struct Webhook {
    /// Decides about a pod.
    pub inject: Inject,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What all sidecars have alike.
    pub settings: Arc<Settings>,
    /// What the watches show.
    pub snapshots: Snapshots,
}

/// Binds the address and serves until `shutdown` says so.
pub async fn serve(
    options: Options,
    certificates: &Certificates,
    snapshots: Snapshots,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    let server = Server::bind(options, certificates)?;
    let webhook = Webhook {
        inject: inject::inject,
        metrics,
        settings,
        snapshots,
    };
    tracing::info!(event = "listening", webhook = %server.local_addr()?);
    server.serve(webhook, shutdown).await;
    Ok(())
}

/// A bound webhook.
pub struct Server {
    listener: Listener,
    linger: Duration,
}

impl Server {
    /// Binds the address; port 0 takes a free one. To be called on a tokio runtime.
    pub fn bind(options: Options, certificates: &Certificates) -> io::Result<Self> {
        Ok(Self {
            listener: Listener::bind(options.listen, Some(certificates.tls()))?,
            linger: options.linger,
        })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` says so, and a while longer.
    pub async fn serve(self, webhook: Webhook, mut shutdown: watch::Receiver<bool>) {
        let limits = Limits {
            // API servers keep connections for 90 s. One that is closed from here may take a request with it.
            header_timeout: Duration::from_mins(2),
            ..Limits::default()
        };
        let metrics = Arc::clone(&webhook.metrics);
        let router = router(webhook, shutdown.clone());
        let (end, ended) = watch::channel(false);
        let served = self.listener.serve(router, limits, metrics, ended);
        let ending = async {
            // An error means that the sender is gone, and with it the process.
            drop(shutdown.wait_for(|end| *end).await);
            sleep(self.linger).await;
            end.send_replace(true);
            // The sender stays: without it the listener would end, too, but not by a decision.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = served => {}
            () = ending => {}
        }
    }
}

fn router(webhook: Webhook, shutdown: watch::Receiver<bool>) -> Router {
    let leave = middleware::map_response(move |mut response: Response| {
        if *shutdown.borrow() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        std::future::ready(response)
    });
    Router::new()
        .route(PATH, post(answer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .fallback(async || (StatusCode::NOT_FOUND, "there is POST /inject\n"))
        .layer(leave)
        .with_state(webhook)
}

async fn answer(State(webhook): State<Webhook>, body: Result<Bytes, BytesRejection>) -> Response {
    let began = Instant::now();
    let malformed = |status, text: String| {
        webhook.metrics.count(Answered::Malformed, began.elapsed());
        tracing::warn!(event = "admission-malformed", text);
        (status, text + "\n").into_response()
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return malformed(rejection.status(), rejection.body_text()),
    };
    let request = match Request::parse(&body) {
        Ok(request) => request,
        Err(error) => return malformed(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let decision = match &request.pod {
        None => Decision::NotAPod,
        Some((namespace, pod)) => webhook.decide(namespace, pod).await,
    };
    let refusal = refused(&decision);
    let (review, answered) = request.answer(decision);
    webhook.metrics.count(answered, began.elapsed());
    if let Some((rule, text)) = refusal {
        let (admission, namespace) = (&request.admission, request.pod.as_ref());
        tracing::warn!(
            event = "pod-refused",
            rule,
            namespace = namespace.map(|(namespace, _)| namespace.as_str()),
            pod = request.pod_name(),
            user = admission.user_info.username.as_deref(),
            uid = admission.uid.as_str(),
            dry_run = admission.dry_run,
            description = text,
        );
    }
    Json(review).into_response()
}

/// The rule and the words of a refusal.
fn refused(decision: &Decision) -> Option<(&'static str, String)> {
    match decision {
        Decision::Decided(Outcome::Refused(refusal)) => Some((refusal.code(), refusal.to_string())),
        Decision::Decided(_) | Decision::NotAPod => None,
        Decision::Panicked => Some(("panicked", String::new())),
        Decision::Starting => Some(("starting", String::new())),
    }
}

impl Webhook {
    /// Decides by the newest snapshot. The API server has chosen this webhook by labels that it knows; where the
    /// snapshot does not show them yet, it is waited for.
    async fn decide(&self, namespace: &Namespace, pod: &Value) -> Decision {
        let deadline = Instant::now() + PATIENCE;
        let mut snapshots = self.snapshots.clone();
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            let decision = self.decide_by(snapshot.as_deref(), namespace, pod);
            let may_pass = match &decision {
                Decision::Starting => true,
                Decision::Decided(Outcome::Refused(refusal)) => refusal.is_passing(),
                Decision::Decided(Outcome::Skipped(skip)) => *skip == Skip::NotOptedIn,
                _ => false,
            };
            if !may_pass {
                return decision;
            }
            // An error says that no snapshot will come any more, or not in time.
            let Ok(Ok(())) = timeout_at(deadline, snapshots.changed()).await else {
                return decision;
            };
        }
    }

    fn decide_by(
        &self,
        snapshot: Option<&Snapshot>,
        namespace: &Namespace,
        pod: &Value,
    ) -> Decision {
        let Some(snapshot) = snapshot else {
            return Decision::Starting;
        };
        // Nothing outlives a panic but what is only read.
        let inject = AssertUnwindSafe(|| (self.inject)(snapshot, namespace, pod, &self.settings));
        match catch_unwind(inject) {
            Ok(outcome) => Decision::Decided(outcome),
            Err(_) => Decision::Panicked,
        }
    }
}
