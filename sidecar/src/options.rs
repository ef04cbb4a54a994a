//! The command line of `mintage-sidecar`; each option can be given by the environment.

#![expect(
    clippy::doc_markdown,
    reason = "the comments on options are what --help prints"
)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mintage_core::{Domain, ObjectName, WorkloadId};

use crate::endpoint::role::EndpointOptions;
use crate::traces;

/// Issues access tokens to the application beside it, and says whether a token it received is good.
///
/// Reads one folder, as kubelet mounts it: keyring.json and bundle-0 to bundle-7. Serves the workload API and Envoy's
/// ext_authz on the loopback, health and metrics on the admin address. Exit codes: 0 ended by a signal, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(version, subcommand_negates_reqs = true)]
pub struct Options {
    /// Another role than that of a sidecar.
    #[command(subcommand)]
    pub role: Option<Role>,
    /// The folder with the keyring and the bundle.
    #[arg(
        long,
        env = "MINTAGE_DIR",
        value_name = "FOLDER",
        default_value = "/var/run/mintage"
    )]
    pub dir: PathBuf,
    /// The pod's identity, `<namespace>/<serviceaccount>`.
    #[arg(
        long = "as",
        env = "MINTAGE_WORKLOAD",
        value_name = "WORKLOAD",
        required = true
    )]
    pub workload: Option<WorkloadId>,
    /// The ApiAudiences of the namespace that the pod accepts tokens for. Default: the only one.
    #[arg(
        long,
        env = "MINTAGE_ACCEPT_AUDIENCES",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub accept: Vec<ObjectName>,
    /// The tenant's domain that tokens name as their issuer. Default: the tenant's own.
    #[arg(long, env = "MINTAGE_DOMAIN", value_name = "DOMAIN")]
    pub domain: Option<Domain>,
    /// Where the workload API listens; an address of the loopback.
    #[arg(long, env = "MINTAGE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:7600", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Where Envoy's ext_authz is answered, as gRPC; an address of the loopback, or off.
    #[arg(long, env = "MINTAGE_EXT_AUTHZ_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:7602", value_parser = loopback_or_off)]
    pub ext_authz_listen: OrOff,
    /// Where traces go: the base URL of an OpenTelemetry collector, as http://127.0.0.1:4318. Without it there are none.
    /// Sampling and the service's name come from OTEL_TRACES_SAMPLER and OTEL_SERVICE_NAME.
    #[arg(long, env = "MINTAGE_OTLP_ENDPOINT", value_name = "URL", value_parser = traces::endpoint)]
    pub otlp_endpoint: Option<String>,
    /// What every role has.
    #[command(flatten)]
    pub common: Common,
}

/// What a process can be besides a sidecar.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Serves one tenant's endpoint, where users sign in and applications get tokens.
    Endpoint(EndpointOptions),
}

/// The options of every role.
#[derive(Args, Debug)]
pub struct Common {
    /// Where health and metrics listen.
    #[arg(
        long,
        env = "MINTAGE_ADMIN_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:7601"
    )]
    pub admin_listen: SocketAddr,
    /// How long requests may take to finish after SIGTERM, in seconds.
    #[arg(
        long,
        env = "MINTAGE_DRAIN_SECONDS",
        value_name = "SECONDS",
        default_value_t = 20
    )]
    pub drain_seconds: u64,
    /// How many threads answer requests. Default: one for each core.
    #[arg(long, env = "MINTAGE_THREADS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
    /// The form of the log.
    #[arg(long, env = "MINTAGE_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug; also by module, as RUST_LOG has it.
    #[arg(
        long,
        env = "MINTAGE_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,
}

impl Options {
    /// What every role has, of the one that was chosen.
    pub fn common(&self) -> &Common {
        match &self.role {
            None => &self.common,
            Some(Role::Endpoint(endpoint)) => &endpoint.common,
        }
    }
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OrOff {
    /// There.
    On(SocketAddr),
    /// Nowhere.
    Off,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// One JSON object.
    #[default]
    Json,
    /// For people.
    Text,
}

/// What trusts whoever can connect must not leave the pod.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("{text} is not an address with a port, as 127.0.0.1:7600"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(
            "whoever can connect is trusted: it listens on the loopback only, as 127.0.0.1:7600"
                .to_owned(),
        )
    }
}

fn loopback_or_off(text: &str) -> Result<OrOff, String> {
    if text == "off" {
        Ok(OrOff::Off)
    } else {
        loopback(text).map(OrOff::On)
    }
}
