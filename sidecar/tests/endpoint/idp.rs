//! A provider of users on the loopback, which does as a test says. Its own pages are left out: a test signs in there by a call.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::endpoint::Challenge;
use mintage_core::jose::{Pkcs8, PrivateKey};
use mintage_core::world::{Connection, Source};
use mintage_core::{Alg, UnixTime};
use reqwest::Url;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::cluster::{Forge, NOW, name, segment};
use crate::support::tls::Authority;

/// The tenant's `client_id` at each provider.
pub const CLIENT: &str = "acme at corp";

/// The tenant's secret at each provider, as an editor may write it.
pub const SECRET: &str = "s3cret:of corp%\n";

/// What a provider signs with, and what it does not publish.
static KEYS: LazyLock<[Pkcs8; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Pkcs8::generate(Alg::RS256).unwrap()));

fn key(number: usize) -> PrivateKey {
    PrivateKey::from_pkcs8(Alg::RS256, &KEYS[number]).unwrap()
}

/// How an ID token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Signed {
    /// As it should be.
    #[default]
    Well,
    /// With the public key as an HMAC secret.
    ByHmac,
    /// With a key that is not published, under its own name.
    ByUnknown,
    /// With that key, under the name of the published one.
    ByAnother,
    /// Not at all.
    Not,
}

/// How a path answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Manner {
    /// As it should.
    #[default]
    Good,
    /// With an OAuth error.
    Refusing,
    /// With more than anybody reads.
    Huge,
    /// With what is no JSON.
    Garbage,
    /// By leading elsewhere.
    Redirecting,
    /// After a long time.
    Slow,
    /// With a status of a server that is broken.
    Broken,
}

/// What a provider does.
#[derive(Default)]
pub struct Script {
    /// In the place of members of the discovery document; `null` takes one away.
    pub metadata: BTreeMap<&'static str, Value>,
    /// In the place of claims.
    pub claims: BTreeMap<&'static str, Value>,
    pub signed: Signed,
    /// Whether the key that is unknown is published.
    pub publishes_all: bool,
    pub manners: BTreeMap<&'static str, Manner>,
    /// What it says of a user beside the ID token.
    pub userinfo: Value,
    /// What the answer in the browser says of itself.
    pub iss: Option<String>,
    /// How often each path was asked.
    pub asked: BTreeMap<String, usize>,
    codes: BTreeMap<String, Grant>,
}

/// What a code was given for.
struct Grant {
    asked: BTreeMap<String, String>,
    subject: String,
}

#[derive(Clone)]
pub struct Idp {
    pub issuer: String,
    script: Arc<Mutex<Script>>,
}

