//! Which pages may read the answers (CORS, the Fetch standard): those of an application's own origins. No cookie goes with
//! such a request.

use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use mintage_core::endpoint::Application;

use super::Here;
use super::visit::Visit;

/// Answers what a browser asks before a page's request: whether any application of the tenant has that origin.
pub async fn preflight(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Origin"));
    let mut applications = visit.realm.config.applications.values();
    if let Some(origin) = applications.find_map(|application| own(&visit, application)) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, auth0-client, dpop"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// Lets a page of the application read the answer.
pub fn allow(visit: &Visit, application: Option<&Application>, response: &mut Response) {
    response
        .headers_mut()
        .append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = application.and_then(|application| own(visit, application)) {
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id, www-authenticate, retry-after"),
        );
    }
}

/// The request's origin, if it is one of the application's.
fn own(visit: &Visit, application: &Application) -> Option<HeaderValue> {
    let origin = visit.headers.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    application
        .web_origins
        .contains(text)
        .then(|| origin.clone())
}
