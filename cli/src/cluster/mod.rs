//! `kubectl mintage`: looks at Mintage in a cluster, and steers it.
//!
//! ```text
//!  Tenants, ApiAudiences, CustomDomains ─► status
//!  bundles (no private key is ever read) ─► keys
//!  annotations of a Tenant ◄─ rotate, revoke ─► what the bundles say then
//! ```

mod bundles;
mod connect;
mod doctor;
mod forward;
mod keys;
mod propagation;
mod reach;
mod revoke;
mod rotate;
mod seen;
mod status;
mod token;
mod why;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use kube::Client;
use mintage_core::{ObjectName, TenantRef};

use crate::Failure;
use crate::output::Output;

/// See how Mintage fares in a cluster, list the keys of a tenant, rotate and revoke them.
///
/// Installed as `kubectl-mintage` beside kubectl (a link to this program will do), it is `kubectl mintage`.
///
/// Exit codes: 0 done, all is well; 1 something is not ready, or was refused; 2 wrong usage or input; 3 the cluster does
/// not answer, or what was asked for is not done in time.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    to: To,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t, global = true)]
    output: Output,
}

/// Which cluster, as kubectl is told.
#[derive(Debug, clap::Args)]
struct To {
    /// The kubeconfig file; without it `KUBECONFIG`, or `~/.kube/config`.
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME", global = true)]
    context: Option<String>,
    /// The namespace of a tenant that is given by its name alone; the context's unless given.
    #[arg(long, short, value_name = "NAMESPACE", global = true)]
    namespace: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(doctor::Args),
    Keys(keys::Args),
    Revoke(revoke::Args),
    Rotate(rotate::Args),
    Status(status::Args),
    Token(token::Args),
    Why(Box<why::Args>),
}

/// The command line of `kubectl mintage`.
#[derive(Debug, Parser)]
#[command(name = "kubectl-mintage", bin_name = "kubectl mintage", version)]
pub struct Plugin {
    /// What `mintage cluster` takes.
    #[command(flatten)]
    pub args: Args,
    /// When output has colours.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true)]
    pub color: clap::ColorChoice,
}

impl Plugin {
    /// Whether a program's name is the one that kubectl looks for.
    pub fn is(program: Option<&std::ffi::OsStr>) -> bool {
        let stem = program
            .map(std::path::Path::new)
            .and_then(|path| path.file_stem());
        stem.is_some_and(|stem| stem == "kubectl-mintage" || stem == "kubectl_mintage")
    }
}

/// Who changed a field.
const MANAGER: &str = "kubectl-mintage";

/// What was asked for is looked for this often.
const POLL: Duration = Duration::from_millis(500);

/// How long to wait for what was asked for.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Wait {
    /// How many seconds to wait until it is done; 0 not to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

impl Wait {
    /// `None` not to wait.
    fn patience(self) -> Option<Duration> {
        (self.wait > 0).then(|| Duration::from_secs(self.wait))
    }
}

/// A cluster, and the form of answers.
struct Scene {
    client: Client,
    /// The namespace for names that say none.
    namespace: String,
    /// The namespace that was named.
    asked: Option<String>,
    output: Output,
}

impl Scene {
    /// A tenant as it was typed: `<namespace>/<name>`, or its name alone.
    fn tenant(&self, typed: &str) -> Result<TenantRef, Failure> {
        let tenant = match typed.split_once('/') {
            Some(_) => TenantRef::parse(typed),
            None => self
                .namespace
                .parse()
                .and_then(|namespace| Ok(TenantRef::new(namespace, ObjectName::parse(typed)?))),
        };
        tenant.map_err(Failure::input)
    }
}

/// Runs the command.
pub async fn run(args: &Args) -> Result<(), Failure> {
    let (client, namespace) = connect::client(&args.to).await?;
    let scene = Scene {
        client,
        namespace,
        asked: args.to.namespace.clone(),
        output: args.output,
    };
    match &args.command {
        Command::Doctor(args) => doctor::run(args, &scene).await,
        Command::Keys(args) => keys::run(args, &scene).await,
        Command::Revoke(args) => revoke::run(args, &scene).await,
        Command::Rotate(args) => rotate::run(args, &scene).await,
        Command::Status(args) => status::run(args, &scene).await,
        Command::Token(args) => token::run(args, &scene).await,
        Command::Why(args) => why::run(args, &scene).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Plugin::command().debug_assert();
    }

    #[test]
    fn kubectl_finds_it_by_its_name() {
        for (name, is) in [
            ("/usr/local/bin/kubectl-mintage", true),
            ("kubectl-mintage", true),
            ("mintage", false),
            ("kubectl-mintage-other", false),
        ] {
            assert_eq!(Plugin::is(Some(name.as_ref())), is, "{name}");
        }
        assert!(!Plugin::is(None));
    }
}
