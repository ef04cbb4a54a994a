//! The cluster's API server, asked about tokens and about nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mintage_core::service_account::{Review, Reviewed};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Certificate, StatusCode};
use zeroize::Zeroizing;

use crate::web::{self, Unread};

/// How long a connection may take, and an answer as a whole.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most bytes of an answer that are read.
const MOST: usize = 64 * 1024;

/// Where tokens are reviewed.
const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// The API server of the cluster that a process runs in.
pub struct ApiServer {
    url: String,
    /// kubelet's folder of a `ServiceAccount`: `token`, which it renews, and `ca.crt`.
    account: PathBuf,
    /// The client, and the certificates that it was made with.
    client: Mutex<Option<(Vec<u8>, reqwest::Client)>>,
}

/// There is none to ask.
#[derive(Debug, thiserror::Error)]
#[error(
    "--token-reviews needs the API server of a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
)]
pub struct NoApiServer;

/// Why a review came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{path}: {cause}")]
    Account {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{0} holds no certificates in PEM")]
    Authorities(PathBuf),
    #[error("the answer is no TokenReview")]
    Answer(#[source] serde_json::Error),
    #[error("the endpoint's ServiceAccount may not create tokenreviews (403)")]
    Forbidden,
    #[error("the token in {0} is not one line of text")]
    OwnToken(PathBuf),
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    #[error("the API server answers {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Unread(#[from] Unread),
}

impl Failed {
    /// With what caused it.
    pub fn in_full(&self) -> String {
        web::in_full(self)
    }
}

impl ApiServer {
    /// One at `host:port`, asked as the `ServiceAccount` whose files are in a folder.
    pub fn at(host: &str, port: &str, account: &Path) -> Self {
        // An address of IPv6 stands in brackets.
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        Self {
            url: format!("https://{host}:{port}{PATH}"),
            account: account.to_owned(),
            client: Mutex::new(None),
        }
    }

    /// The one of the cluster, by the variables that kubelet sets.
    pub fn of_cluster(account: &Path) -> Result<Self, NoApiServer> {
        let variable = |name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.ok_or(NoApiServer)
        };
        let (host, port) = (
            variable("KUBERNETES_SERVICE_HOST")?,
            variable("KUBERNETES_SERVICE_PORT")?,
        );
        Ok(Self::at(&host, &port, account))
    }

    /// What it says of a token.
    pub(super) async fn review(&self, token: &str, audience: &str) -> Result<Reviewed, Failed> {
        let client = self.client()?;
        let own = Zeroizing::new(self.file("token")?);
        let malformed = || Failed::OwnToken(self.account.join("token"));
        let bearer = std::str::from_utf8(&own).map_err(|_| malformed())?.trim();
        let bearer = Zeroizing::new(format!("Bearer {bearer}"));
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| malformed())?;
        bearer.set_sensitive(true);
        let request = client.post(&self.url);
        let request = request.header(ACCEPT, "application/json");
        let request = request.header(AUTHORIZATION, bearer);
        let response = request.json(&Review::of(token, audience)).send().await?;
        match response.status() {
            StatusCode::OK | StatusCode::CREATED => {}
            StatusCode::FORBIDDEN => return Err(Failed::Forbidden),
            status => return Err(Failed::Status(status)),
        }
        let body = web::read(response, MOST).await?;
        serde_json::from_slice(&body).map_err(Failed::Answer)
    }

    /// The client; another one when the authorities are others.
    fn client(&self) -> Result<reqwest::Client, Failed> {
        let pem = self.file("ca.crt")?;
        // Nothing in here panics half-way, so what a poisoned lock holds is whole.
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, client)) = &*kept
            && *of == pem
        {
            return Ok(client.clone());
        }
        let authorities = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if authorities.is_empty() {
            return Err(Failed::Authorities(self.account.join("ca.crt")));
        }
        let client = web::client(PATIENCE, PATIENCE)
            .tls_certs_only(authorities)
            .build()?;
        *kept = Some((pem, client.clone()));
        Ok(client)
    }

    fn file(&self, name: &str) -> Result<Vec<u8>, Failed> {
        let path = self.account.join(name);
        fs::read(&path).map_err(|cause| Failed::Account { path, cause })
    }
}
