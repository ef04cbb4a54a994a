//! Requests to providers: few, small, and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use mintage_core::upstream::Fault;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Certificate, Client, RequestBuilder, StatusCode};

use crate::web::{self, Unread, in_full};

/// The most bytes of an answer that are read.
const MOST: usize = 256 * 1024;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How providers are reached.
#[derive(Clone, Debug)]
pub struct Reach {
    authorities: Vec<Certificate>,
    /// How long an answer may take as a whole.
    pub timeout: Duration,
}

/// The text holds no certificates.
#[derive(Debug, thiserror::Error)]
#[error("these are no certificates in PEM")]
pub struct NoAuthorities;

impl Default for Reach {
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            timeout: Duration::from_secs(10),
        }
    }
}

impl Reach {
    /// Trusts the authorities of a file in PEM as well, if there is one.
    pub fn trusting_file(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let pem = fs::read(path).with_context(|| format!("--provider-ca {}", path.display()))?;
        Self::default()
            .trusting(&pem)
            .with_context(|| format!("--provider-ca {}", path.display()))
    }

    /// Trusts these authorities as well, beside those of the system.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, NoAuthorities> {
        let read = Certificate::from_pem_bundle(pem).map_err(|_| NoAuthorities)?;
        if read.is_empty() {
            return Err(NoAuthorities);
        }
        self.authorities.extend(read);
        Ok(self)
    }
}

/// The client. What it is made of is read once somebody is to sign in by a provider.
pub struct Web {
    reach: Reach,
    client: OnceLock<Client>,
}

/// An answer whose status is the caller's to judge.
pub struct Answered {
    /// Whether it went well.
    pub good: bool,
    /// The body.
    pub body: Vec<u8>,
}

impl Web {
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            client: OnceLock::new(),
        }
    }

    /// Reads a document, with credentials in the header if there are any.
    pub async fn get(
        &self,
        url: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Vec<u8>, Fault> {
        let answered = self
            .send(url, authorization, |client| client.get(url))
            .await?;
        if answered.good {
            Ok(answered.body)
        } else {
            Err(Fault::ProviderStatus)
        }
    }

    /// Posts a form, with credentials in the header if there are any.
    pub async fn post(
        &self,
        url: &str,
        form: &BTreeMap<&str, &str>,
        authorization: Option<HeaderValue>,
    ) -> Result<Answered, Fault> {
        self.send(url, authorization, |client| client.post(url).form(form))
            .await
    }

    async fn send(
        &self,
        url: &str,
        authorization: Option<HeaderValue>,
        request: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Answered, Fault> {
        let client = self.client()?;
        let broken = |error: reqwest::Error| {
            // The address is the caller's, and its query would be too.
            let error = error.without_url();
            tracing::warn!(event = "provider-unreachable", url, error = in_full(&error));
            Fault::ProviderUnreachable
        };
        let mut request = request(client).header(ACCEPT, "application/json");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        if status.is_redirection() {
            tracing::warn!(event = "provider-redirects", url, status = status.as_u16());
            return Err(Fault::ProviderRedirects);
        }
        let body = match web::read(response, MOST).await {
            Ok(body) => body,
            Err(Unread::Broken(error)) => return Err(broken(error)),
            Err(Unread::TooLarge(most)) => {
                tracing::warn!(event = "provider-too-large", url, most);
                return Err(Fault::ProviderTooLarge);
            }
        };
        if status != StatusCode::OK {
            tracing::warn!(event = "provider-status", url, status = status.as_u16());
        }
        Ok(Answered {
            good: status == StatusCode::OK,
            body,
        })
    }

    fn client(&self) -> Result<&Client, Fault> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let built = self.build().map_err(|error| {
            let error = in_full(&error);
            tracing::error!(
                event = "provider-client-failed",
                error,
                "no provider can be asked: are the system's certificates there?"
            );
            Fault::ProviderUnreachable
        })?;
        Ok(self.client.get_or_init(|| built))
    }

    fn build(&self) -> reqwest::Result<Client> {
        let authorities = self.reach.authorities.iter().cloned();
        web::client(CONNECT, self.reach.timeout)
            .tls_certs_merge(authorities)
            .dns_resolver(web::Names)
            .build()
    }
}
