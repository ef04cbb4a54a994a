//! The command line of `mintage-operator`; each option can be given by the environment.

#![expect(
    missing_docs,
    reason = "the groups of options are named by their types"
)]
#![expect(
    clippy::doc_markdown,
    reason = "the comments on options are what --help prints"
)]

mod endpoints;

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use mintage_core::{Namespace, ObjectName};
use mintage_crds::GoDuration;
use mintage_sidecar::clock::random_u32;
use mintage_sidecar::options::LogFormat;
use mintage_sidecar::traces;

use crate::{domains, lease};
pub use endpoints::Endpoints;

/// Turns Tenants, ApiAudiences and CustomDomains into keys and configuration for workloads.
///
/// Watches the cluster that KUBECONFIG names, or the one it runs in. Every replica serves the webhook that gives pods
/// their sidecars, if it is asked to; one of them, the holder of the Lease mintage-operator, writes.
///
/// Exit codes: 0 ended by a signal, or done; 1 something failed on the way; 2 wrong usage, or no way to a cluster.
#[derive(Debug, Parser)]
#[command(
    name = "mintage-operator",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator; so does no command at all.
    Run(Box<Run>),
    Uninstall(Uninstall),
}

/// What is to be done.
#[derive(Debug)]
pub enum Task {
    /// [`Run`].
    Run(Box<Run>),
    /// [`Uninstall`].
    Uninstall(Uninstall),
}

impl Cli {
    /// What is to be done.
    pub fn task(self) -> Task {
        match self.command {
            None => Task::Run(Box::new(self.run)),
            Some(Command::Run(run)) => Task::Run(run),
            Some(Command::Uninstall(uninstall)) => Task::Uninstall(uninstall),
        }
    }
}

/// Runs the operator.
#[derive(Args, Debug)]
pub struct Run {
    /// What every command needs.
    #[command(flatten)]
    pub process: Process,
    /// The webhook.
    #[command(flatten)]
    pub webhook: Webhook,
    /// The stream to sidecars.
    #[command(flatten)]
    pub feed: Feed,
    /// What pods are given.
    #[command(flatten)]
    pub sidecar: Sidecar,
    /// The pods of tenants' endpoints.
    #[command(flatten)]
    pub endpoints: Endpoints,
    /// The times of the Lease.
    #[command(flatten)]
    pub domains: domains::Options,
    #[command(flatten)]
    pub lease: Lease,
    /// Where health and metrics listen.
    #[arg(
        long,
        env = "MINTAGE_ADMIN_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    pub admin_listen: SocketAddr,
    /// How long a namespace that has no label mintage.dev/injection keeps its keys after its last pod with a sidecar.
    #[arg(
        long,
        env = "MINTAGE_NAMESPACE_LINGER",
        value_name = "DURATION",
        default_value = "10m"
    )]
    pub namespace_linger: GoDuration,
    /// How often everything is compared anew though nothing changed, in minutes. Nothing is written unless something is
    /// not as it should be.
    #[arg(long, env = "MINTAGE_RESYNC_MINUTES", value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1440))]
    pub resync_minutes: u16,
    /// The same in seconds, for tests.
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub resync_seconds: Option<u64>,
    /// How long the end may take after SIGTERM, in seconds: requests to the webhook are finished, the write under way
    /// too, and the Lease is released.
    #[arg(long, env = "MINTAGE_SHUTDOWN_SECONDS", value_name = "SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub shutdown_seconds: u16,
    /// How many threads there are. Default: one for each core.
    #[arg(long, env = "MINTAGE_THREADS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
    /// Where traces go: the base URL of an OpenTelemetry collector, as http://collector.observability:4318. Without it
    /// there are none. Sampling and the service's name come from OTEL_TRACES_SAMPLER and OTEL_SERVICE_NAME.
    #[arg(long, env = "MINTAGE_OTLP_ENDPOINT", value_name = "URL", value_parser = traces::endpoint)]
    pub otlp_endpoint: Option<String>,
}

/// Takes the finalizers off all Tenants, so that they can be deleted when no operator is there any more. The chart does it
/// before it is uninstalled.
///
/// First it takes the Lease from the operator, which would put them back; a quarter of a minute later it begins. What the
/// operator made stays: Tenants, Secrets and the keys in them. It can be done again.
#[derive(Args, Debug)]
pub struct Uninstall {
    /// What every command needs.
    #[command(flatten)]
    pub process: Process,
    /// How long it may take, in seconds.
    #[arg(
        long,
        env = "MINTAGE_UNINSTALL_SECONDS",
        value_name = "SECONDS",
        default_value_t = 240
    )]
    pub timeout_seconds: u64,
}

