//! A tenant in a cluster whose users sign in, as its users and applications meet it: what all such tenants of the tests have,
//! and the way to them.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use reqwest::tls::TlsInfo;
use reqwest::{Response, Url};
use serde_json::{Value, json};

use crate::cluster::{Authority, within};
use crate::stage::Stage;
use crate::visitor::Visitor;
use crate::workspace;

/// The API of `people.yaml`.
pub const API: &str = "https://diary.example.com";

/// Where browsers are sent back to.
const CALLBACK: &str = "https://app.example.com/callback";

/// The code verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What applications ask for: to go on without the user, too.
pub const STAY: &str = "openid profile read offline_access";

/// What an application is set up with.
pub type SetUp = BTreeMap<String, String>;

/// What an application is set up with: the Secret that its status names.
pub async fn set_up(stage: &Stage, namespace: &str, application: &str) -> Result<SetUp> {
    let name = format!("application/{application}");
    let ready = ["wait", &name, "--for=condition=Ready", "--timeout=60s"];
    stage.kubectl(namespace, &ready).await?;
    let named = ["get", &name, "--output", "jsonpath={.status.secretName}"];
    let secret = stage.kubectl(namespace, &named).await?;
    let data = ["get", "secret", &secret, "--output", "jsonpath={.data}"];
    let data: SetUp = serde_json::from_str(&stage.kubectl(namespace, &data).await?)?;
    let entries = data.into_iter();
    entries
        .map(|(key, value)| Ok((key, String::from_utf8(STANDARD.decode(value)?)?)))
        .collect()
}

/// An API and two applications of the tenant `staff`: `batch` acts for itself, users sign in at `web`.
pub async fn applications(stage: &Stage, namespace: &str) -> Result<()> {
    let manifests = include_str!("people.yaml");
    let manifests = manifests.replace("namespace: people", &format!("namespace: {namespace}"));
    stage.apply("people.yaml", &manifests).await
}

/// The users, in the Secret `staff`.
pub async fn users(stage: &Stage, namespace: &str) -> Result<()> {
    let users = fs::read_to_string(workspace().join("examples/webapp/users.yaml"))?;
    let users = users.replace("namespace: acme", &format!("namespace: {namespace}"));
    stage.apply("users.yaml", &users).await
}

/// A certificate for a host, in the Secret `login-tls`.
pub async fn certificate(
    stage: &Stage,
    authority: &Authority,
    namespace: &str,
    host: &str,
) -> Result<()> {
    let server = authority.server(&[host])?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "login-tls", "namespace": namespace},
        "stringData": {"tls.crt": server.certificate, "tls.key": server.key},
    });
    stage.apply("login-tls.json", &secret.to_string()).await
}

/// A volume for the claim of an endpoint, in a cluster of ours, which has no provisioner: a folder of the node that is anybody's
/// to write, as provisioners make them.
pub async fn volume(stage: &Stage, namespace: &str, tenant: &str) -> Result<()> {
    let folder = stage.folder().join(format!("volume-{tenant}"));
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": tenant},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": format!("mintage-endpoint-{tenant}")},
            "hostPath": {"path": folder},
        },
    });
    stage.apply("volume.json", &volume.to_string()).await
}

/// Waits until all pods of a tenant's endpoint can answer.
pub async fn ready(stage: &Stage, namespace: &str, tenant: &str) -> Result<()> {
    let tenant = format!("tenant/{tenant}");
    let ready = ["--for=condition=EndpointReady", "--timeout=180s"];
    let wait = [&["wait", tenant.as_str()], &ready[..]].concat();
    stage.kubectl(namespace, &wait).await?;
    Ok(())
}

/// Waits until a host has its certificate: kubelet mounts a Secret that came after the pod at its next look.
pub async fn has_certificate(door: &Door) -> Result<()> {
    within(
        Duration::from_mins(3),
        "it has its certificate",
        async || door.certificate().await.map(drop),
    )
    .await
}

/// An endpoint by one of its hosts, at an address of this machine: whose port is part of no issuer.
pub struct Door {
    /// Who signs in.
    pub visitor: Visitor,
    /// `https://<host>`, with the port.
    pub url: String,
}

