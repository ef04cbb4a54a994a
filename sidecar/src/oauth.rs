//! OAuth errors (RFC 6749 section 5.2, RFC 6750 section 3.1) and how they are sent.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use mintage_core::code::Coded;
use mintage_core::mint::NoOrder;
use mintage_core::policy::{self, Refusal};
use serde_json::json;

use crate::rule::Rule;
use crate::state::Unusable;

/// The type of a client assertion that is a JWT (RFC 7523 section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The most characters of a description in a log line.
const MAX_LOGGED: usize = 500;

/// The rule that refused, beside the answer: for traces.
#[derive(Clone, Copy, Debug)]
pub struct RefusedBy(pub &'static str);

/// A refused request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OAuthError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The OAuth error code.
    pub error: &'static str,
    /// The rule that refused: stable, for logs and metrics.
    pub rule: &'static str,
    /// In words, with the mend.
    pub description: Cow<'static, str>,
    /// How to authenticate: `WWW-Authenticate`, where the answer has one.
    pub challenge: Option<String>,
    /// How many seconds to wait: `Retry-After`, where the answer has one.
    pub wait: Option<u64>,
}

impl OAuthError {
    /// 400 `invalid_request`.
    pub fn invalid_request(rule: impl Coded, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            rule,
            description,
        )
    }

    /// Any error. A description that does not name the rule gets its name at the end; what the client sent may be quoted
    /// in it, so characters that it may not have are replaced.
    pub fn new(
        status: StatusCode,
        error: &'static str,
        rule: impl Coded,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        let rule = rule.code();
        let mut description = description.into();
        if !description.contains(&format!("({rule}")) {
            description = format!("{description} ({rule})").into();
        }
        // The one text of Auth0 with quotes, which clients know, and a JSON body can have. It quotes names of the tenant alone.
        let may_quote = rule == policy::Rule::GrantMissing.code();
        let keep = |c| is_allowed(c) || (may_quote && c == '"');
        if !description.chars().all(keep) {
            description = replaced(&description, keep).into();
        }
        Self {
            status,
            error,
            rule,
            description,
            challenge: None,
            wait: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5),
        }
    }

    /// 429: whoever asks is to come again later.
    pub fn too_many(wait: Duration, description: impl Into<Cow<'static, str>>) -> Self {
        let error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            Rule::TooManyRequests,
            description,
        );
        Self {
            wait: Some(wait.as_secs()),
            ..error
        }
    }

    /// With a challenge.
    #[must_use]
    pub fn challenged(mut self, challenge: String) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// The description as far as a log line takes it: what the client sent may be quoted in it.
    pub fn summary(&self) -> String {
        self.description.chars().take(MAX_LOGGED).collect()
    }

    /// Logs a refusal that no handler logs with more to say.
    #[must_use]
    pub fn logged(self) -> Self {
        let (rule, description) = (self.rule, self.summary());
        tracing::warn!(event = "request-refused", rule, description);
        self
    }
}

impl From<Unusable> for OAuthError {
    fn from(unusable: Unusable) -> Self {
        let rule = unusable.rule();
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            rule,
            unusable.to_string(),
        )
    }
}

impl From<NoOrder> for OAuthError {
    fn from(no_order: NoOrder) -> Self {
        let (status, error) = match &no_order {
            NoOrder::KeyUnavailable { .. } | NoOrder::Refused(Refusal::DomainPending { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
            NoOrder::Refused(Refusal::AudienceMissing { .. }) => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            NoOrder::Refused(Refusal::ScopeMalformed(_)) => {
                (StatusCode::BAD_REQUEST, "invalid_scope")
            }
            NoOrder::Central { .. } | NoOrder::Refused(_) => {
                (StatusCode::FORBIDDEN, "access_denied")
            }
        };
        Self::new(status, error, no_order.rule(), no_order.to_string())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        Denial::from(self).into_response()
    }
}

/// A refusal as it is sent, by HTTP itself or in the message of another protocol.
#[derive(Clone, Debug)]
pub struct Denial {
    /// The HTTP status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// JSON, or nothing.
    pub body: String,
    /// The rule that refused.
    pub rule: &'static str,
}

impl From<OAuthError> for Denial {
    fn from(error: OAuthError) -> Self {
        let body = json!({ "error": error.error, "error_description": error.description });
        let mut headers = HeaderMap::from_iter(JSON_THAT_NOBODY_KEEPS);
        if let Some(challenge) = error.challenge.and_then(|text| text.try_into().ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = error.wait {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        Self {
            status: error.status,
            headers,
            body: body.to_string(),
            rule: error.rule,
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        // A `Body`, since a `String` would bring a type of its own.
        let mut response = (self.status, self.headers, Body::from(self.body)).into_response();
        response.extensions_mut().insert(RefusedBy(self.rule));
        response
    }
}

/// The characters of an error description (RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3): printable ASCII without
/// quotes and backslashes.
fn is_allowed(c: char) -> bool {
    matches!(c, ' ' | '!' | '#'..='[' | ']'..='~')
}

/// A description with an apostrophe for each character that it may not have.
pub fn quotable(text: &str) -> String {
    replaced(text, is_allowed)
}

fn replaced(text: &str, keep: impl Fn(char) -> bool) -> String {
    text.chars()
        .map(|c| if keep(c) { c } else { '\'' })
        .collect()
}

/// RFC 6749 section 5.1.
const JSON_THAT_NOBODY_KEEPS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (PRAGMA, HeaderValue::from_static("no-cache")),
];

/// A JSON body that nobody may keep.
pub fn no_store_json(body: String) -> Response {
    (JSON_THAT_NOBODY_KEEPS, body).into_response()
}
