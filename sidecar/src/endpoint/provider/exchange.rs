//! A code for an ID token, at the provider (RFC 6749 section 4.1.3).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::upstream::{Fault, Metadata, Shown};
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Provider;
use super::web::Web;

/// What the provider gave.
pub struct Tokens {
    pub id_token: String,
    pub access_token: Option<String>,
}

impl Provider {
    /// Redeems a code.
    pub(super) async fn redeem(
        &self,
        web: &Web,
        metadata: &Metadata,
        code: &str,
        redirect: &str,
        verifier: &str,
    ) -> Result<Tokens, Fault> {
        let mut form = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ]);
        let secret = self.secret.as_ref().map(|secret| secret.0.as_str());
        let mut authorization = None;
        match (metadata.shown(secret.is_some())?, secret) {
            (Shown::Basic, Some(secret)) => authorization = Some(basic(&self.client, secret)?),
            (Shown::Post, Some(secret)) => {
                form.insert("client_id", &self.client);
                form.insert("client_secret", secret);
            }
            (Shown::Public, _) | (_, None) => {
                form.insert("client_id", &self.client);
            }
        }
        let url = metadata.token_endpoint.as_str();
        let answered = web.post(url, &form, authorization).await?;
        let members = match mintage_core::json::parse(&answered.body) {
            Ok(Value::Object(members)) => members,
            _ if answered.good => return Err(Fault::IdTokenMalformed),
            _ => return Err(Fault::ProviderStatus),
        };
        if !answered.good {
            let Some(error) = text(&members, "error") else {
                return Err(Fault::ProviderStatus);
            };
            tracing::warn!(
                event = "provider-code-refused",
                url,
                error = error_code(&error)
            );
            return Err(Fault::ProviderCodeRefused);
        }
        Ok(Tokens {
            id_token: text(&members, "id_token").ok_or(Fault::IdTokenMalformed)?,
            access_token: text(&members, "access_token"),
        })
    }
}

fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().map(str::to_owned)
}

/// An error code as others may see it: short, and of the characters that one has (RFC 6749, appendix A.7).
pub fn error_code(text: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        text
    } else {
        "unknown_error"
    }
}

/// The `Authorization` header: both parts form-encoded first (RFC 6749 section 2.3.1).
fn basic(client: &str, secret: &str) -> Result<HeaderValue, Fault> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encoded(client), encoded(secret)));
    let line = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&line).map_err(|_| Fault::ProviderClientAuth)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_twice() {
        // RFC 6749 section 2.3.1 asks for a form first, then for base64.
        let value = basic("a b", "c:d%").unwrap();
        let (_, encoded) = value.to_str().unwrap().split_once(' ').unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"a+b:c%3Ad%25");
        assert!(value.is_sensitive());
    }

    #[test]
    fn an_error_code_is_one_word() {
        for code in ["access_denied", "AADSTS50105", "interaction-required.x"] {
            assert_eq!(error_code(code), code);
        }
        for text in ["", "call 555-1234 now", "<b>", "a\nb", &"a".repeat(65)] {
            assert_eq!(error_code(text), "unknown_error", "{text:?}");
        }
    }
}
