//! What there is to know of a server to ask it for everything that is measured.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::http::{FORM, Target, get_at, post_at, text_of};
use super::super::load;
use super::super::tls::HOST;
use super::browser::{Browser, Person};
use super::markup::{Form, encoded};

/// Where users come back to. Nobody listens there: codes come in the form of a page (`response_mode=form_post`).
pub const REDIRECT: &str = "https://app.example.com/callback";

/// Of all codes: what is measured does not depend on it.
const VERIFIER: &str = "a-code-verifier-of-43-characters-0123456789";

/// An application with a secret, which it sends in the form.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
}

/// The paths of a server.
#[derive(Clone, Copy)]
pub struct Routes {
    pub authorize: &'static str,
    pub discovery: &'static str,
    pub token: &'static str,
    pub userinfo: &'static str,
}

/// How a server is asked.
pub struct Manner {
    /// Its paths.
    pub routes: Routes,
    /// Acts for itself.
    pub machine: Client,
    /// Acts for users.
    pub web: Client,
    /// The parameter that names the API, if the server takes one.
    pub api: Option<(&'static str, String)>,
    /// What is asked for users.
    pub scope: &'static str,
}

/// What a user's token is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum For {
    /// The API: a JWT.
    Api,
    /// `/userinfo` alone, where a server makes that difference.
    UserInfo,
}

impl Manner {
    /// The document that is the same for everybody.
    pub fn discovery(&self) -> Vec<u8> {
        get_at(HOST, self.routes.discovery, &[])
    }

    /// A request for a token of the machine's.
    pub fn client_credentials(&self) -> Vec<u8> {
        let Client { id, secret } = &self.machine;
        let mut pairs = vec![
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("scope", "read:orders"),
        ];
        pairs.extend(self.api(For::Api));
        self.token(&pairs)
    }

    /// What a user's browser is sent to.
    fn authorize(&self, purpose: For, is_signed_in: bool) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let mut pairs = vec![
            ("response_type", "code"),
            ("response_mode", "form_post"),
            ("client_id", self.web.id.as_str()),
            ("redirect_uri", REDIRECT),
            ("scope", self.scope),
            ("state", "some-state"),
            ("nonce", "some-nonce"),
            ("code_challenge_method", "S256"),
            ("code_challenge", &challenge),
        ];
        pairs.extend(self.api(purpose));
        pairs.extend(is_signed_in.then_some(("prompt", "none")));
        format!("{}?{}", self.routes.authorize, encoded(&pairs))
    }

    /// Has a user sign in.
    pub fn sign_in(&self, target: &Target, person: &Person) -> Result<Browser> {
        let path = self.authorize(For::Api, false);
        Browser::sign_in(target, &path, person).with_context(|| person.name.clone())
    }

    /// So many requests that exchange a code each, of the users in turn; the codes are made for it.
    pub fn exchanges(
        &self,
        target: &Target,
        browsers: &[Browser],
        purpose: For,
        count: usize,
    ) -> Result<Vec<Vec<u8>>> {
        let path = self.authorize(purpose, true);
        let asked = browsers.iter().cycle().take(count);
        let asked: Vec<_> = asked.map(|browser| browser.get(&path)).collect();
        let mut exchanges = Vec::with_capacity(count);
        load::each_once(target.clone(), &asked, |body| {
            exchanges.push(self.exchange(std::str::from_utf8(body)?, purpose)?);
            Ok(())
        })?;
        Ok(exchanges)
    }

    fn exchange(&self, page: &str, purpose: For) -> Result<Vec<u8>> {
        let form = Form::of(page);
        let code = form.as_ref().and_then(|form| form.value("code"));
        let code = code.with_context(|| format!("a page without a code: {page}"))?;
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("client_id", self.web.id.as_str()),
            ("client_secret", &self.web.secret),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("code", code),
        ];
        pairs.extend(self.api(purpose));
        Ok(self.token(&pairs))
    }

    /// A request that uses the refresh token of an answer.
    pub fn refresh(&self, answer: &[u8]) -> Result<Vec<u8>> {
        let token = text_of(answer, b"\"refresh_token\":\"");
        let token = token.context("an answer without a refresh token")?;
        let mut pairs = vec![
            ("grant_type", "refresh_token"),
            ("client_id", self.web.id.as_str()),
            ("client_secret", &self.web.secret),
            ("refresh_token", std::str::from_utf8(token)?),
        ];
        pairs.extend(self.api(For::Api));
        Ok(self.token(&pairs))
    }

    /// A request for what is known of a user.
    pub fn userinfo(&self, token: &str) -> Vec<u8> {
        let authorization = [("Authorization", format!("Bearer {token}"))];
        get_at(HOST, self.routes.userinfo, &authorization)
    }

    fn api(&self, purpose: For) -> Option<(&'static str, &str)> {
        let api = self.api.as_ref().filter(|_| purpose == For::Api);
        api.map(|(name, value)| (*name, value.as_str()))
    }

    fn token(&self, pairs: &[(&str, &str)]) -> Vec<u8> {
        post_at(HOST, self.routes.token, FORM, &[], &encoded(pairs))
    }
}

/// An answer about a user must tell who it is, and what the scope `email` tells.
pub fn check_userinfo(body: &[u8]) -> Result<()> {
    let claims: serde_json::Value = serde_json::from_slice(body)?;
    ensure!(
        claims["sub"].is_string() && claims["email"].is_string(),
        "it tells {claims}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner() -> Manner {
        let client = |name: &str| Client {
            id: name.to_owned(),
            secret: format!("{name}-secret"),
        };
        Manner {
            routes: Routes {
                authorize: "/authorize",
                discovery: "/.well-known/openid-configuration",
                token: "/token",
                userinfo: "/userinfo",
            },
            machine: client("machine"),
            web: client("web"),
            api: Some(("audience", "https://api".to_owned())),
            scope: "openid",
        }
    }

    #[test]
    fn a_code_is_exchanged_by_who_asked_for_it() {
        let page = r#"<form action="x"><input name="code" value="a.b&amp;c"></form>"#;
        let request = String::from_utf8(manner().exchange(page, For::Api).unwrap()).unwrap();
        for part in ["code=a.b%26c", "client_secret=web-secret", "audience=https"] {
            assert!(request.contains(part), "{part}: {request}");
        }
        let request = manner().exchange(page, For::UserInfo).unwrap();
        assert!(!String::from_utf8(request).unwrap().contains("audience"));
        assert!(manner().exchange("<p>no</p>", For::Api).is_err());
    }

    #[test]
    fn the_newest_refresh_token_is_used() {
        let answer = br#"{"access_token":"a","refresh_token":"v1.b","expires_in":1}"#;
        let request = String::from_utf8(manner().refresh(answer).unwrap()).unwrap();
        assert!(request.contains("refresh_token=v1.b"), "{request}");
        assert!(manner().refresh(br#"{"access_token":"a"}"#).is_err());
    }

    #[test]
    fn an_answer_about_nobody_is_an_error() {
        check_userinfo(br#"{"sub":"a","email":"a@example.com"}"#).unwrap();
        assert!(check_userinfo(br#"{"sub":"a"}"#).is_err());
    }
}
