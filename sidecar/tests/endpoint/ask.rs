//! An authorization request, and what its application keeps of it.

use std::collections::BTreeMap;

/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[derive(Clone, Debug)]
pub struct Ask(BTreeMap<&'static str, String>);

impl Ask {
    pub fn new(client: &str, redirect: &str) -> Self {
        let all = [
            ("client_id", client),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("nonce", "a-nonce"),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("scope", "openid"),
            ("state", "a-state"),
        ];
        Self(all.map(|(name, value)| (name, value.to_owned())).into())
    }

    /// With another value of a parameter.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.insert(name, value.to_owned());
        self
    }

    /// Without a parameter.
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// All parameters, as a query or a form.
    pub fn encoded(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.0).finish()
    }

    /// Where the browser goes.
    pub fn target(&self) -> String {
        format!("/authorize?{}", self.encoded())
    }

    /// What its application sends to redeem a code.
    pub fn redemption<'a>(&'a self, code: &'a str) -> Vec<(&'a str, &'a str)> {
        let verifier = match self.get("code_challenge") {
            "" => "",
            _ => VERIFIER,
        };
        vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.get("redirect_uri")),
            ("code_verifier", verifier),
        ]
    }
}
