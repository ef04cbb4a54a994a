//! `GET|POST /validate`: forward authentication. The answer's status and headers are all that counts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use mintage_core::code::Coded as _;
use mintage_core::ident::{parse_scopes, write_scopes};
use mintage_core::verify::{Expected, Rejection};
use mintage_core::{Identifier, policy};

use super::App;
use super::introspect::not_accepted;
use crate::oauth::{OAuthError, RefusedBy, quotable};
use crate::rule::Rule;
use crate::state::Loaded;

/// Why a request does not pass.
enum Denied {
    /// No token: 401 with a bare challenge (RFC 6750 section 3.1).
    NoToken,
    /// A bad token: 401 `invalid_token`.
    BadToken(Rejection),
    /// A good token without the scopes: 403 `insufficient_scope`.
    Scope(String),
    /// Not about the token.
    Other(OAuthError),
}

impl From<OAuthError> for Denied {
    fn from(error: OAuthError) -> Self {
        Self::Other(error)
    }
}

pub async fn handle(State(app): State<App>, request: Request) -> Response {
    let now = app.shared.now();
    let loaded = match app.shared.usable(now) {
        Ok(loaded) => loaded,
        Err(unusable) => {
            app.metrics.count_check("validate", unusable.rule().code());
            return OAuthError::from(unusable).logged().into_response();
        }
    };
    match validate(
        &app,
        &loaded,
        request.headers(),
        request.uri().query().unwrap_or_default(),
    ) {
        Ok(response) => {
            app.metrics.count_check("validate", "accepted");
            response
        }
        Err(denied) => deny(&app, &loaded, denied),
    }
}

fn validate(
    app: &App,
    loaded: &Loaded,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, Denied> {
    let query = Query::parse(query)?;
    let accepted = loaded.accepted.as_ref().map_err(not_accepted)?;
    let narrowed = query.narrow(accepted)?;
    let token = bearer(headers)?;
    let now = app.shared.now();
    let authentic = loaded.authenticate(token, now).map_err(Denied::BadToken)?;
    let expected = Expected::Apis(narrowed.as_ref().unwrap_or(accepted));
    let verified = loaded
        .verifier()
        .judge(&authentic, expected, now)
        .map_err(Denied::BadToken)?;
    let scopes = parse_scopes(&query.scope).map_err(|error| {
        OAuthError::invalid_request(policy::Rule::ScopeMalformed, error.to_string())
    })?;
    if !verified.lacks(&scopes).is_empty() {
        return Err(Denied::Scope(write_scopes(&scopes)));
    }
    let claims = &verified.token.claims;
    let mut response = StatusCode::OK.into_response();
    for (name, value) in [
        ("x-mintage-subject", claims.subject.as_str()),
        ("x-mintage-client", &claims.client),
        ("x-mintage-scope", &write_scopes(&claims.scopes)),
        ("x-mintage-audience", verified.audience),
    ] {
        // Claims hold no control characters, so only text beyond ASCII can fail to be a header.
        let value =
            HeaderValue::from_str(value).map_err(|_| Denied::BadToken(Rejection::Claim("sub")))?;
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What the query narrows to.
#[derive(Default)]
struct Query {
    audiences: Vec<String>,
    scope: String,
}

impl Query {
    fn parse(query: &str) -> Result<Self, OAuthError> {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "audience" if parsed.audiences.len() < 16 => {
                    parsed.audiences.push(value.into_owned());
                }
                "scope" if parsed.scope.is_empty() => parsed.scope = value.into_owned(),
                _ => {
                    let text = "the query takes audience (up to 16 times) and scope (once)";
                    return Err(OAuthError::invalid_request(Rule::QueryMalformed, text));
                }
            }
        }
        Ok(parsed)
    }

    /// Those of the accepted audiences that the query names; `None` if it names none.
    fn narrow(
        &self,
        accepted: &BTreeSet<Identifier>,
    ) -> Result<Option<BTreeSet<Identifier>>, OAuthError> {
        if self.audiences.is_empty() {
            return Ok(None);
        }
        let find = |name: &String| {
            accepted.get(name.as_str()).cloned().ok_or_else(|| {
                let names = accepted.iter().map(Identifier::as_str).collect::<Vec<_>>().join(", ");
                let text = format!("audience {name:?} is not one that this pod accepts ({names}); the query only narrows");
                OAuthError::new(StatusCode::FORBIDDEN, "access_denied", Rule::AudienceNotAccepted, text)
            })
        };
        self.audiences
            .iter()
            .map(find)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// The token of the `Authorization` header (RFC 6750 section 2.1); from nowhere else.
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Denied::NoToken)?;
    if values.next().is_some() {
        let text = "there are several Authorization headers";
        return Err(OAuthError::invalid_request(Rule::AuthorizationRepeated, text).into());
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(Denied::NoToken)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(Denied::NoToken)
    }
}

fn deny(app: &App, loaded: &Loaded, denied: Denied) -> Response {
    let mut challenge = format!(
        "Bearer realm=\"{}\"",
        loaded.mint.policy().issuer().domain()
    );
    let (status, rule) = match denied {
        Denied::NoToken => (StatusCode::UNAUTHORIZED, Rule::TokenMissing.code()),
        Denied::BadToken(rejection) => {
            add(&mut challenge, "error", "invalid_token");
            add(
                &mut challenge,
                "error_description",
                &format!("{rejection} ({})", rejection.code()),
            );
            (StatusCode::UNAUTHORIZED, rejection.code())
        }
        Denied::Scope(scope) => {
            add(&mut challenge, "error", "insufficient_scope");
            add(
                &mut challenge,
                "error_description",
                "the token does not have every scope that is needed (insufficient-scope)",
            );
            add(&mut challenge, "scope", &scope);
            (StatusCode::FORBIDDEN, Rule::InsufficientScope.code())
        }
        Denied::Other(error) => {
            app.metrics.count_check("validate", error.rule);
            return error.logged().into_response();
        }
    };
    app.metrics.count_check("validate", rule);
    tracing::info!(event = "token-rejected", route = "validate", rule);
    let mut response = status.into_response();
    response.extensions_mut().insert(RefusedBy(rule));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Adds a quoted parameter.
fn add(challenge: &mut String, name: &str, value: &str) {
    write!(challenge, ", {name}=\"{}\"", quotable(value)).expect("writing to a String cannot fail");
}
