//! `POST /oauth/token`: an access token for the pod's own identity (RFC 6749 section 4.4).

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::claims::{Jti, jti_text};
use mintage_core::jose::SigningFailed;
use mintage_core::mint::{NoOrder, Order};
use mintage_core::policy::Granted;
use mintage_core::{Issuer, Seconds, UnixTime, policy};
use serde::Serialize;

use super::App;
use crate::cache::{HandedOut, Source};
use crate::central::Given;
use crate::clock;
use crate::metrics::IssuedLabels;
use crate::oauth::{OAuthError, no_store_json};
use crate::params::Params;
use crate::rule::Rule;
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
const FOR_OTHER_CLIENTS: [&str; 8] = [
    "authorization_code",
    "implicit",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:openid:params:grant-type:ciba",
];

/// Auth0's own grant types begin so: `password-realm`, `passwordless/otp`, `mfa-otp`, …
const OF_AUTH0: &str = "http://auth0.com/oauth/grant-type/";

/// Asks a request whether an older token would do.
const REUSE: &str = "mintage-cache";

pub async fn handle(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let params = match Params::read(&parts.headers, body).await {
        Ok(params) => params,
        Err(error) => return refuse(&app, error, None),
    };
    match issue(&app, &parts.headers, &params).await {
        Ok(response) => response,
        Err(error) => refuse(&app, error, Some(&params)),
    }
}

async fn issue(app: &App, headers: &HeaderMap, params: &Params) -> Result<Response, OAuthError> {
    check_grant_type(params)?;
    let now = app.shared.now();
    let loaded = app.shared.usable(now)?;
    let workload = loaded.mint.policy().workload_text();
    check_client(headers, params, workload, loaded.mint.policy().issuer())?;
    let request = policy::Request {
        audience: params.audience()?,
        scope: params.get("scope"),
    };
    let may_reuse = headers
        .get(REUSE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"allow"));
    let endpoint = loaded.bundle.body.endpoint.as_ref();
    let (mut response, source) = match loaded.mint.order(now, request) {
        Ok(order) => by_own_key(app, &loaded, &order, may_reuse)?,
        Err(NoOrder::Central { granted }) => match app.central.as_ref().zip(endpoint) {
            Some((central, endpoint)) => {
                let asked = central.token(&loaded, endpoint, &granted, (now, may_reuse));
                let given = asked.await?;
                (
                    by_endpoint(app, workload, &granted, &given, now),
                    given.source,
                )
            }
            None => return Err(NoOrder::Central { granted }.into()),
        },
        Err(no_order) => return Err(no_order.into()),
    };
    if may_reuse {
        let outcome = match source {
            Source::Reused => "hit",
            Source::Central | Source::Kept | Source::Shared | Source::Signed => "miss",
        };
        response
            .headers_mut()
            .insert(REUSE, HeaderValue::from_static(outcome));
    }
    Ok(response)
}

/// A token that a key at hand signs.
fn by_own_key(
    app: &App,
    loaded: &Loaded,
    order: &Order,
    may_reuse: bool,
) -> Result<(Response, Source), OAuthError> {
    let reused = may_reuse.then(|| loaded.reuse.get(order)).flatten();
    let handed_out = if let Some(reused) = reused {
        reused
    } else {
        let fresh = sign(app, loaded, order)?;
        if may_reuse {
            loaded.reuse.keep(order, &fresh);
        }
        fresh
    };
    let granted = &order.granted;
    let jti = handed_out.jti.as_ref().map(jti_text);
    let noted = Noted {
        kid: order.kid.as_str(),
        jti: jti.as_deref(),
        issued_at: handed_out.issued_at,
        expires_at: handed_out.issued_at + granted.terms.lifetime,
        source: handed_out.source,
    };
    note(app, loaded.mint.policy().workload_text(), granted, &noted);
    let rest = noted.expires_at - order.issued_at;
    let response = answer(&handed_out.token, rest, &granted.scope);
    Ok((response, handed_out.source))
}

/// A token that the tenant's endpoint gave.
fn by_endpoint(
    app: &App,
    workload: &str,
    granted: &Granted,
    given: &Given,
    now: UnixTime,
) -> Response {
    let token = &given.token;
    let noted = Noted {
        kid: &token.kid,
        jti: token.jti.as_deref(),
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        source: given.source,
    };
    note(app, workload, granted, &noted);
    answer(&token.text, token.rest(now), &granted.scope)
}

