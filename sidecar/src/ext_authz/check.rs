//! `envoy.service.auth.v3.Authorization/Check`: the verdict of `/validate` in Envoy's words.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::messages::{
    AppendAction, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpRequest,
    HttpResponse, HttpStatus, OkHttpResponse, {self as proto},
};
use super::{CHECK, Counted};
use crate::context::{Context, REQUEST_ID};
use crate::narrowing::Narrowing;
use crate::oauth::Denial;
use crate::routes::App;
use crate::verdict::{Told, Verdict};

/// The headers of the request in question that are looked at.
const READ: [HeaderName; 3] = [
    http::header::AUTHORIZATION,
    REQUEST_ID,
    HeaderName::from_static("traceparent"),
];

/// What the names begin with that tell the application who asks.
const TOLD: &str = "x-mintage-";

/// Answers one question of a proxy.
pub async fn check(
    app: &App,
    request: tonic::Request<CheckRequest>,
) -> Result<tonic::Response<CheckResponse>, Status> {
    let started = Instant::now();
    let (metadata, _, message) = request.into_parts();
    let attributes = message.attributes.unwrap_or_default();
    let Some(http) = attributes.request.and_then(|request| request.http) else {
        let text = "attributes.request.http is missing: this is for the HTTP filter ext_authz, and not for the network filter";
        return Err(Status::invalid_argument(text));
    };
    let asked = headers(&http);
    let mut traced_by = asked.clone();
    // A proxy that traces names its own span in the call.
    traced_by.extend(metadata.into_headers());
    let traced = app
        .traces
        .as_ref()
        .map(|traces| traces.begin(CHECK, "POST", &traced_by));
    let context = Context::of(&asked);
    let context = match &traced {
        Some(traced) => context.traced(traced.trace_id()),
        None => context,
    };
    let extensions = attributes.context_extensions.iter();
    let narrowing =
        Narrowing::of_extensions(extensions.map(|(name, value)| (name.as_str(), value.as_str())));
    let judge = async { Verdict::on(app, "ext_authz", &asked, narrowing) };
    let verdict = context.scope(judge).await;
    let (status, rule) = match &verdict {
        Verdict::Passes(_) => (StatusCode::OK, None),
        Verdict::Denied(denial) => (denial.status, Some(denial.rule)),
    };
    if let Some(traced) = traced {
        traced.end(status, rule);
    }
    app.metrics
        .count_request(CHECK, status.as_u16(), started.elapsed());
    let mut response = tonic::Response::new(match verdict {
        Verdict::Passes(told) => passes(&told, &http),
        Verdict::Denied(denial) => denied(denial),
    });
    response.extensions_mut().insert(Counted);
    Ok(response)
}

/// Those that are looked at. One that HTTP does not allow is left out, as if it had not been sent.
fn headers(http: &HttpRequest) -> HeaderMap {
    let mut found = HeaderMap::new();
    for (name, value) in named(http) {
        let mut read = READ.into_iter();
        let known = read.find(|known| name.eq_ignore_ascii_case(known.as_str()));
        if let Some(known) = known
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            found.append(known, value);
        }
    }
    found
}

/// All headers, in whichever field they are.
fn named(http: &HttpRequest) -> impl Iterator<Item = (&str, &[u8])> {
    let joined = http.headers.iter();
    let joined = joined.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let raw = http.header_map.iter().flat_map(|map| &map.headers);
    let raw = raw.map(|header| {
        let value = if header.raw_value.is_empty() {
            header.value.as_bytes()
        } else {
            &header.raw_value
        };
        (header.key.as_str(), value)
    });
    joined.chain(raw)
}

fn passes(told: &Told, http: &HttpRequest) -> CheckResponse {
    let is_ours = |name: &str| told.iter().any(|(ours, _)| ours == name);
    // Other names of that kind are nobody's to send, also with underscores, which many applications take for the same.
    // Envoy removes after it has set, so those that are set are not among them.
    let removed = named(http).map(|(name, _)| name.to_ascii_lowercase());
    let mut headers_to_remove = removed
        .filter(|name| name.replace('_', "-").starts_with(TOLD) && !is_ours(name))
        .collect::<Vec<_>>();
    headers_to_remove.sort_unstable();
    headers_to_remove.dedup();
    CheckResponse {
        status: Some(proto::Status::default()),
        http_response: Some(HttpResponse::Ok(OkHttpResponse {
            headers: told.iter().map(set).collect(),
            headers_to_remove,
        })),
    }
}

fn denied(denial: Denial) -> CheckResponse {
    let code = match denial.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        _ => Code::PermissionDenied,
    };
    let headers = denial.headers.iter();
    CheckResponse {
        status: Some(proto::Status {
            code: code.into(),
            message: denial.rule.to_owned(),
        }),
        http_response: Some(HttpResponse::Denied(DeniedHttpResponse {
            status: Some(HttpStatus {
                code: denial.status.as_u16().into(),
            }),
            headers: headers
                .map(|(name, value)| set(&(name.clone(), value.clone())))
                .collect(),
            body: denial.body,
        })),
    }
}

/// A header in place of whatever has that name, also where it has no value: the scopes of a token that has none.
fn set((name, value): &(HeaderName, HeaderValue)) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(proto::HeaderValue {
            key: name.as_str().to_owned(),
            // Ours are ASCII, or `HeaderValue` would not have taken them from text.
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
            raw_value: Vec::new(),
        }),
        append_action: AppendAction::OverwriteIfExistsOrAdd.into(),
        keep_empty_value: true,
    }
}