/// What every command needs.
#[derive(Args, Debug)]
pub struct Process {
    /// The operator's own namespace: its Lease is there, and the claims on domains. Default: the one it runs in, or
    /// mintage-system outside of a cluster.
    #[arg(long, env = "MINTAGE_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<Namespace>,
    /// This process's name among its replicas. Default: the host's name and a random number.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
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

/// The webhook.
#[derive(Args, Debug)]
pub struct Webhook {
    /// Where the webhook listens, as 0.0.0.0:9443. Without it there is none, and pods get no sidecars.
    #[arg(
        long = "webhook-listen",
        env = "MINTAGE_WEBHOOK_LISTEN",
        value_name = "ADDRESS"
    )]
    pub listen: Option<SocketAddr>,
    /// The MutatingWebhookConfiguration whose caBundle is to hold the authority of the certificate that the operator
    /// makes. Without it the certificate is a given one.
    #[arg(
        long = "webhook-configuration",
        env = "MINTAGE_WEBHOOK_CONFIGURATION",
        value_name = "NAME",
        requires = "listen"
    )]
    pub configuration: Option<String>,
    /// The Service by which API servers reach the webhook.
    #[arg(
        long = "webhook-service",
        env = "MINTAGE_WEBHOOK_SERVICE",
        value_name = "NAME",
        conflicts_with = "host"
    )]
    pub service: Option<ObjectName>,
    /// The host by which API servers outside of the cluster reach the webhook.
    #[arg(
        long = "webhook-host",
        env = "MINTAGE_WEBHOOK_HOST",
        value_name = "HOST"
    )]
    pub host: Option<String>,
    /// The Secret with the webhook's certificate, in the operator's namespace: its own, or a given one.
    #[arg(
        long = "webhook-tls-secret",
        env = "MINTAGE_WEBHOOK_TLS_SECRET",
        value_name = "NAME",
        default_value = "mintage-webhook-tls"
    )]
    pub tls_secret: ObjectName,
    /// Namespaces in which the webhook is not asked, besides the operator's own and the system's.
    #[arg(
        long = "webhook-excluded-namespaces",
        env = "MINTAGE_WEBHOOK_EXCLUDED_NAMESPACES",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    pub excluded: Vec<Namespace>,
}

/// The stream to sidecars.
#[derive(Args, Debug)]
pub struct Feed {
    /// Where the leader sends news to sidecars at once, as 0.0.0.0:9444. Without it they come with the mounted Secrets, up to
    /// a minute later. It is served with the webhook's certificate.
    #[arg(
        long = "feed-listen",
        env = "MINTAGE_FEED_LISTEN",
        value_name = "ADDRESS",
        requires_all = ["listen", "address"]
    )]
    pub feed_listen: Option<SocketAddr>,
    /// Where sidecars find it, as mintage-feed.mintage-system.svc:9444: each address of the name is tried, and the leader's
    /// alone answers.
    #[arg(
        long = "feed-address",
        env = "MINTAGE_FEED_ADDRESS",
        value_name = "HOST:PORT",
        requires = "feed_listen",
        value_parser = host_and_port
    )]
    pub address: Option<String>,
}

/// What pods are given.
#[derive(Args, Debug)]
pub struct Sidecar {
    /// The image of the sidecars.
    #[arg(
        long = "sidecar-image",
        env = "MINTAGE_SIDECAR_IMAGE",
        value_name = "IMAGE",
        default_value = concat!("ghcr.io/mintage-dev/mintage-sidecar:", env!("CARGO_PKG_VERSION"))
    )]
    pub image: String,
    /// What a sidecar asks for, as a Kubernetes quantity; empty for nothing.
    #[arg(
        long = "sidecar-cpu-request",
        env = "MINTAGE_SIDECAR_CPU_REQUEST",
        value_name = "QUANTITY",
        default_value = "10m"
    )]
    pub cpu_request: String,
    /// What a sidecar asks for, as a Kubernetes quantity; empty for nothing.
    #[arg(
        long = "sidecar-memory-request",
        env = "MINTAGE_SIDECAR_MEMORY_REQUEST",
        value_name = "QUANTITY",
        default_value = "16Mi"
    )]
    pub memory_request: String,
    /// What a sidecar may take, as a Kubernetes quantity; empty for as much as there is.
    #[arg(
        long = "sidecar-cpu-limit",
        env = "MINTAGE_SIDECAR_CPU_LIMIT",
        value_name = "QUANTITY",
        default_value = ""
    )]
    pub cpu_limit: String,
    /// What a sidecar may take, as a Kubernetes quantity; empty for as much as there is.
    #[arg(
        long = "sidecar-memory-limit",
        env = "MINTAGE_SIDECAR_MEMORY_LIMIT",
        value_name = "QUANTITY",
        default_value = "64Mi"
    )]
    pub memory_limit: String,
}

