//! `POST /oauth/token`: an access token for the pod's own identity (RFC 6749 section 4.4).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::jose::SigningFailed;
use mintage_core::mint::Order;
use mintage_core::{Seconds, policy};
use serde::Serialize;

use super::App;
use crate::clock;
use crate::oauth::{OAuthError, no_store_json};
use crate::params::Params;
use crate::state::Loaded;

/// The successful answer (RFC 6749 section 5.1).
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: Seconds,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

/// Grant types that Auth0 knows and a workload cannot use.
const FOR_OTHER_CLIENTS: [&str; 6] = [
    "authorization_code",
    "implicit",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// Asks a request whether an older token would do.
const REUSE: &str = "mintage-cache";

pub async fn handle(State(app): State<App>, request: Request) -> Response {
    let headers = request.headers().clone();
    let params = match Params::read(request).await {
        Ok(params) => params,
        Err(error) => return refuse(&app, error, None),
    };
    match issue(&app, &headers, &params) {
        Ok(response) => response,
        Err(error) => refuse(&app, error, Some(&params)),
    }
}

fn issue(app: &App, headers: &HeaderMap, params: &Params) -> Result<Response, OAuthError> {
    check_grant_type(params)?;
    let now = app.shared.now();
    let loaded = app.shared.usable(now)?;
    let workload = loaded.mint.policy().workload().to_string();
    check_client(headers, params, &workload)?;
    let request = policy::Request {
        audience: audience(params)?,
        scope: params.get("scope"),
    };
    let order = loaded.mint.order(now, request)?;

    let may_reuse = headers
        .get(REUSE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"allow"));
    if may_reuse && let Some((token, rest)) = loaded.reuse.get(&order) {
        app.metrics.count_token("reused");
        return Ok(answer(&order, &token, rest, Some("hit")));
    }
    let token = sign(app, &loaded, &order).map_err(|SigningFailed| {
        let text =
            "the token could not be signed (signing-failed: see the sidecar's log; try again)";
        OAuthError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "signing-failed",
            text,
        )
    })?;
    if may_reuse {
        loaded.reuse.keep(&order, &token);
    }
    app.metrics.count_token("issued");
    tracing::info!(
        event = "token-issued",
        client = workload,
        audience = %order.granted.audience,
        scope = order.granted.scope,
        kid = %order.kid,
        lifetime = order.granted.terms.lifetime,
    );
    Ok(answer(
        &order,
        &token,
        order.granted.terms.lifetime,
        may_reuse.then_some("miss"),
    ))
}

/// Signs, or shares the signature of an equal order of this second.
fn sign(app: &App, loaded: &Loaded, order: &Order) -> Result<Arc<str>, SigningFailed> {
    let fresh = || {
        let jti = clock::jti().ok_or(SigningFailed)?;
        let started = tokio::time::Instant::now();
        let token = loaded.mint.sign(order, jti)?;
        app.metrics.signing.observe(started.elapsed().as_secs_f64());
        Ok(token)
    };
    if order.is_repeatable() {
        loaded.sign_once.token(order, fresh)
    } else {
        fresh().map(Arc::from)
    }
}

fn check_grant_type(params: &Params) -> Result<(), OAuthError> {
    match params.get("grant_type") {
        Some("client_credentials") => Ok(()),
        None => Err(OAuthError::invalid_request(
            "grant-type-missing",
            "grant_type is missing; send grant_type=client_credentials",
        )),
        Some(other) if FOR_OTHER_CLIENTS.contains(&other) => Err(OAuthError::new(
            StatusCode::FORBIDDEN,
            "unauthorized_client",
            "grant-type-of-others",
            format!(
                "Grant type '{other}' not allowed for the client. (grant-type-of-others: a workload uses client_credentials)"
            ),
        )),
        Some(_) => Err(OAuthError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "grant-type-unknown",
            "the grant type is not known; send grant_type=client_credentials",
        )),
    }
}

/// A client that names itself must name the pod: in the body, or as the user of HTTP Basic. A secret is not looked at.
fn check_client(headers: &HeaderMap, params: &Params, workload: &str) -> Result<(), OAuthError> {
    let of_header = headers
        .get(AUTHORIZATION)
        .map(|value| basic_user(value).unwrap_or_default());
    let named = params
        .get("client_id")
        .map(str::to_owned)
        .into_iter()
        .chain(of_header);
    if named.into_iter().all(|client| client == workload) {
        return Ok(());
    }
    Err(OAuthError::new(
        StatusCode::UNAUTHORIZED,
        "access_denied",
        "client-not-own",
        format!(
            "Unauthorized (client-not-own: this pod is {workload}; leave client_id out, or send this one)"
        ),
    ))
}

/// The user of an HTTP Basic header; OAuth writes it form-encoded (RFC 6749 section 2.3.1).
fn basic_user(value: &HeaderValue) -> Option<String> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (user, _) = credentials.split_once(':')?;
    let query = format!("u={user}");
    let (_, user) = form_urlencoded::parse(query.as_bytes()).next()?;
    Some(user.into_owned())
}

/// `audience`, or `resource` in its place (RFC 8707).
fn audience(params: &Params) -> Result<Option<&str>, OAuthError> {
    match (params.get("audience"), params.get("resource")) {
        (Some(audience), Some(resource)) if audience != resource => Err(OAuthError::new(
            StatusCode::BAD_REQUEST,
            "invalid_target",
            "audience-and-resource",
            "audience and resource name different APIs; send one of them",
        )),
        (audience, resource) => Ok(audience.or(resource)),
    }
}

fn answer(
    order: &Order,
    token: &str,
    expires_in: Seconds,
    reuse: Option<&'static str>,
) -> Response {
    let scope = &order.granted.scope;
    let answer = Answer {
        access_token: token,
        token_type: "Bearer",
        expires_in,
        scope,
    };
    let body = serde_json::to_string(&answer).expect("strings and a number are JSON");
    let mut response = no_store_json(body);
    if let Some(outcome) = reuse {
        response
            .headers_mut()
            .insert(REUSE, HeaderValue::from_static(outcome));
    }
    response
}

fn refuse(app: &App, error: OAuthError, params: Option<&Params>) -> Response {
    app.metrics.count_token(error.rule);
    let asked = |name| {
        params
            .and_then(|params| params.get(name))
            .unwrap_or_default()
    };
    let short = |text: &str| text.chars().take(200).collect::<String>();
    tracing::warn!(
        event = "token-refused",
        rule = error.rule,
        error = error.error,
        audience = short(asked("audience")),
        scope = short(asked("scope")),
        description = error.summary(),
    );
    error.into_response()
}
