//! Whether a request may pass, for every proxy that asks: by the bearer token that the request carries.

use std::fmt::Write as _;

use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mintage_core::code::Coded as _;
use mintage_core::ident::{parse_scopes, write_scopes};
use mintage_core::policy;
use mintage_core::verify::{Expected, NotAccepted, Rejection};

use crate::narrowing::Narrowing;
use crate::oauth::{Denial, OAuthError, quotable};
use crate::routes::App;
use crate::rule::Rule;
use crate::state::Loaded;

/// What the application is told of who asks. All of these are always set, so that a proxy overwrites them all.
pub type Told = [(HeaderName, HeaderValue); 4];

/// What a proxy is to do.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// To let the request through, with these headers.
    Passes(Told),
    /// To send this in its place.
    Denied(Denial),
}

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

impl Verdict {
    /// Judges a request by its headers, and counts and logs it under the name of who asks.
    pub fn on(
        app: &App,
        front: &'static str,
        headers: &HeaderMap,
        narrowing: Result<Narrowing, OAuthError>,
    ) -> Self {
        let now = app.shared.now();
        let loaded = match app.shared.usable(now) {
            Ok(loaded) => loaded,
            Err(unusable) => {
                app.metrics.count_check(front, unusable.rule().code());
                return Self::Denied(OAuthError::from(unusable).logged().into());
            }
        };
        match told(app, &loaded, headers, narrowing) {
            Ok(told) => {
                app.metrics.count_check(front, "accepted");
                Self::Passes(told)
            }
            Err(denied) => {
                let denial = denial(front, &loaded, denied);
                app.metrics.count_check(front, denial.rule);
                Self::Denied(denial)
            }
        }
    }
}

fn told(
    app: &App,
    loaded: &Loaded,
    headers: &HeaderMap,
    narrowing: Result<Narrowing, OAuthError>,
) -> Result<Told, Denied> {
    let narrowing = narrowing?;
    let accepted = loaded.accepted.as_ref().map_err(not_accepted)?;
    let narrowed = narrowing.of(accepted)?;
    let token = bearer(headers)?;
    let now = app.shared.now();
    let authentic = loaded.authenticate(token, now).map_err(Denied::BadToken)?;
    let expected = Expected::Apis(narrowed.as_ref().unwrap_or(accepted));
    let verified = loaded
        .verifier()
        .judge(&authentic, expected, now)
        .map_err(Denied::BadToken)?;
    let scopes = parse_scopes(narrowing.scope()).map_err(|error| {
        OAuthError::invalid_request(policy::Rule::ScopeMalformed, error.to_string())
    })?;
    if !verified.lacks(&scopes).is_empty() {
        return Err(Denied::Scope(write_scopes(&scopes)));
    }
    let claims = &verified.token.claims;
    // Claims hold no control characters, so only text beyond ASCII can fail to be a header.
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| Denied::BadToken(Rejection::Claim("sub")))
    };
    Ok([
        ("x-mintage-subject", value(claims.subject.as_str())?),
        ("x-mintage-client", value(&claims.client)?),
        ("x-mintage-scope", value(&write_scopes(&claims.scopes))?),
        ("x-mintage-audience", value(verified.audience)?),
    ]
    .map(|(name, value)| (HeaderName::from_static(name), value)))
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

fn denial(front: &'static str, loaded: &Loaded, denied: Denied) -> Denial {
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
        Denied::Other(error) => return error.logged().into(),
    };
    tracing::info!(event = "token-rejected", route = front, rule);
    let mut headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    Denial {
        status,
        headers,
        body: String::new(),
        rule,
    }
}

/// Adds a quoted parameter.
fn add(challenge: &mut String, name: &str, value: &str) {
    write!(challenge, ", {name}=\"{}\"", quotable(value)).expect("writing to a String cannot fail");
}

/// A pod that accepts no audience has a mistake in its manifests: that is said, and not hidden in `active: false`.
pub fn not_accepted(reason: &NotAccepted) -> OAuthError {
    OAuthError::new(
        StatusCode::FORBIDDEN,
        "access_denied",
        Rule::AudienceNotChosen,
        reason.to_string(),
    )
}