/// Signs, or shares the signature of an equal order of this second.
fn sign(app: &App, loaded: &Loaded, order: &Order) -> Result<HandedOut, OAuthError> {
    let terms = order.granted.terms;
    let mut source = Source::Shared;
    let mut fresh = |jti: Jti| {
        source = Source::Signed;
        let started = tokio::time::Instant::now();
        let token = loaded.mint.sign(order, jti)?;
        app.metrics.count_signature(terms.alg, started.elapsed());
        Ok(token)
    };
    let made = if order.is_repeatable() {
        let token = loaded.sign_once.token(order, || fresh(Jti::default()));
        token.map(|token| (token, None))
    } else {
        clock::jti().ok_or(SigningFailed).and_then(|jti| {
            let token = fresh(jti)?.into();
            Ok((token, terms.dialect.has_jti().then_some(jti)))
        })
    };
    let (token, jti) = made.map_err(|SigningFailed| signing_failed())?;
    Ok(HandedOut {
        token,
        jti,
        issued_at: order.issued_at,
        source,
    })
}

fn signing_failed() -> OAuthError {
    OAuthError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        Rule::SigningFailed,
        "the token could not be signed (signing-failed: see the sidecar's log; try again)",
    )
}

/// What is noted of a token besides what was granted.
struct Noted<'a> {
    kid: &'a str,
    jti: Option<&'a str>,
    issued_at: UnixTime,
    expires_at: UnixTime,
    source: Source,
}

/// Counts a token that is handed out, and writes the line of the audit.
fn note(app: &App, workload: &str, granted: &Granted, noted: &Noted<'_>) {
    let terms = granted.terms;
    let source = noted.source.name();
    app.metrics.count_token(match noted.source {
        Source::Kept => "kept",
        Source::Reused => "reused",
        Source::Central | Source::Shared | Source::Signed => "issued",
    });
    app.metrics.count_issued(&IssuedLabels {
        alg: terms.alg.as_str(),
        dialect: terms.dialect.as_str(),
        source,
    });
    tracing::info!(
        event = "token-issued",
        client = workload,
        audience = granted.audience.as_str(),
        scope = granted.scope,
        kid = noted.kid,
        jti = noted.jti,
        iat = noted.issued_at.0,
        exp = noted.expires_at.0,
        source,
    );
}

fn check_grant_type(params: &Params) -> Result<(), OAuthError> {
    match params.get("grant_type") {
        Some("client_credentials") => Ok(()),
        None => Err(OAuthError::invalid_request(
            Rule::GrantTypeMissing,
            "grant_type is missing; send grant_type=client_credentials",
        )),
        Some(other) if FOR_OTHER_CLIENTS.contains(&other) || other.starts_with(OF_AUTH0) => {
            Err(OAuthError::new(
                StatusCode::FORBIDDEN,
                "unauthorized_client",
                Rule::GrantTypeOfOthers,
                format!(
                    "Grant type '{other}' not allowed for the client. (grant-type-of-others: a workload uses client_credentials)"
                ),
            ))
        }
        Some(_) => Err(OAuthError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            Rule::GrantTypeUnknown,
            "the grant type is not known; send grant_type=client_credentials",
        )),
    }
}

/// A client that names itself must name the pod: in the body, or as the user of HTTP Basic. A secret is not looked at.
/// Who tried the header gets a challenge (RFC 6749 section 5.2).
fn check_client(
    headers: &HeaderMap,
    params: &Params,
    workload: &str,
    issuer: &Issuer,
) -> Result<(), OAuthError> {
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
    let error = OAuthError::new(
        StatusCode::UNAUTHORIZED,
        "access_denied",
        Rule::ClientNotOwn,
        format!(
            "Unauthorized (client-not-own: this pod is {workload}; leave client_id out, or send this one)"
        ),
    );
    Err(if headers.contains_key(AUTHORIZATION) {
        error.challenged(format!("Basic realm=\"{}\"", issuer.domain()))
    } else {
        error
    })
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

fn answer(access_token: &str, expires_in: Seconds, scope: &str) -> Response {
    let answer = Answer {
        access_token,
        token_type: "Bearer",
        expires_in,
        scope,
    };
    no_store_json(serde_json::to_string(&answer).expect("strings and a number are JSON"))
}

fn refuse(app: &App, error: OAuthError, params: Option<&Params>) -> Response {
    app.metrics.count_token(error.rule);
    let asked = |name| {
        params
            .and_then(|params| params.get(name))
            .unwrap_or_default()
    };
    let short = |text: &str| text.chars().take(200).collect::<String>();
    let loaded = app.shared.current();
    let client = loaded
        .as_ref()
        .map(|loaded| loaded.mint.policy().workload_text());
    tracing::warn!(
        event = "token-refused",
        rule = error.rule,
        error = error.error,
        client,
        audience = short(asked("audience")),
        scope = short(asked("scope")),
        description = error.summary(),
    );
    error.into_response()
}
