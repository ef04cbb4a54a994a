//! The command line of `mintage dev`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use mintage_core::{Domain, ObjectName, Seconds, TenantRef, WorkloadId};
use mintage_sidecar::options::loopback;

/// Run a folder of manifests on this machine, without a cluster.
///
/// Reads Tenants, ApiAudiences, CustomDomains, Namespaces and workloads, makes keys, and serves the workload API as one
/// of the workloads. Edit the manifests while it runs: what is valid holds within a second.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The manifests: a folder, or one file.
    pub folder: PathBuf,
    /// The workload to be, `<namespace>/<serviceaccount>`; any name. Default: the one of the folder with the most grants.
    #[arg(long = "as", value_name = "WORKLOAD")]
    pub workload: Option<WorkloadId>,
    /// Another workload to be at the same time, on an address of its own: `orders/api=127.0.0.1:7610`. May be repeated.
    #[arg(long, value_name = "WORKLOAD=ADDRESS")]
    pub also: Vec<Also>,
    /// The tenant of the workload, `<namespace>/<name>`. Default: as its annotations say, or the only one that admits it.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<TenantRef>,
    /// The ApiAudiences of its namespace that the workload accepts tokens for. Default: as its annotation says, or the only one.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub accept: Vec<ObjectName>,
    /// The tenant's domain that tokens name as their issuer. Default: as its annotation says, or the tenant's own.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<Domain>,
    /// Where the workload API listens; an address of the loopback.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7600", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Where Envoy's external authorization is answered for one of these workloads, as gRPC: `orders/api=127.0.0.1:7602`. May be repeated.
    #[arg(long, value_name = "WORKLOAD=ADDRESS")]
    pub ext_authz: Vec<Also>,
    /// Where health and metrics listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7601")]
    pub admin_listen: SocketAddr,
    /// Where the issuers' discovery documents and keys are served over TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7743")]
    pub tls_listen: SocketAddr,
    /// Where keys and state are kept.
    #[arg(
        long,
        env = "MINTAGE_STATE_DIR",
        value_name = "FOLDER",
        default_value = ".mintage"
    )]
    pub state_dir: PathBuf,
    /// Authorities that providers of users are trusted by (`login.connections[].oidc`), beside those of this machine: a file
    /// with certificates in PEM.
    #[arg(long, value_name = "FILE")]
    pub provider_ca: Option<PathBuf>,
    /// How long a new key or grant is published before it is used, instead of what the tenants say: on one machine
    /// there is nobody to wait for. Set it to watch a rotation as a cluster does it: 30s, 5m.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = seconds)]
    pub propagation_delay: Seconds,
    /// What is logged to standard error: error, warn, info, debug.
    #[arg(
        long,
        env = "MINTAGE_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "warn"
    )]
    pub log_level: String,
}

/// A workload and an address.
#[derive(Clone, Debug)]
pub struct Also {
    /// The workload.
    pub workload: WorkloadId,
    /// Where something listens for it.
    pub listen: SocketAddr,
}

impl FromStr for Also {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (workload, listen) = text.split_once('=').ok_or(
            "must be <namespace>/<serviceaccount>=<address>, as orders/api=127.0.0.1:7610",
        )?;
        Ok(Self {
            workload: workload.parse().map_err(|error| format!("{error}"))?,
            listen: loopback(listen)?,
        })
    }
}

/// A length of time as manifests write it.
pub fn seconds(text: &str) -> Result<Seconds, String> {
    let duration: mintage_crds::GoDuration = text.parse().map_err(|error| format!("{error}"))?;
    Seconds::try_from(duration.as_secs()).map_err(|error| error.to_string())
}
