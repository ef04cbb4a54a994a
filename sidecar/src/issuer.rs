//! What an issuer publishes for everybody, by host name: discovery and keys. `mintage dev` serves this over TLS; so will
//! the tenant endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use mintage_core::jwks::Jwks;
use mintage_core::{Alg, Domain};
use serde_json::json;

use crate::oauth::OAuthError;
use crate::rule::Rule;

/// The keys of each issuer, by its domain; replaced as a whole.
pub type Issuers = Arc<ArcSwap<BTreeMap<Domain, Arc<Jwks>>>>;

/// Discovery and keys of each issuer.
pub fn issuer_api(issuers: Issuers) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/oauth-authorization-server", get(discovery))
        .route("/.well-known/jwks.json", get(jwks))
        .fallback(async || {
            let text = "an issuer serves /.well-known/openid-configuration, /.well-known/oauth-authorization-server and /.well-known/jwks.json; tokens are at the workload API";
            OAuthError::new(StatusCode::NOT_FOUND, "invalid_request", Rule::Path, text)
        })
        .with_state(issuers)
}

/// OpenID Connect Discovery section 4 and RFC 8414. There is no endpoint for tokens or users here, so none is named:
/// workloads get tokens from their own sidecar.
async fn discovery(
    State(issuers): State<Issuers>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let (domain, jwks) = find(&issuers, &headers)?;
    let issuer = domain.issuer();
    let algorithms: BTreeSet<Alg> = jwks
        .keys
        .iter()
        .map(|jwk| jwk.alg)
        .chain([Alg::RS256])
        .collect();
    Ok(document(&json!({
        "issuer": issuer,
        "jwks_uri": issuer.join(".well-known/jwks.json"),
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    })))
}

async fn jwks(State(issuers): State<Issuers>, headers: HeaderMap) -> Result<Response, OAuthError> {
    find(&issuers, &headers).map(|(_, jwks)| document(&*jwks))
}

/// The issuer of the host that was asked.
fn find(issuers: &Issuers, headers: &HeaderMap) -> Result<(Domain, Arc<Jwks>), OAuthError> {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let issuers = issuers.load();
    let found = of_host(&issuers, &host);
    let found = found.map(|(domain, jwks)| (domain.clone(), Arc::clone(jwks)));
    found.ok_or_else(|| {
        let text = "no issuer has the host name that was asked; ask by the domain of a tenant";
        OAuthError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "invalid_request",
            Rule::HostUnknown,
            text,
        )
    })
}

/// What belongs to the host that was asked: of exactly this domain, or else of the only one with this host name, whatever
/// the port, since a listener may be on another port than the domain says.
pub(crate) fn of_host<'a, T>(
    all: &'a BTreeMap<Domain, T>,
    host: &str,
) -> Option<(&'a Domain, &'a T)> {
    let host = host.to_ascii_lowercase();
    let exact = Domain::parse(&host).ok();
    if let Some(found) = exact.and_then(|domain| all.get_key_value(&domain)) {
        return Some(found);
    }
    let name = match host.split_once(':') {
        Some((name, port)) => is_port(port).then_some(name)?,
        None => &*host,
    };
    let mut of_host = all.iter().filter(|(domain, _)| domain.host() == name);
    match (of_host.next(), of_host.next()) {
        (Some(found), None) => Some(found),
        _ => None,
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn document(value: &impl serde::Serialize) -> Response {
    let body = serde_json::to_string(value).expect("a document has string keys only");
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=60"),
    ];
    (headers, body).into_response()
}
