//! The workload API: one file for each endpoint.

mod discovery;
mod introspect;
mod token;
mod validate;

use std::sync::Arc;

use axum::Router;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};

use crate::central::Central;
use crate::front;
use crate::metrics::Metrics;
use crate::oauth::OAuthError;
use crate::rule::Rule;
use crate::state::Shared;
use crate::traces::Traces;

/// What every handler has.
#[derive(Clone)]
pub struct App {
    /// The current bundle.
    pub shared: Arc<Shared>,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Orders tokens at the tenant's endpoint; `None` where nobody does.
    pub central: Option<Arc<Central>>,
    /// Where requests are traced, if they are.
    pub traces: Option<Arc<Traces>>,
}

/// The paths, for who asks for another.
const PATHS: &str = "POST /oauth/token, POST /introspect, GET or POST /validate, \
    GET /.well-known/openid-configuration, /.well-known/oauth-authorization-server, /.well-known/jwks.json, \
    /.well-known/oauth-protected-resource";

/// A path's name in metrics and traces.
pub(crate) fn route_of(path: &str) -> &'static str {
    const ROUTES: [&str; 7] = [
        "/oauth/token",
        "/validate",
        "/introspect",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
    ];
    ROUTES
        .into_iter()
        .find(|route| *route == path)
        .unwrap_or("other")
}

/// The workload API, behind the loopback guard.
pub fn workload_api(app: App) -> Router {
    Router::new()
        .route("/oauth/token", only("POST", post(token::handle)))
        .route("/introspect", only("POST", post(introspect::handle)))
        .route(
            "/validate",
            only(
                "GET, HEAD, POST",
                get(validate::handle).post(validate::handle),
            ),
        )
        .route(
            "/.well-known/openid-configuration",
            only("GET, HEAD", get(discovery::issuer)),
        )
        .route(
            "/.well-known/oauth-authorization-server",
            only("GET, HEAD", get(discovery::issuer)),
        )
        .route(
            "/.well-known/jwks.json",
            only("GET, HEAD", get(discovery::jwks)),
        )
        .route(
            "/.well-known/oauth-protected-resource",
            only("GET, HEAD", get(discovery::protected_resource)),
        )
        .fallback(not_found)
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            front::serve,
        ))
        .with_state(app)
}

/// A path that takes these methods, and says so to who uses another one.
pub(crate) fn only<S>(methods: &'static str, route: MethodRouter<S>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    route.fallback(async move || method_not_allowed(methods))
}

/// The answer to another method than those that a path takes.
pub(crate) fn method_not_allowed(methods: &'static str) -> Response {
    let text = format!("this path takes {methods}");
    let error = OAuthError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "invalid_request",
        Rule::Method,
        text,
    );
    let mut response = error.logged().into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}

async fn not_found(uri: Uri) -> OAuthError {
    let path: String = uri.path().chars().take(80).collect();
    let text = format!("there is no {path:?} here; there is {PATHS}");
    OAuthError::new(StatusCode::NOT_FOUND, "invalid_request", Rule::Path, text).logged()
}
