//! Tokens changed in one thing and signed again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::jose::PrivateKey;
use serde_json::{Map, Value};

/// A token taken apart.
#[derive(Clone, Debug)]
pub struct Forge {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

/// One segment of a compact token: base64url of raw text.
pub fn segment(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

impl Forge {
    pub fn of(token: &str) -> Self {
        let mut parts = token.split('.').map(|part| {
            let json = URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&json).unwrap_or_default()
        });
        Self {
            header: parts.next().unwrap(),
            claims: parts.next().unwrap(),
        }
    }

    /// Sets a header parameter; `null` takes it away.
    pub fn header(mut self, member: &str, value: impl Into<Value>) -> Self {
        set(&mut self.header, member, value.into());
        self
    }

    /// Sets a claim; `null` takes it away.
    pub fn claim(mut self, member: &str, value: impl Into<Value>) -> Self {
        set(&mut self.claims, member, value.into());
        self
    }

    /// Signs with a key and lets the header say so.
    pub fn sign_as(self, key: &PrivateKey) -> String {
        self.header("kid", key.kid().as_str())
            .header("alg", key.alg().as_str())
            .sign(key)
    }

    /// Signs with a key, whatever the header says.
    pub fn sign(&self, key: &PrivateKey) -> String {
        let (header, claims) = self.texts();
        sign_texts(&header, &claims, key)
    }

    /// The JSON of header and claims, to change what `serde_json` cannot write.
    pub fn texts(&self) -> (String, String) {
        let text = |members| serde_json::to_string(members).unwrap();
        (text(&self.header), text(&self.claims))
    }
}

/// Signs raw texts.
pub fn sign_texts(header: &str, claims: &str, key: &PrivateKey) -> String {
    key.sign_compact(&segment(header), &segment(claims))
        .unwrap()
}

fn set(members: &mut Map<String, Value>, member: &str, value: Value) {
    if value.is_null() {
        members.remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
}
