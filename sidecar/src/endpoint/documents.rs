//! What everybody may read: discovery and keys (OpenID Connect Discovery section 3, RFC 8414).

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue,
};
use axum::response::{IntoResponse as _, Response};
use mintage_core::Alg;
use serde_json::json;

use super::Here;
use super::pages::{Failure, Front, Window};
use super::scene;
use super::visit::Visit;

pub async fn discovery(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let issuer = visit.issuer();
    let jwks = visit.realm.jwks(visit.now);
    let algorithms: BTreeSet<Alg> = jwks
        .keys
        .iter()
        .map(|jwk| jwk.alg)
        .chain([Alg::RS256])
        .collect();
    let apis = visit.realm.config.apis.values();
    let scopes: BTreeSet<&str> = apis
        .flat_map(|api| &api.scopes)
        .map(mintage_core::Scope::as_str)
        .collect();
    let scopes: Vec<&str> = ["openid", "profile", "email", "offline_access"]
        .into_iter()
        .chain(scopes)
        .collect();
    document(&json!({
        "issuer": issuer,
        "authorization_endpoint": issuer.join("authorize"),
        "token_endpoint": issuer.join("oauth/token"),
        "userinfo_endpoint": issuer.join("userinfo"),
        "jwks_uri": issuer.join(".well-known/jwks.json"),
        "revocation_endpoint": issuer.join("oauth/revoke"),
        "introspection_endpoint": issuer.join("oauth/introspect"),
        "end_session_endpoint": issuer.join("oidc/logout"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post", "web_message"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": scopes,
        "claims_supported": ["aud", "auth_time", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss", "name", "nickname", "picture", "sid", "sub"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en", "de"],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    }))
}

pub async fn jwks(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    match Visit::of(&endpoint, &parts) {
        Ok(visit) => document(&visit.realm.jwks(visit.now)),
        Err(error) => error.logged().into_response(),
    }
}

/// The address alone, which nobody is sent to: people open it who see it somewhere.
pub async fn front(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    match Visit::of(&endpoint, &parts) {
        Ok(visit) => scene::draw(&visit, None, Window::Own, |scene| Front.page(scene)),
        Err(error) => error.logged().into_response(),
    }
}

pub async fn not_found(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    match Visit::of(&endpoint, &parts) {
        Ok(visit) => scene::fail(&visit, Failure::NotFound, None),
        Err(error) => error.logged().into_response(),
    }
}

/// A form's own address without the form: somebody opened again what the address bar showed.
pub async fn out_of_date(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let mut response = match Visit::of(&endpoint, &parts) {
        Ok(visit) => scene::fail(&visit, Failure::Expired, None),
        Err(error) => return error.logged().into_response(),
    };
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// A document that may be kept for a minute, and that pages of everybody may read.
fn document(value: &impl serde::Serialize) -> Response {
    let body = serde_json::to_string(value).expect("a document has string keys only");
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=60"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (StatusCode::OK, headers, body).into_response()
}
