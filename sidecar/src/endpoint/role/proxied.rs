//! The listener without TLS: for proxies alone that the tenant trusts and that were asked by HTTPS themselves. Whoever
//! else reaches it would send passwords and tokens in the clear, or be believed about where a request comes from.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::endpoint::{Endpoint, visit};
use crate::oauth::OAuthError;
use crate::rule::Rule;

/// The same for such proxies only.
pub fn only(endpoint: Endpoint, api: Router) -> Router {
    api.layer(axum::middleware::from_fn_with_state(endpoint, by_proxy))
}

async fn by_proxy(State(endpoint): State<Endpoint>, request: Request, next: Next) -> Response {
    if visit::is_by_proxy(&endpoint, &request) {
        return next.run(request).await;
    }
    let error = OAuthError::new(
        StatusCode::FORBIDDEN,
        "invalid_request",
        Rule::ProxyNotTrusted,
        "this port is for proxies in spec.endpoint.trustedProxies of the Tenant that send X-Forwarded-Proto: https (proxy-not-trusted); ask by HTTPS",
    );
    error.logged().into_response()
}
