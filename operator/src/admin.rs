//! The admin listener: health and metrics, nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::health::Health;
use crate::metrics::Metrics;

/// What it tells.
#[derive(Clone)]
pub struct Admin {
    /// For the probes.
    pub health: Arc<Health>,
    /// For Prometheus.
    pub metrics: Arc<Metrics>,
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "there is /healthz, /readyz and /metrics\n",
            )
        })
        .with_state(admin)
}

/// Whether starting the process anew would help: not while the API server is away, or the certificate bad.
async fn alive(State(admin): State<Admin>) -> (StatusCode, String) {
    match admin.health.stalled() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(still) => {
            let text = format!(
                "the leader's loop has not moved for {} s\n",
                still.as_secs()
            );
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// Whether pods can be given sidecars here. Leading has nothing to do with it.
async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    let missing = admin.health.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let mut text = missing.join("\n");
    text.push('\n');
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.metrics.encode() {
        Ok(text) => {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, media_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(admin: &Admin, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(admin.clone()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_says_what_is_missing() {
        let admin = Admin {
            health: Arc::default(),
            metrics: Arc::new(Metrics::new(|_| {})),
        };
        assert_eq!(ask(&admin, "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(ask(&admin, "/readyz").await, (503, "starting\n".to_owned()));
        admin.health.waits_for(None);
        assert_eq!(ask(&admin, "/readyz").await, (200, "ready\n".to_owned()));
        admin.health.drain();
        let ending = (503, "shutting down\n".to_owned());
        assert_eq!(ask(&admin, "/readyz").await, ending);
        assert_eq!(ask(&admin, "/healthz").await.0, 200);
        let (status, text) = ask(&admin, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.contains("mintage_operator_leader 0\n") && text.ends_with("# EOF\n"));
        for path in ["/", "/inject", "/debug/pprof"] {
            assert_eq!(ask(&admin, path).await.0, 404, "{path}");
        }
    }
}
