//! Documents for libraries that are set up by URL.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::response::{IntoResponse as _, Response};
use mintage_core::jwks;
use mintage_core::{Alg, Scope, UnixTime};
use serde_json::{Value, json};

use super::App;
use crate::oauth::OAuthError;
use crate::state::Loaded;
use crate::verdict::not_accepted;

/// `GET /.well-known/openid-configuration`, and its alias of RFC 8414: the tenant's issuer with the endpoints of this
/// loopback.
pub async fn issuer(State(app): State<App>, headers: HeaderMap) -> Result<Response, OAuthError> {
    let loaded = usable(&app, app.shared.now())?;
    let base = base_url(&headers);
    let policy = loaded.mint.policy();
    let scopes: BTreeSet<String> = policy
        .offers(app.shared.now())
        .flat_map(|(_, _, scopes)| {
            scopes
                .split(' ')
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    Ok(document(&json!({
        "issuer": policy.issuer(),
        "token_endpoint": format!("{base}/oauth/token"),
        "introspection_endpoint": format!("{base}/introspect"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["none"],
        "id_token_signing_alg_values_supported": algorithms(&loaded),
        "scopes_supported": scopes,
    })))
}

/// The algorithms of the keys that the pod trusts; RS256 always (OpenID Connect Discovery section 3).
fn algorithms(loaded: &Loaded) -> BTreeSet<Alg> {
    let keys = &loaded.bundle.body.keys;
    keys.iter()
        .map(|trusted| trusted.key.alg())
        .chain([Alg::RS256])
        .collect()
}

/// `GET /.well-known/jwks.json`: the keys that the pod trusts.
pub async fn jwks(State(app): State<App>) -> Result<Response, OAuthError> {
    let now = app.shared.now();
    let loaded = usable(&app, now)?;
    let nothing = BTreeSet::new();
    let accepted = loaded.accepted.as_ref().unwrap_or(&nothing);
    Ok(document(&jwks::in_pod(&loaded.bundle.body, accepted, now)))
}

/// `GET /.well-known/oauth-protected-resource` (RFC 9728): this pod as a protected resource. Without an audience it is
/// none.
pub async fn protected_resource(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let now = app.shared.now();
    let loaded = usable(&app, now)?;
    let accepted = loaded
        .accepted
        .as_ref()
        .map_err(|reason| not_accepted(reason).logged())?;
    let body = &loaded.bundle.body;
    let apis = body
        .accept
        .iter()
        .filter(|api| accepted.contains(&api.identifier));
    let scopes: BTreeSet<&str> = apis
        .flat_map(|api| &api.scopes)
        .map(Scope::as_str)
        .collect();
    let issuers: Vec<_> = body
        .domains
        .iter()
        .filter(|(_, term)| term.is_used(now))
        .map(|(domain, _)| domain.issuer())
        .collect();
    let mut answer = json!({
        "resource": accepted.first(),
        "authorization_servers": issuers,
        "jwks_uri": format!("{}/.well-known/jwks.json", base_url(&headers)),
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
    });
    if accepted.len() > 1 {
        // RFC 9728 knows one resource; what else this pod accepts is said beside it.
        answer["mintage_accepted_audiences"] = accepted
            .iter()
            .map(|api| Value::from(api.as_str()))
            .collect();
    }
    Ok(document(&answer))
}

fn usable(app: &App, now: UnixTime) -> Result<Arc<Loaded>, OAuthError> {
    let usable = app.shared.usable(now);
    usable.map_err(|reason| OAuthError::from(reason).logged())
}

/// The address by which the client reached us: the guard has let only the loopback through.
fn base_url(headers: &HeaderMap) -> String {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("127.0.0.1:7600");
    format!("http://{host}")
}

/// A document that may be kept for a minute, less than the propagation delay of any tenant that rotates unnoticed.
fn document(value: &impl serde::Serialize) -> Response {
    let body = serde_json::to_string(value).expect("a document has string keys only");
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=60"),
    ];
    (headers, body).into_response()
}
