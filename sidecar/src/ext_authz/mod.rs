//! Envoy's external authorization over gRPC: `envoy.service.auth.v3.Authorization/Check`, and `grpc.health.v1` for
//! proxies that ask whether anybody is there.
//!
//! No guard looks at the call's `:authority`: Envoy names its own cluster there, and a browser cannot send HTTP/2
//! without TLS.

mod check;
mod messages;
mod proto;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use messages::{HealthCheckRequest, HealthCheckResponse, ServingStatus};
use proto::Proto;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::server::{Grpc, UnaryService};

use crate::guard;
use crate::routes::App;

/// Its name in metrics and traces.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The services that are here.
const SERVICES: [&str; 2] = [
    "envoy.service.auth.v3.Authorization",
    "grpc.health.v1.Health",
];

/// The largest question: twice what Envoy lets a request's headers have.
const MAX_MESSAGE: usize = 128 * 1024;

/// How long a client may take to send its question.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Beside an answer: it is in the metrics already, by what it says.
#[derive(Clone, Copy, Debug)]
struct Counted;

/// The gRPC services of the listener for Envoy.
pub fn ext_authz_api(app: App) -> Router {
    Router::new()
        .route(CHECK, post(authorize))
        .route("/grpc.health.v1.Health/Check", post(health))
        .fallback(async || {
            let text = "there is Authorization/Check of envoy.service.auth.v3 and Health/Check of grpc.health.v1";
            Status::unimplemented(text).into_http::<Body>()
        })
        .with_state(app)
}

async fn authorize(State(app): State<App>, request: Request) -> Response {
    let started = Instant::now();
    let metrics = app.metrics.clone();
    let service = tower::service_fn(move |request| {
        let app = app.clone();
        async move { check::check(&app, request).await }
    });
    let response = unary(service, request).await;
    if response.extensions().get::<Counted>().is_none() {
        metrics.count_request(CHECK, malformed(&response).as_u16(), started.elapsed());
    }
    response
}

async fn health(State(app): State<App>, request: Request) -> Response {
    let service = tower::service_fn(move |request: tonic::Request<HealthCheckRequest>| {
        let answer = serving(&app, &request.get_ref().service);
        async move { answer.map(tonic::Response::new) }
    });
    unary(service, request).await
}

fn serving(app: &App, service: &str) -> Result<HealthCheckResponse, Status> {
    if !service.is_empty() && !SERVICES.contains(&service) {
        return Err(Status::not_found("there is no such service"));
    }
    let serves = !app.shared.is_draining() && app.shared.usable(app.shared.now()).is_ok();
    let status = if serves {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    Ok(HealthCheckResponse {
        status: status.into(),
    })
}

/// One question, one answer.
async fn unary<S, T, U>(service: S, request: Request) -> Response
where
    S: UnaryService<T, Response = U>,
    T: prost::Message + Default + 'static,
    U: prost::Message + 'static,
{
    if !is_grpc(request.headers()) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    if guard::is_from_a_page(request.headers()) {
        let text = "this is for the proxy in the pod, not for pages in a browser";
        return Status::permission_denied(text).into_http();
    }
    let mut grpc = Grpc::new(Proto::default()).max_decoding_message_size(MAX_MESSAGE);
    match timeout(MESSAGE_TIMEOUT, grpc.unary(service, request)).await {
        Ok(response) => response.map(Body::new),
        Err(_) => Status::deadline_exceeded("the message did not arrive in time").into_http(),
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    media_type.is_some_and(|value| {
        value == b"application/grpc" || value.starts_with(b"application/grpc+")
    })
}

/// What a refused call is among the statuses of HTTP.
fn malformed(response: &Response) -> StatusCode {
    match response.extensions().get::<Status>().map(Status::code) {
        None => response.status(),
        Some(tonic::Code::PermissionDenied) => StatusCode::FORBIDDEN,
        Some(tonic::Code::DeadlineExceeded) => StatusCode::REQUEST_TIMEOUT,
        Some(tonic::Code::OutOfRange | tonic::Code::ResourceExhausted) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Some(_) => StatusCode::BAD_REQUEST,
    }
}