/// The times of the Lease.
#[derive(Args, Debug)]
pub struct Lease {
    /// How long others leave the Lease alone after they last saw it change.
    #[arg(
        long = "lease-duration",
        env = "MINTAGE_LEASE_DURATION",
        value_name = "DURATION",
        default_value = "15s",
        hide = true
    )]
    duration: GoDuration,
    /// How long after the last renewal the leader still counts itself as such.
    #[arg(
        long = "lease-deadline",
        env = "MINTAGE_LEASE_DEADLINE",
        value_name = "DURATION",
        default_value = "10s",
        hide = true
    )]
    deadline: GoDuration,
    /// How soon something is tried again.
    #[arg(
        long = "lease-retry",
        env = "MINTAGE_LEASE_RETRY",
        value_name = "DURATION",
        default_value = "2s",
        hide = true
    )]
    retry: GoDuration,
}

fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let is_whole =
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if is_whole {
        Ok(text.to_owned())
    } else {
        Err("it is a host and a port, as mintage-feed.mintage-system.svc:9444".to_owned())
    }
}

/// Where Kubernetes tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Where the chart is installed unless somebody wants it elsewhere.
const DEFAULT_NAMESPACE: &str = "mintage-system";

impl Process {
    /// The operator's own namespace.
    pub fn namespace(&self) -> Namespace {
        if let Some(namespace) = &self.namespace {
            return namespace.clone();
        }
        let told = fs::read_to_string(NAMESPACE_FILE).unwrap_or_default();
        let told = Namespace::parse(told.trim());
        told.unwrap_or_else(|_| Namespace::parse(DEFAULT_NAMESPACE).expect("it is a name"))
    }

    /// This process's name among its replicas.
    pub fn identity(&self) -> String {
        match self.identity.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => {
                let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
                format!("{}_{:08x}", host.trim(), random_u32())
            }
        }
    }
}

impl Lease {
    /// The settings, if they go together.
    pub fn settings(&self) -> Result<lease::Settings, String> {
        let duration = |given: GoDuration| Duration::from_millis(given.as_millis());
        let settings = lease::Settings {
            duration: duration(self.duration),
            deadline: duration(self.deadline),
            retry: duration(self.retry),
        };
        settings.check().map(|()| settings)
    }
}

impl Run {
    /// What clap cannot say: options that do not go together.
    pub fn check(&self) -> Result<(), String> {
        self.lease.settings()?;
        let webhook = &self.webhook;
        if webhook.listen.is_some() && webhook.service.is_none() && webhook.host.is_none() {
            return Err(
                "--webhook-listen needs --webhook-service or --webhook-host: the name that API servers call is in the certificate"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Task, String> {
        let arguments = [&["mintage-operator"], arguments].concat();
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        Ok(cli.task())
    }

    fn run(arguments: &[&str]) -> Box<Run> {
        match parse(arguments).unwrap() {
            Task::Run(run) => run,
            Task::Uninstall(_) => panic!("{arguments:?} uninstalls"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn running_is_what_is_done_without_a_command() {
        for arguments in [
            &["--admin-listen", "127.0.0.1:1"][..],
            &["run", "--admin-listen", "127.0.0.1:1"],
        ] {
            let run = run(arguments);
            assert_eq!(run.admin_listen.port(), 1);
            assert_eq!(run.check(), Ok(()));
            assert_eq!(run.namespace_linger.as_secs(), 600);
        }
        let uninstall = parse(&["uninstall", "--namespace", "elsewhere"]).unwrap();
        let Task::Uninstall(uninstall) = uninstall else {
            panic!("it runs");
        };
        assert_eq!(uninstall.process.namespace().as_str(), "elsewhere");
        for wrong in [
            &["walk"][..],
            &["uninstall", "--admin-listen", "127.0.0.1:1"],
            &["--namespace", "Elsewhere"],
            &["--resync-minutes", "0"],
            &["--webhook-configuration", "mintage"],
            &["--webhook-service", "a", "--webhook-host", "b"],
            &["--otlp-endpoint", "https://collector"],
            &["--lease-duration", "soon"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        let refused = |arguments: &[&str]| run(arguments).check().unwrap_err();
        let text = refused(&["--webhook-listen", "0.0.0.0:9443"]);
        assert!(text.contains("--webhook-service"), "{text}");
        let text = refused(&["--lease-deadline", "15s"]);
        assert!(text.contains("two could lead"), "{text}");
    }

    #[test]
    fn a_process_has_a_name_of_its_own() {
        let names = [(); 2].map(|()| run(&["--identity", " "]).process.identity());
        assert_ne!(names[0], names[1]);
        assert_eq!(run(&["--identity", "pod-1"]).process.identity(), "pod-1");
    }
}