impl Idp {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            script: Arc::default(),
        };
        let router = idp.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        idp
    }

    /// The same over TLS, with the certificate of an authority of its own: that authority's in PEM.
    pub fn start_with_tls() -> (Self, String) {
        let authority = Authority::new();
        let script: Arc<Mutex<Script>> = Arc::default();
        let server = authority.serve("localhost", |address| {
            let issuer = format!("https://localhost:{}", address.port());
            let script = Arc::clone(&script);
            Self { issuer, script }.router()
        });
        let issuer = format!("https://localhost:{}", server.address.port());
        server.keep();
        (Self { issuer, script }, authority.pem())
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(self.clone())
    }

    /// Changes what it does.
    pub fn edit(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// How often a path was asked.
    pub fn asked(&self, path: &str) -> usize {
        let script = self.script.lock().unwrap();
        script.asked.get(path).copied().unwrap_or_default()
    }

    /// The connection of a tenant whose provider it is.
    pub fn connection(&self, called: &str) -> Connection {
        Connection {
            name: name(called),
            label: Some(format!("The {called}")),
            source: Source::Oidc {
                issuer: self.issuer.clone(),
                client_id: CLIENT.to_owned(),
                client_secret: Some(name("corp.oidc")),
                scopes: ["profile", "email"].map(name).to_vec(),
            },
        }
    }

    /// What a browser was sent with.
    pub fn request(&self, address: &str) -> BTreeMap<String, String> {
        let url = Url::parse(address).unwrap();
        let (base, _) = address.split_once('?').unwrap();
        assert_eq!(base, format!("{}/authorize", self.issuer));
        url.query_pairs().into_owned().collect()
    }

    /// Signs somebody in whom a browser brings; where it goes then, on the host that sent it.
    pub fn sign_in(&self, address: &str, subject: &str) -> String {
        let asked = self.request(address);
        let mut script = self.script.lock().unwrap();
        let code = format!("code-{}", script.codes.len());
        let mut answer = vec![
            ("code".to_owned(), code.clone()),
            ("state".to_owned(), asked["state"].clone()),
        ];
        answer.extend(script.iss.clone().map(|iss| ("iss".to_owned(), iss)));
        let back = back(&asked["redirect_uri"], &answer);
        let subject = subject.to_owned();
        script.codes.insert(code, Grant { asked, subject });
        back
    }

    /// Signs nobody in.
    pub fn refuse(&self, address: &str, error: &str) -> String {
        let asked = self.request(address);
        let answer = [
            ("error".to_owned(), error.to_owned()),
            (
                "error_description".to_owned(),
                "call 555-1234 <b>".to_owned(),
            ),
            ("state".to_owned(), asked["state"].clone()),
        ];
        back(&asked["redirect_uri"], &answer)
    }

    /// Notes a request; what a path answers instead of what it should.
    async fn manner(&self, path: &'static str) -> Option<Response> {
        let manner = {
            let mut script = self.script.lock().unwrap();
            *script.asked.entry(path.to_owned()).or_default() += 1;
            script.manners.get(path).copied().unwrap_or_default()
        };
        let text = |text: String| text.into_response();
        match manner {
            Manner::Good => None,
            Manner::Refusing => {
                let error = json!({ "error": "invalid_grant", "error_description": "no" });
                Some((StatusCode::BAD_REQUEST, error.to_string()).into_response())
            }
            Manner::Huge => Some(text(format!("{{\"a\":\"{}\"}}", "a".repeat(300_000)))),
            Manner::Garbage => Some(text("<html>".to_owned())),
            Manner::Redirecting => {
                let elsewhere = format!("{}{path}?again", self.issuer);
                Some((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, elsewhere)]).into_response())
            }
            Manner::Slow => {
                tokio::time::sleep(Duration::from_mins(1)).await;
                None
            }
            Manner::Broken => Some(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        }
    }
}

/// An address on the host that a browser is sent back to.
fn back(redirect: &str, answer: &[(String, String)]) -> String {
    let mut url = Url::parse(redirect).unwrap();
    url.query_pairs_mut().extend_pairs(answer);
    format!("{}?{}", url.path(), url.query().unwrap())
}

fn with(mut members: Map<String, Value>, changes: &BTreeMap<&'static str, Value>) -> Value {
    for (member, value) in changes {
        if value.is_null() {
            members.remove(*member);
        } else {
            members.insert((*member).to_owned(), value.clone());
        }
    }
    Value::Object(members)
}

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else {
        panic!("{value}")
    };
    members
}

async fn discovery(State(idp): State<Idp>) -> Response {
    if let Some(response) = idp.manner("/.well-known/openid-configuration").await {
        return response;
    }
    let at = |path: &str| format!("{}/{path}", idp.issuer);
    let document = members(json!({
        "issuer": idp.issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "jwks_uri": at("jwks"),
        "userinfo_endpoint": at("userinfo"),
    }));
    let script = idp.script.lock().unwrap();
    with(document, &script.metadata).to_string().into_response()
}

async fn jwks(State(idp): State<Idp>) -> Response {
    if let Some(response) = idp.manner("/jwks").await {
        return response;
    }
    let all = idp.script.lock().unwrap().publishes_all;
    let count = if all { 2 } else { 1 };
    let keys: Vec<_> = (0..count).map(|number| key(number).jwk().clone()).collect();
    json!({ "keys": keys }).to_string().into_response()
}

