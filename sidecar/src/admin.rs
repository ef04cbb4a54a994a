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
        Err(unusable) => {
            let complaint = app.shared.complaint();
            let cause = complaint.map_or_else(String::new, |text| {
                format!("the files that are there: {text}\n")
            });
            let text = format!("{unusable}\n{cause}");
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

async fn metrics(State(app): State<App>) -> Response {
    let loaded = app.shared.current();
    match app.metrics.encode(app.shared.now(), loaded.as_deref()) {
        Ok(text) => {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, media_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
