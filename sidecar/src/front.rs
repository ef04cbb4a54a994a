//! What every request to the workload API passes first: its id, the loopback guard, the clock, the trace.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use crate::context::{Context, REQUEST_ID};
use crate::guard;
use crate::oauth::RefusedBy;
use crate::routes::{App, route_of};

/// Serves a request in its context and measures it.
pub async fn serve(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = route_of(request.uri().path());
    let traced = app
        .traces
        .as_ref()
        .map(|traces| traces.begin(route, request.method().as_str(), request.headers()));
    let context = Context::of(request.headers());
    let context = match &traced {
        Some(traced) => context.traced(traced.trace_id()),
        None => context,
    };
    let id = context.header();
    let answer = async {
        match guard::loopback_only(&request) {
            Ok(()) => next.run(request).await,
            Err(error) => error.logged().into_response(),
        }
    };
    let mut response = context.scope(answer).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(traced) = traced {
        let refused_by = response.extensions().get::<RefusedBy>();
        traced.end(response.status(), refused_by.map(|rule| rule.0));
    }
    app.metrics
        .count_request(route, response.status().as_u16(), started.elapsed());
    response
}
