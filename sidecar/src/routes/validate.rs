//! `GET|POST /validate`: forward authentication. The answer's status and headers are all that counts.

use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};

use super::App;
use crate::narrowing::Narrowing;
use crate::verdict::Verdict;

pub async fn handle(State(app): State<App>, request: Request) -> Response {
    let narrowing = Narrowing::of_query(request.uri().query().unwrap_or_default());
    match Verdict::on(&app, "validate", request.headers(), narrowing) {
        Verdict::Passes(told) => {
            let mut headers = HeaderMap::from_iter(told);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.into_response()
        }
        Verdict::Denied(denial) => denial.into_response(),
    }
}