/// Redeems a code for who shows the secret and the verifier.
async fn token(State(idp): State<Idp>, headers: HeaderMap, body: String) -> Response {
    if let Some(response) = idp.manner("/token").await {
        return response;
    }
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let mut script = idp.script.lock().unwrap();
    let refused = |why: &str| {
        let error = json!({ "error": "invalid_grant", "error_description": why });
        (StatusCode::BAD_REQUEST, error.to_string()).into_response()
    };
    let Some(grant) = form.get("code").and_then(|code| script.codes.remove(code)) else {
        return refused("code");
    };
    let asked = |name: &str| grant.asked.get(name).cloned().unwrap_or_default();
    let challenge = Challenge::parse(&asked("code_challenge")).unwrap();
    if !challenge.is_met_by(&form["code_verifier"]) {
        return refused("code_verifier");
    }
    let sent = |name: &str| form.get(name).cloned().unwrap_or_default();
    if sent("redirect_uri") != asked("redirect_uri") || sent("grant_type") != "authorization_code" {
        return refused("redirect_uri or grant_type");
    }
    if !is_shown(&headers, &form, script.metadata.contains_key("public")) {
        return refused("client");
    }
    let claims = members(json!({
        "iss": idp.issuer, "sub": grant.subject, "aud": CLIENT, "iat": NOW.0, "exp": NOW.0 + 300,
        "nonce": asked("nonce"), "email": "ada@corp.test", "email_verified": true, "name": "Ada of Corp",
    }));
    let claims = members(with(claims, &script.claims));
    let answer = json!({
        "access_token": "an-access-token", "token_type": "Bearer", "id_token": signed(&script, &claims),
    });
    answer.to_string().into_response()
}

async fn userinfo(State(idp): State<Idp>, headers: HeaderMap) -> Response {
    if let Some(response) = idp.manner("/userinfo").await {
        return response;
    }
    let token = headers
        .get(AUTHORIZATION)
        .map(|value| value.to_str().unwrap());
    if token != Some("Bearer an-access-token") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    idp.script
        .lock()
        .unwrap()
        .userinfo
        .to_string()
        .into_response()
}

/// Whether the tenant shows who it is in one way: by the header, by the form, or as a public client.
fn is_shown(headers: &HeaderMap, form: &BTreeMap<String, String>, public: bool) -> bool {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(CLIENT), encoded(SECRET.trim_end()));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    let in_header = headers.get(AUTHORIZATION).map(|value| value == &*basic);
    let named = form.get("client_id").is_some_and(|id| id == CLIENT);
    let in_form = form
        .get("client_secret")
        .map(|secret| secret == SECRET.trim_end());
    match (in_header, in_form) {
        (Some(right), None) => right && !public,
        (None, Some(right)) => right && named && !public,
        (None, None) => named && public,
        (Some(_), Some(_)) => false,
    }
}

fn signed(script: &Script, claims: &Map<String, Value>) -> String {
    let header = |alg: &str, kid: &str| members(json!({ "alg": alg, "kid": kid, "typ": "JWT" }));
    let known = key(0);
    let kid = known.kid().to_string();
    let token = |alg: &str| Forge {
        header: header(alg, &kid),
        claims: claims.clone(),
    };
    let unsigned = |alg: &str| {
        let (header, claims) = token(alg).texts();
        format!("{}.{}", segment(header), segment(claims))
    };
    match script.signed {
        Signed::Well => token("RS256").sign(&known),
        Signed::ByAnother => token("RS256").sign(&key(1)),
        Signed::ByUnknown => token("RS256").sign_as(&key(1)),
        Signed::Not => format!("{}.", unsigned("none")),
        Signed::ByHmac => {
            let secret = serde_json::to_vec(known.jwk()).unwrap();
            let input = unsigned("HS256");
            let mac = hmac::sign(
                &hmac::Key::new(hmac::HMAC_SHA256, &secret),
                input.as_bytes(),
            );
            format!("{input}.{}", segment(mac))
        }
    }
}

/// A moment, as a claim.
pub fn at(now: UnixTime) -> Value {
    now.0.into()
}