impl Door {
    /// The host is at the address, with a certificate of an authority, given as PEM.
    pub fn at(host: &str, address: SocketAddr, authority: &str) -> Result<Self> {
        let port = match address.port() {
            443 => String::new(),
            port => format!(":{port}"),
        };
        Ok(Self {
            visitor: Visitor::at(&[host], address, authority.as_bytes())?,
            url: format!("https://{host}{port}"),
        })
    }

    /// Asks the token endpoint as an application.
    pub async fn token(&self, application: &SetUp, form: &[(&str, &str)]) -> Result<Response> {
        let url = format!("{}/oauth/token", self.url);
        let request = self.visitor.client().post(url);
        let (id, secret) = (&application["CLIENT_ID"], &application["CLIENT_SECRET"]);
        let request = request.basic_auth(id, Some(secret)).form(form);
        Ok(request.send().await?)
    }

    /// The same, which must succeed.
    pub async fn given(&self, application: &SetUp, form: &[(&str, &str)]) -> Result<Value> {
        let answer = self.token(application, form).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == 200, "{status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// The user signs in at an application; the code that it is given.
    pub async fn code(&mut self, application: &SetUp) -> Result<String> {
        let request = self.request(application, STAY)?;
        code_of(&self.visitor.sign_in(request.as_str()).await?)
    }

    /// The same for one who is signed in, without a page, and for any scopes.
    pub async fn silent_code(&mut self, application: &SetUp, scope: &str) -> Result<String> {
        let mut request = self.request(application, scope)?;
        request.query_pairs_mut().append_pair("prompt", "none");
        code_of(&self.visitor.ask_silently(request.as_str()).await?)
    }

    fn request(&self, application: &SetUp, scope: &str) -> Result<Url> {
        let url = format!("{}/authorize", self.url);
        let parameters = [
            ("response_type", "code"),
            ("client_id", &application["CLIENT_ID"]),
            ("redirect_uri", CALLBACK),
            ("scope", scope),
            ("audience", API),
            ("state", "here"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Ok(Url::parse_with_params(&url, parameters)?)
    }

    /// The claims of a token for an API, once the public keys have verified it.
    pub async fn verified(&self, token: &str, audience: &str, issuer: &str) -> Result<Value> {
        let keys = self.keys().await?;
        let kid = jsonwebtoken::decode_header(token)?.kid.context("no kid")?;
        let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&kid).context("an unknown key")?)?;
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        rules.set_audience(&[audience]);
        rules.set_issuer(&[issuer]);
        Ok(jsonwebtoken::decode(token, &key, &rules)?.claims)
    }

    /// The certificate that is shown for the host, in DER.
    pub async fn certificate(&self) -> Result<Vec<u8>> {
        let keys = format!("{}/.well-known/jwks.json", self.url);
        let answer = self.visitor.client().get(keys).send().await?;
        let info = answer.extensions().get::<TlsInfo>();
        let certificate = info.and_then(TlsInfo::peer_certificate);
        ensure!(answer.status() == 200, "{}", answer.status());
        Ok(certificate.context("no certificate")?.to_vec())
    }

    /// The public keys.
    pub async fn keys(&self) -> Result<JwkSet> {
        let keys = format!("{}/.well-known/jwks.json", self.url);
        Ok(self.visitor.client().get(keys).send().await?.json().await?)
    }
}

/// The code in the address of the application.
fn code_of(back: &str) -> Result<String> {
    let back = Url::parse(back)?;
    let answer: BTreeMap<_, _> = back.query_pairs().into_owned().collect();
    ensure!(
        answer.get("state").is_some_and(|state| state == "here"),
        "{back}"
    );
    Ok(answer
        .get("code")
        .with_context(|| back.to_string())?
        .clone())
}

/// What is asked with a code.
pub fn of_code(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

/// What is asked with a refresh token.
pub fn of_refresh(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

/// The claims of a token that somebody else has verified, or will.
pub fn claims(token: &str) -> Result<Value> {
    let claims = token.split('.').nth(1).context("no claims")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?)
}

/// A text of an answer.
pub fn text(answer: &Value, name: &str) -> Result<String> {
    let text = answer[name].as_str();
    Ok(text.with_context(|| format!("no {name}"))?.to_owned())
}
