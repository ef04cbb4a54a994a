//! The webhook's certificate: made and rotated by the leader, or given; served by every replica without a restart.
//!
//! ```text
//!  leader:        clock ─► step (pure) ─► Secret mintage-webhook-tls ─► caBundle of the webhook configuration
//!                                               │ watch
//!  every replica:                               └─► Certificates: ServerConfig, swapped; ready()
//! ```
//!
//! For `run`:
//! - every replica: `let certificates = tls::follow(client, &config, clock, &metrics)`, then
//!   [`crate::webhook::serve`] with it; `/readyz` asks [`Certificates::ready`]. It ends with the last clone of it.
//! - the leader: `tls::keep(client, config, clock)` as a task that never ends by itself. It may be dropped anywhere: each
//!   of its writes is whole, and the next leader goes on from what it finds. Where the certificate is given it does
//!   nothing.
//!
//! What it needs of the API server: in its own namespace `get`, `list`, `watch` of the Secret (by name) for everybody;
//! `create` and `update` of it for [`Mode::Made`]; and `get`, `list`, `watch`, `patch` of the one
//! `MutatingWebhookConfiguration` (by name). Of that, only `caBundle` of each webhook is ever written.
//!
//! Deleting the Secret makes API servers distrust the certificate that was in it, for the case that it leaked: a new
//! one is made and told at once, without the overlap that a renewal has.

mod certificate;
mod follow;
mod keep;
mod plan;
mod repairs;
mod state;

use std::collections::BTreeSet;

use mintage_core::{Namespace, ObjectName};

pub use certificate::{BACKDATED, Facts, Made, NoCertificate, make};
pub use follow::{Certificates, FeedAt, follow, host_of};
pub use keep::keep;
pub use plan::{Names, Policy, Step, Told, renew_at, step};
pub use state::{Authority, Next, Served, State, Unusable};

/// Whose certificate it is, and where.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who makes it.
    pub mode: Mode,
    /// The names that API servers call: [`service_names`], or the host of `webhook.url`. Without them nothing is served.
    pub names: BTreeSet<String>,
    /// Where sidecars find the leader's stream, `host:port`, if there is one: it is served with the same certificate.
    pub feed: Option<String>,
    /// The operator's namespace.
    pub namespace: Namespace,
    /// The Secret, of type `kubernetes.io/tls`.
    pub secret: ObjectName,
}

impl Config {
    /// The names that a certificate is made for: those that API servers call, and the one of the leader's stream.
    pub fn all_names(&self) -> BTreeSet<String> {
        let feed = self.feed.as_deref().map(host_of);
        let names = self.names.iter().map(String::as_str);
        names.chain(feed).map(str::to_owned).collect()
    }
}

/// Who makes the certificate.
#[derive(Clone, Debug)]
pub enum Mode {
    /// cert-manager or an admin. They also see to `caBundle`.
    Given,
    /// The operator.
    Made {
        /// The `MutatingWebhookConfiguration` whose `caBundle`s it keeps.
        configuration: String,
        /// How long things last.
        policy: Policy,
    },
}

/// The Secret where the operator makes the certificate.
pub const SECRET: &str = "mintage-webhook-tls";

/// The name by which API servers call a Service.
pub fn service_names(service: &str, namespace: &Namespace) -> BTreeSet<String> {
    BTreeSet::from([format!("{service}.{namespace}.svc")])
}
