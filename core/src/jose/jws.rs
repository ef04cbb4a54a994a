use base64::Engine as _;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{BASE64URL, PrivateKey, SigningFailed};

/// The longest token that is looked at, in bytes. Ours are below 2 KiB; a header line carries 8 KiB at most anywhere.
pub const MAX_TOKEN_LEN: usize = 8192;

/// The longest JOSE header, in base64url bytes.
const MAX_HEADER_LEN: usize = 1024;

/// A compact JWS taken apart (RFC 7515 section 7.1), not yet verified.
#[derive(Clone, Debug)]
pub struct Compact<'a> {
    /// The JOSE header, with every member named once.
    pub header: Map<String, Value>,
    /// The payload, base64url.
    payload: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
    /// What the signature covers: `header.payload`.
    pub signing_input: &'a str,
}

/// A text that is no compact JWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCompact {
    /// A segment is not canonical base64url without padding.
    #[error("a segment is not base64url without padding")]
    Base64,
    /// The header is no JSON object, or names a member twice.
    #[error("the header is not a JSON object with each member once")]
    Header,
    /// Not exactly three segments, of which the signature may not be empty.
    #[error("a signed token has three segments with dots between them, and a signature")]
    Segments,
    /// Longer than is looked at, or the header is longer than 1 KiB.
    #[error("the token is too large")]
    TooLarge,
}

impl<'a> Compact<'a> {
    /// Takes a token apart. Cost is bounded by [`MAX_TOKEN_LEN`]; nothing is allocated before the bounds are checked.
    pub fn parse(token: &'a str) -> Result<Self, InvalidCompact> {
        Self::parse_within(token, MAX_TOKEN_LEN)
    }

    /// The same of a token of another greatest length: one that travels in no header line.
    pub fn parse_within(token: &'a str, longest: usize) -> Result<Self, InvalidCompact> {
        if token.len() > longest {
            return Err(InvalidCompact::TooLarge);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(InvalidCompact::Segments)?;
        let (header, payload) = signing_input
            .split_once('.')
            .ok_or(InvalidCompact::Segments)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(InvalidCompact::Segments);
        }
        if header.len() > MAX_HEADER_LEN {
            return Err(InvalidCompact::TooLarge);
        }
        let header = BASE64URL
            .decode(header)
            .map_err(|_| InvalidCompact::Base64)?;
        let Ok(Value::Object(header)) = crate::json::parse(&header) else {
            return Err(InvalidCompact::Header);
        };
        let signature = BASE64URL
            .decode(signature)
            .map_err(|_| InvalidCompact::Base64)?;
        Ok(Self {
            header,
            payload,
            signature,
            signing_input,
        })
    }

    /// The payload's bytes.
    pub fn payload(&self) -> Result<Vec<u8>, InvalidCompact> {
        BASE64URL
            .decode(self.payload)
            .map_err(|_| InvalidCompact::Base64)
    }
}

/// One segment: base64url of a value's JSON.
pub fn encode_segment(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value)
        .expect("a header or a claim set has string keys and finite numbers");
    BASE64URL.encode(json)
}

impl PrivateKey {
    /// Signs `header.payload`, both given as segments, to a compact JWS.
    pub fn sign_compact(&self, header: &str, payload: &str) -> Result<String, SigningFailed> {
        // An RSA-2048 signature is 342 characters; growing later would copy the token.
        let mut token = String::with_capacity(header.len() + payload.len() + 2 + 690);
        token.push_str(header);
        token.push('.');
        token.push_str(payload);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        BASE64URL.encode_string(signature, &mut token);
        Ok(token)
    }
}
