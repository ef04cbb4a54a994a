//! Request parameters from a form or a JSON object, each named once (RFC 6749 section 3.2).

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use crate::oauth::OAuthError;

/// The largest body that is read.
pub const MAX_BODY: usize = 64 * 1024;

/// How much of a larger body is read and thrown away, so that a client that sends before it reads sees the answer.
const MAX_DRAIN: usize = 8 * 1024 * 1024;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// More parameters than any request of ours has.
const MAX_PARAMS: usize = 32;

/// The parameters of a request.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a body by its media type.
    pub async fn read(request: Request) -> Result<Self, OAuthError> {
        let (parts, body) = request.into_parts();
        let media_type = media_type(&parts.headers);
        let body = read_body(&parts.headers, body).await?;
        match media_type.as_deref() {
            Some("application/x-www-form-urlencoded") => Self::from_form(&body),
            Some("application/json") => Self::from_json(&body),
            _ => Err(OAuthError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid_request",
                "media-type",
                "send a form (Content-Type: application/x-www-form-urlencoded) or a JSON object (application/json)",
            )),
        }
    }

    /// Reads a form, or a query.
    pub fn from_form(bytes: &[u8]) -> Result<Self, OAuthError> {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(bytes) {
            params.add(name.into_owned(), value.into_owned())?;
        }
        Ok(params)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, OAuthError> {
        let malformed = |text: &'static str| OAuthError::invalid_request("json-malformed", text);
        let Ok(Value::Object(members)) = mintage_core::json::parse(bytes) else {
            return Err(malformed(
                "the body must be one JSON object, with each member once",
            ));
        };
        let mut params = Self::default();
        for (name, value) in members {
            match value {
                Value::String(text) => params.add(name, text)?,
                Value::Null => {}
                _ => {
                    return Err(malformed(
                        "every member of the JSON object must be a string",
                    ));
                }
            }
        }
        Ok(params)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), OAuthError> {
        if self.0.len() == MAX_PARAMS {
            return Err(OAuthError::invalid_request(
                "parameters-too-many",
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
                    "resource-several",
                    text,
                ));
            }
            let name: String = name
                .chars()
                .filter(char::is_ascii_graphic)
                .take(40)
                .collect();
            return Err(OAuthError::invalid_request(
                "parameter-repeated",
                format!("parameter {name} is there twice"),
            ));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// A parameter's value. One without a value counts as left out (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
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

async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, OAuthError> {
    let too_large = || {
        let text = "the body is larger than 64 KiB";
        OAuthError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request",
            "body-too-large",
            text,
        )
    };
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let read = async {
        if announced.is_some_and(|length| length > MAX_BODY) {
            // Who waits for a go-ahead reads the answer before sending.
            if !headers.contains_key(EXPECT) {
                drain(body).await;
            }
            return Err(too_large());
        }
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
            Err(_) => Err(OAuthError::invalid_request(
                "body-broken",
                "the body could not be read to its end",
            )),
        }
    };
    tokio::time::timeout(BODY_TIMEOUT, read)
        .await
        .unwrap_or_else(|_| {
            let text = "the body did not arrive within 10 s";
            Err(OAuthError::new(
                StatusCode::REQUEST_TIMEOUT,
                "invalid_request",
                "body-slow",
                text,
            ))
        })
}

async fn drain(mut body: Body) {
    let mut left = MAX_DRAIN;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}
