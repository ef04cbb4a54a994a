//! The admin listener: health and metrics, nothing else.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::routes::App;

/// What the admin listener tells of.
pub trait Health: Send + Sync + 'static {
    /// Whether requests can be answered; if not, why, in words.
    fn ready(&self) -> Result<(), String>;

    /// Everything that is measured, in `OpenMetrics`.
    fn metrics(&self) -> Result<String, fmt::Error>;
}

impl Health for App {
    fn ready(&self) -> Result<(), String> {
        if self.shared.is_draining() {
            return Err("shutting down".to_owned());
        }
        let usable = self.shared.usable(self.shared.now());
        usable.map(drop).map_err(|unusable| {
            let cause = self.shared.complaint().map_or_else(String::new, |text| {
                format!("\nthe files that are there: {text}")
            });
            format!("{unusable}{cause}")
        })
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        let loaded = self.shared.current();
        self.metrics.encode(self.shared.now(), loaded.as_deref())
    }
}

/// `/healthz`, `/readyz`, `/metrics`.
pub fn admin_api(of: impl Health) -> Router {
    let of: Arc<dyn Health> = Arc::new(of);
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "there is /healthz, /readyz and /metrics\n",
            )
        })
        .with_state(of)
}

async fn ready(State(of): State<Arc<dyn Health>>) -> (StatusCode, String) {
    match of.ready() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(of): State<Arc<dyn Health>>) -> Response {
    match of.metrics() {
        Ok(text) => {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, media_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
