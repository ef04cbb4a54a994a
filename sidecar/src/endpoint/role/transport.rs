//! Browsers that were here come by HTTPS the next time, whatever a link says (RFC 6797).

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::middleware::map_response;
use axum::response::Response;

/// For a year, and for the tenant's host alone: what is below it may be others'.
const POLICY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The same, saying so in each answer.
pub fn secure(api: Router) -> Router {
    api.layer(map_response(async |mut response: Response| {
        response
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, POLICY);
        response
    }))
}
