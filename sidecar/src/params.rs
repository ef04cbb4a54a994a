//! Request parameters from a form or a JSON object, each named once (RFC 6749 section 3.2).

use std::char::REPLACEMENT_CHARACTER;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::timeout;

use crate::oauth::OAuthError;
use crate::rule::Rule;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The largest body that is read.
pub const MAX_BODY: usize = 64 * 1024;

/// How much of a larger body is read and thrown away, so that a client that sends before it reads sees the answer.
const MAX_DRAIN: usize = 8 * 1024 * 1024;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// More parameters than any request of ours has.
const MAX_PARAMS: usize = 32;

/// The parameters that some route looks at.
const OURS: [&str; 13] = [
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "resource",
    "scope",
    "token",
];

/// The parameters of a request.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a body by its media type.
    pub async fn read(headers: &HeaderMap, body: Body) -> Result<Self, OAuthError> {
        let media_type = media_type(headers);
        let body = read_body(headers, body).await?;
        match media_type.as_deref() {
            Some(FORM) => Self::from_form(&body),
            Some("application/json") => Self::from_json(&body),
            _ => Err(OAuthError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid_request",
                Rule::MediaType,
                "send a form (Content-Type: application/x-www-form-urlencoded) or a JSON object (application/json)",
            )),
        }
    }

    /// Reads a form, or a query.
    pub fn from_form(bytes: &[u8]) -> Result<Self, OAuthError> {
        if !is_percent_encoded(bytes) {
            return Err(malformed_form());
        }
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(bytes) {
            // What is no UTF-8 was replaced while it was decoded; no parameter of ours has that character.
            if name.contains(REPLACEMENT_CHARACTER) || value.contains(REPLACEMENT_CHARACTER) {
                return Err(malformed_form());
            }
            params.add(name.into_owned(), value.into_owned())?;
        }
        Ok(params)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, OAuthError> {
        let malformed = |text: &'static str| OAuthError::invalid_request(Rule::JsonMalformed, text);
        let Ok(Value::Object(members)) = mintage_core::json::parse(bytes) else {
            return Err(malformed(
                "the body must be one JSON object, with each member once",
            ));
        };
        let mut params = Self::default();
        for (name, value) in members {
            match value {
                Value::String(text) => params.add(name, text)?,
                other if !other.is_null() && OURS.contains(&name.as_str()) => {
                    let text = format!("{name} must be a string in the JSON object");
                    return Err(OAuthError::invalid_request(Rule::JsonMalformed, text));
                }
                // What is null or not known is ignored (RFC 6749 section 3.2), but counted.
                _ => params.add(name, String::new())?,
            }
        }
        Ok(params)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), OAuthError> {
        if self.0.len() == MAX_PARAMS {
            return Err(OAuthError::invalid_request(
                Rule::ParametersTooMany,
                "there are too many parameters",
            ));
        }
        if self.0.iter().any(|(known, _)| *known == name) {
            if name == "resource" {
                // RFC 8707 allows several; our tokens have one audience.
                let text = "several resources are named; ask for one token for each";
                return Err(OAuthError::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_target",
                    Rule::ResourceSeveral,
                    text,
                ));
            }
            let name: String = name
                .chars()
                .filter(char::is_ascii_graphic)
                .take(40)
                .collect();
            return Err(OAuthError::invalid_request(
                Rule::ParameterRepeated,
                format!("parameter {name} is there twice"),
            ));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// All of them, also those without a value.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A parameter's value. One without a value counts as left out (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// `audience`, or `resource` in its place (RFC 8707).
    pub fn audience(&self) -> Result<Option<&str>, OAuthError> {
        match (self.get("audience"), self.get("resource")) {
            (Some(audience), Some(resource)) if audience != resource => Err(OAuthError::new(
                StatusCode::BAD_REQUEST,
                "invalid_target",
                Rule::AudienceAndResource,
                "audience and resource name different APIs; send one of them",
            )),
            (audience, resource) => Ok(audience.or(resource)),
        }
    }
}

fn malformed_form() -> OAuthError {
    let text = "the form is malformed; after % there must be two hexadecimal digits, and the text must be UTF-8";
    OAuthError::invalid_request(Rule::FormMalformed, text)
}

/// Whether two hexadecimal digits follow each percent sign.
fn is_percent_encoded(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'%').skip(1).all(|rest| {
        rest.get(..2)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Whether a body is a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).as_deref() == Some(FORM)
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(
        text.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase(),
    )
}

async fn read_body(headers: &HeaderMap, mut body: Body) -> Result<Bytes, OAuthError> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let outcome = if announced.is_some_and(|length| length > MAX_BODY) {
        Err(NoBody::TooLarge)
    } else {
        timeout(BODY_TIMEOUT, collect(&mut body))
            .await
            .unwrap_or(Err(NoBody::Slow))
    };
    // Who waits for a go-ahead reads the answer before sending.
    if outcome == Err(NoBody::TooLarge) && !headers.contains_key(EXPECT) {
        drop(timeout(BODY_TIMEOUT, drain(&mut body)).await);
    }
    Ok(outcome?.into())
}

/// Why there is no body.
#[derive(Clone, Copy, Eq, PartialEq)]
enum NoBody {
    Broken,
    Slow,
    TooLarge,
}

impl From<NoBody> for OAuthError {
    fn from(reason: NoBody) -> Self {
        let (status, rule, text) = match reason {
            NoBody::Broken => (
                StatusCode::BAD_REQUEST,
                Rule::BodyBroken,
                "the body could not be read to its end",
            ),
            NoBody::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                Rule::BodySlow,
                "the body did not arrive within 10 s",
            ),
            NoBody::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                Rule::BodyTooLarge,
                "the body is larger than 64 KiB",
            ),
        };
        Self::new(status, "invalid_request", rule, text)
    }
}

async fn collect(body: &mut Body) -> Result<Vec<u8>, NoBody> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| NoBody::Broken)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if bytes.len() + data.len() > MAX_BODY {
            return Err(NoBody::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

async fn drain(body: &mut Body) {
    let mut left = MAX_DRAIN;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}
