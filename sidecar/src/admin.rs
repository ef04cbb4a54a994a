//! The admin listener: health and metrics, nothing else.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::routes::App;

/// `/healthz`, `/readyz`, `/metrics`.
pub fn admin_api(app: App) -> Router {
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
        .with_state(app)
}

async fn ready(State(app): State<App>) -> (StatusCode, String) {
    if app.shared.is_draining() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting down\n".to_owned(),
        );
    }
    match app.shared.usable(app.shared.now()) {
        Ok(_) => (StatusCode::OK, "ready\n".to_owned()),
        Err(unusable) => (StatusCode::SERVICE_UNAVAILABLE, format!("{unusable}\n")),
    }
}

async fn metrics(State(app): State<App>) -> Response {
    let now = app.shared.now();
    if let Some(loaded) = app.shared.current() {
        app.metrics.bundle_age.set(loaded.age(now));
        app.metrics.bundle_max_age.set(loaded.bundle.body.max_age);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a version is a count of seconds, far below 2^52"
        )]
        app.metrics.bundle_version.set(loaded.bundle.version as f64);
    }
    match app.metrics.encode() {
        Ok(text) => {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, media_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
