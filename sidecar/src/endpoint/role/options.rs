//! The command line of `mintage-sidecar endpoint`.

#![expect(
    clippy::doc_markdown,
    reason = "the comments on options are what --help prints"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::whereabouts::Whereabouts;
use crate::endpoint::store::Place;
use crate::endpoint::{ApiServer, NoApiServer};
use crate::options::{Common, OrOff};

/// The options of the role.
#[derive(Args, Debug)]
pub struct EndpointOptions {
    /// The folder with what the operator tells: endpoint-0 to endpoint-7, master.json, tenant-keyring.json.
    #[arg(
        long,
        env = "MINTAGE_DIR",
        value_name = "FOLDER",
        default_value = "/var/run/mintage"
    )]
    pub dir: PathBuf,
    /// The folder with a folder for each Secret that the tenant names: of users, or with a certificate.
    #[arg(
        long,
        env = "MINTAGE_SECRETS_DIR",
        value_name = "FOLDER",
        default_value = "/var/run/mintage-secrets"
    )]
    pub secrets_dir: PathBuf,
    /// Where sessions, codes, refresh tokens and consents are kept: `sqlite:<path>`, `postgres://<user>@<host>/<database>`,
    /// or `memory`.
    #[arg(
        long,
        env = "MINTAGE_STORE",
        value_name = "STORE",
        required_unless_present = "store_file",
        conflicts_with = "store_file"
    )]
    pub store: Option<Place>,
    /// A file that says it instead: the address of a database has its password. Another password or user is taken up without a
    /// restart.
    #[arg(long, env = "MINTAGE_STORE_FILE", value_name = "FILE")]
    pub store_file: Option<PathBuf>,
    /// Where browsers and applications are answered over TLS, by the certificates of the domains.
    #[arg(
        long,
        env = "MINTAGE_TLS_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:7743"
    )]
    pub tls_listen: SocketAddr,
    /// Where proxies that the tenant trusts, and that were asked by HTTPS themselves, are answered without TLS; or off.
    #[arg(long, env = "MINTAGE_PROXY_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:7744", value_parser = address_or_off)]
    pub proxy_listen: OrOff,
    /// Authorities that providers of users are trusted by (`login.connections[].oidc`), beside those of this machine: a file
    /// with certificates in PEM.
    #[arg(long, env = "MINTAGE_PROVIDER_CA", value_name = "FILE")]
    pub provider_ca: Option<PathBuf>,
    /// Give tokens of Central APIs to workloads that show their ServiceAccount token. The cluster's API server reviews it, so the
    /// endpoint's own ServiceAccount needs `create` on `tokenreviews` (the ClusterRole system:auth-delegator has it).
    #[arg(long, env = "MINTAGE_TOKEN_REVIEWS")]
    pub token_reviews: bool,
    /// The folder with the token of the endpoint's own ServiceAccount, and ca.crt of the API server.
    #[arg(
        long,
        env = "MINTAGE_SERVICE_ACCOUNT_DIR",
        value_name = "FOLDER",
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount"
    )]
    pub service_account_dir: PathBuf,
    /// What every role has.
    #[command(flatten)]
    pub common: Common,
}

impl EndpointOptions {
    /// Who reviews tokens of workloads, if anybody does.
    pub fn api_server(&self) -> Result<Option<ApiServer>, NoApiServer> {
        self.token_reviews
            .then(|| ApiServer::of_cluster(&self.service_account_dir))
            .transpose()
    }

    /// Where the store is.
    pub fn whereabouts(&self) -> Result<Whereabouts> {
        match (&self.store, &self.store_file) {
            (Some(place), _) => Ok(Whereabouts::said(place.clone())),
            (None, Some(path)) => Whereabouts::read(path),
            (None, None) => bail!("neither --store nor --store-file says where the store is"),
        }
    }
}

fn address_or_off(text: &str) -> Result<OrOff, String> {
    if text == "off" {
        return Ok(OrOff::Off);
    }
    text.parse()
        .map(OrOff::On)
        .map_err(|_| format!("{text} is neither off nor an address with a port, as 0.0.0.0:7744"))
}
