//! jsonwebtoken as a resource server uses it. The protocol is in `../README.md`.

use std::io::{Write as _, stdin, stdout};
use std::net::SocketAddr;

use anyhow::{Context as _, Result, anyhow, ensure};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use reqwest::header::HOST;
use reqwest::{Certificate, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Configure(Settings),
    Verify { token: String },
}

#[derive(Deserialize)]
struct Settings {
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    typ: Option<String>,
    #[serde(flatten)]
    keys: Where,
}

#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Where {
    Jwks {
        jwks_uri: String,
    },
    Discovery {
        ca_file: String,
        connect: SocketAddr,
    },
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// A refusal that jsonwebtoken leaves to its caller.
#[derive(Debug)]
enum Refused {
    UnknownKey,
    WrongType,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "no key of the set has the token's kid",
            Self::WrongType => "the header's typ is another",
        })
    }
}

impl std::error::Error for Refused {}

struct Verifier {
    http: reqwest::Client,
    connect: Option<SocketAddr>,
    jwks_uri: Url,
    keys: JwkSet,
    validation: Validation,
    typ: Option<String>,
}

impl Verifier {
    async fn configure(settings: Settings) -> Result<Self> {
        let mut http = reqwest::Client::builder().no_proxy();
        let issuer = Url::parse(&settings.issuer)?;
        let (connect, jwks_uri) = match settings.keys {
            Where::Jwks { jwks_uri } => (None, Some(jwks_uri)),
            Where::Discovery { ca_file, connect } => {
                let ca = Certificate::from_pem(&std::fs::read(ca_file)?)?;
                let host = issuer.host_str().context("the issuer has no host")?;
                http = http.tls_certs_only([ca]).resolve(host, connect);
                (Some(connect), None)
            }
        };
        let http = http.build()?;
        let jwks_uri = if let Some(uri) = jwks_uri {
            Url::parse(&uri)?
        } else {
            let url = issuer.join(".well-known/openid-configuration")?;
            let metadata: Metadata = fetch(&http, connect, &url).await?;
            // OpenID Connect Discovery 4.3.
            ensure!(
                metadata.issuer == settings.issuer,
                "the metadata names the issuer {}",
                metadata.issuer
            );
            Url::parse(&metadata.jwks_uri)?
        };
        let first = settings.algorithms.first().context("no algorithm")?;
        let mut validation = Validation::new(*first);
        validation.algorithms = settings.algorithms;
        validation.set_issuer(&[settings.issuer]);
        validation.set_audience(&[settings.audience]);
        // Only the claims that are present are checked, unless named here.
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        Ok(Self {
            keys: fetch(&http, connect, &jwks_uri).await?,
            http,
            connect,
            jwks_uri,
            validation,
            typ: settings.typ,
        })
    }

    async fn verify(&mut self, token: &str) -> Result<Value> {
        let header = decode_header(token)?;
        let kid = header.kid.as_deref().ok_or(Refused::UnknownKey)?;
        // The keys are fetched again for a token whose key is not among them; a server would do so at most now and then.
        if self.keys.find(kid).is_none() {
            self.keys = fetch(&self.http, self.connect, &self.jwks_uri).await?;
        }
        let key: &Jwk = self.keys.find(kid).ok_or(Refused::UnknownKey)?;
        let decoded = decode::<Value>(token, &DecodingKey::from_jwk(key)?, &self.validation)?;
        if self.typ.is_some() && decoded.header.typ != self.typ {
            return Err(Refused::WrongType.into());
        }
        Ok(decoded.claims)
    }
}

/// Reads JSON, from `connect` if that is set: the port is that of the URL else, whatever the name resolves to.
async fn fetch<T: DeserializeOwned>(
    http: &reqwest::Client,
    connect: Option<SocketAddr>,
    url: &Url,
) -> Result<T> {
    let mut there = url.clone();
    let mut host = url.host_str().context("a URL without a host")?.to_owned();
    if let Some(port) = url.port() {
        host = format!("{host}:{port}");
    }
    if let Some(connect) = connect {
        there
            .set_port(Some(connect.port()))
            .map_err(|()| anyhow!("{url} takes no port"))?;
    }
    let response = http.get(there).header(HOST, host).send().await?;
    Ok(response.error_for_status()?.json().await?)
}

async fn answer(line: &str, verifier: &mut Option<Verifier>) -> Result<Value> {
    match serde_json::from_str(line)? {
        Request::Configure(settings) => {
            *verifier = Some(Verifier::configure(settings).await?);
            Ok(json!({ "ok": true }))
        }
        Request::Verify { token } => {
            let verifier = verifier.as_mut().context("not configured")?;
            let claims = verifier.verify(&token).await?;
            Ok(json!({ "ok": true, "claims": claims }))
        }
    }
}

/// The name of the library's error kind: `InvalidSignature`.
fn name(error: &anyhow::Error) -> String {
    let kind = if let Some(refused) = error.downcast_ref::<Refused>() {
        format!("{refused:?}")
    } else if let Some(error) = error.downcast_ref::<jsonwebtoken::errors::Error>() {
        format!("{:?}", error.kind())
    } else {
        "error".to_owned()
    };
    let end = kind.find(|c: char| !c.is_alphanumeric());
    kind[..end.unwrap_or(kind.len())].to_owned()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("another crypto provider is installed"))?;
    let mut verifier = None;
    for line in stdin().lines() {
        // Any error is an answer: which kind it is is what the tests ask.
        let reply = answer(&line?, &mut verifier).await.unwrap_or_else(
            |error| json!({ "ok": false, "error": name(&error), "message": format!("{error:#}") }),
        );
        writeln!(stdout(), "{reply}")?;
    }
    Ok(())
}
