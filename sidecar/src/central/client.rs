//! One request to the tenant's endpoint: at the address of its Service, by the name of its issuer.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use mintage_core::bundle::Endpoint;
use mintage_core::policy::Granted;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, HOST, HeaderValue};
use reqwest::{Certificate, Response};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::oauth::ASSERTION_TYPE;
use crate::web;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an answer may take as a whole, and how long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most requests at once.
const AT_ONCE: usize = 16;

/// The most bytes of an answer that are read.
const MOST: usize = 64 * 1024;

/// The most bytes of the pod's token.
const MOST_OF_TOKEN: u64 = 16 * 1024;

/// The most characters of the endpoint's words that are passed on.
const MOST_WORDS: usize = 1000;

/// Why there is no token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The endpoint does not answer, or not now.
    Away(String),
    /// It answers as no endpoint does.
    Misbehaves(String),
    /// There is no token to show it.
    NoToken(String),
    /// It refuses.
    Refused {
        status: StatusCode,
        error: &'static str,
        description: String,
    },
}

impl Failure {
    /// The name in metrics.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::Misbehaves(_) => "misbehaves",
            Self::NoToken(_) => "no-token",
            Self::Refused { .. } => "refused",
        }
    }
}

/// RFC 6749 section 5.1, as far as it is read: what a token is for stands in the token.
#[derive(Deserialize)]
struct Success {
    access_token: String,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Asks the endpoint.
pub struct Client {
    token: PathBuf,
    /// The client, and what it was made for.
    made: Mutex<Option<(Arc<Endpoint>, reqwest::Client)>>,
    turns: Semaphore,
}

impl Client {
    /// One that shows the token of a file.
    pub fn new(token: PathBuf) -> Self {
        Self {
            token,
            made: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Asks for what was granted.
    pub async fn ask(
        &self,
        endpoint: &Arc<Endpoint>,
        granted: &Granted,
    ) -> Result<String, Failure> {
        let turn = timeout(PATIENCE, self.turns.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or_else(|| {
            Failure::Away("too many requests to it are under way already".to_owned())
        })?;
        let token = read(&self.token)
            .map_err(|cause| Failure::NoToken(format!("{}: {cause}", self.token.display())))?;
        let client = self.client(endpoint)?;
        let domain = granted.issuer.domain();
        // Where it listens says the resolver; an issuer's own port is of the way from outside.
        let url = format!("https://{}/oauth/token", domain.host());
        let host = HeaderValue::from_str(domain.as_str());
        let host = host.map_err(|_| Failure::Away(format!("{domain} is no host")))?;
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", token.as_str()),
            ("audience", granted.audience.as_str()),
        ];
        if !granted.scope.is_empty() {
            form.push(("scope", &granted.scope));
        }
        let request = client.post(url).header(HOST, host);
        let request = request.header(ACCEPT, "application/json").form(&form);
        let response = request.send().await;
        let response = response.map_err(|error| {
            // Its address is that of the issuer, and it is not where was asked.
            let error = web::in_full(&error.without_url());
            Failure::Away(format!("{}: {error}", endpoint.address))
        })?;
        answer(response).await
    }

    /// The client for an endpoint; connections are kept for as long as it is told of in the same way.
    fn client(&self, endpoint: &Arc<Endpoint>) -> Result<reqwest::Client, Failure> {
        // Nothing in here panics half-way, so what a poisoned lock holds is whole.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, client)) = &*made
            && of.address == endpoint.address
            && of.authorities == endpoint.authorities
        {
            return Ok(client.clone());
        }
        let mut builder = web::client(CONNECT, PATIENCE)
            .dns_resolver(Toward(endpoint.address.as_str().into()))
            .pool_max_idle_per_host(AT_ONCE);
        if let Some(pem) = &endpoint.authorities {
            let read = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
            if read.is_empty() {
                return Err(Failure::Away(
                    "spec.endpoint.caBundle of the Tenant holds no certificates in PEM".to_owned(),
                ));
            }
            builder = builder.tls_certs_only(read);
        }
        let client = builder.build().map_err(|error| {
            // Without authorities of the tenant's those of the image count.
            Failure::Away(format!(
                "nobody can judge its certificate, so name its authority in spec.endpoint.caBundle of the Tenant: {}",
                web::in_full(&error)
            ))
        })?;
        *made = Some((Arc::clone(endpoint), client.clone()));
        Ok(client)
    }
}

/// Reads what the endpoint says.
async fn answer(response: Response) -> Result<String, Failure> {
    let status = response.status();
    let is_away = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
    if !is_away && !status.is_client_error() && status != StatusCode::OK {
        return Err(Failure::Misbehaves(format!("it answers {status}")));
    }
    let body = web::read(response, MOST).await;
    let body = body.map_err(|error| match error {
        web::Unread::Broken(error) => Failure::Away(web::in_full(&error.without_url())),
        error @ web::Unread::TooLarge(_) => Failure::Misbehaves(error.to_string()),
    });
    if status == StatusCode::OK {
        let success: Result<Success, _> = serde_json::from_slice(&body?);
        return match success {
            Ok(success) => Ok(success.access_token),
            // What was sent may hold a token, so nothing of it is repeated.
            Err(_) => Err(Failure::Misbehaves("its answer is no token".to_owned())),
        };
    }
    let refusal = body.and_then(|body| {
        let refusal: Result<Refusal, _> = serde_json::from_slice(&body);
        refusal.map_err(|_| Failure::Misbehaves(format!("it answers {status}")))
    });
    if is_away {
        let words = refusal.map(|refusal| short(&refusal.error_description));
        return Err(Failure::Away(match words {
            Ok(words) if !words.is_empty() => format!("it answers {status}: {words}"),
            _ => format!("it answers {status}"),
        }));
    }
    let refusal = refusal?;
    let (status, error) = match (status, refusal.error.as_str()) {
        (StatusCode::BAD_REQUEST, "invalid_scope") => (status, "invalid_scope"),
        (StatusCode::BAD_REQUEST, "invalid_target") => (status, "invalid_target"),
        (StatusCode::BAD_REQUEST, "invalid_request") => (status, "invalid_request"),
        // The application has nothing to authenticate with, and is not to try.
        _ => (StatusCode::FORBIDDEN, "access_denied"),
    };
    Err(Failure::Refused {
        status,
        error,
        description: short(&refusal.error_description),
    })
}

fn short(words: &str) -> String {
    words.chars().take(MOST_WORDS).collect()
}

fn read(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)?
        .take(MOST_OF_TOKEN)
        .read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Finds every name at one address, `host:port`.
struct Toward(Arc<str>);

impl Resolve for Toward {
    fn resolve(&self, _: Name) -> Resolving {
        let address = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host(&*address).await?;
            let found: Vec<SocketAddr> = found.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
