//! An API on the pod's address that asks its sidecar about the token of each request.

use std::env;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Fault, judge};

#[derive(Deserialize)]
struct Need {
    /// The scope that the request needs.
    #[serde(default)]
    needs: String,
}

/// Answers until it is ended.
pub async fn serve() -> Result<(), Fault> {
    let router = Router::new().route("/", get(answer));
    super::serve("0.0.0.0:8080", router).await
}

/// The status is the sidecar's, and the body what all judges said.
async fn answer(Query(need): Query<Need>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    let token = headers
        .get("Authorization")
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(token) = token else {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "why": "no token" })));
    };
    // Which API it is stands in the Deployment; without, no token is for it.
    let audience = env::var("APP_AUDIENCE").unwrap_or_default();
    match judge::all(token, &audience, &need.needs).await {
        Ok(said) => {
            let status = said["validate"]["status"].as_u64();
            let status = status.and_then(|status| u16::try_from(status).ok());
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            (status.unwrap_or(StatusCode::BAD_GATEWAY), Json(said))
        }
        Err(fault) => {
            let why = json!({ "why": fault.to_string() });
            (StatusCode::BAD_GATEWAY, Json(why))
        }
    }
}
