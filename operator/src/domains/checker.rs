//! Looks for the proof where it must be.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mintage_crds::domain::{Challenge, VerificationMethod};
use tokio::time::timeout;

use super::challenge::Subject;
use super::dns::{Dns, Unusable};
use super::http::{self, Dial};
use super::outcome::{self, Outcome};
use super::reach;

/// Says whether control over a domain is shown.
pub trait Check: Send + Sync + 'static {
    /// What can be said without asking anybody.
    fn settled(&self, subject: &Subject) -> Option<Outcome>;

    /// Asks where the proof must be.
    fn ask(&self, subject: &Subject) -> impl Future<Output = Outcome> + Send;
}

/// How the checker asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether hosts of private networks are asked.
    pub allow_private: bool,
    /// Whether the method `None` is taken.
    pub allow_unverified: bool,
    /// The DNS server that is asked; without one, those of the system.
    pub dns_server: Option<SocketAddr>,
    /// How long the DNS server may take, twice.
    pub dns_timeout: Duration,
    /// The port on which a host is asked for the file: 80, but in tests. Nothing that a tenant writes changes it.
    pub http_port: u16,
    /// How long a check may take.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_private: false,
            allow_unverified: false,
            dns_server: None,
            dns_timeout: Duration::from_secs(2),
            http_port: 80,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Asks the DNS and, over HTTP, the hosts themselves.
pub struct Checker {
    settings: Settings,
    dns: Dns,
    dial: Dial,
}

impl Checker {
    /// A checker; there must be a DNS server to ask.
    pub fn new(settings: Settings) -> Result<Self, Unusable> {
        Self::dialling(settings, http::direct())
    }

    /// A checker that connects in its own way.
    pub fn dialling(settings: Settings, dial: Dial) -> Result<Self, Unusable> {
        let dns = Dns::new(settings.dns_server, settings.dns_timeout)?;
        Ok(Self {
            settings,
            dns,
            dial,
        })
    }

    async fn look(&self, subject: &Subject, challenge: &Challenge) -> Outcome {
        if subject.method == VerificationMethod::DnsTxt {
            return match self.dns.texts(&challenge.location).await {
                Ok(texts) => judge(&texts, &challenge.value),
                Err(outcome) => outcome,
            };
        }
        let host = subject.domain.host();
        let addresses = match self.addresses(host).await {
            Ok(addresses) => addresses,
            Err(outcome) => return outcome,
        };
        let port = self.settings.http_port;
        http::ask(&self.dial, host, &addresses, port, &challenge.value).await
    }

    /// The addresses that a host is asked at: looked up once, checked, and then connected to as they are, so that a name
    /// cannot lead elsewhere by the time it is used.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Outcome> {
        // With private addresses allowed only.
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let addresses = self.dns.addresses(host).await?;
        // One is enough: a host that is asked must not have a foot inside.
        let barred = addresses
            .iter()
            .find_map(|address| reach::bar_address(*address));
        match barred.filter(|_| !self.settings.allow_private) {
            Some(kind) => Err(Outcome::Contradicted(format!(
                "an address of the host that is {kind}, where nobody is asked (the operator's flag \
                 --allow-private-addresses would allow it)"
            ))),
            None => Ok(addresses),
        }
    }
}

impl Check for Checker {
    fn settled(&self, subject: &Subject) -> Option<Outcome> {
        let host = subject.domain.host();
        if subject.method == VerificationMethod::None {
            return Some(if self.settings.allow_unverified {
                Outcome::Shown
            } else {
                Outcome::Barred(format!(
                    "{}: this operator takes no domain without a proof, for which verification.method None asks (the \
                     operator's flag --allow-unverified-domains would allow it)",
                    outcome::mend(subject)
                ))
            });
        }
        if !self.settings.allow_private
            && let Some(why) = reach::bar_host(host, self.dns.clusters())
        {
            return Some(Outcome::Barred(format!(
                "the host {host} {why}, so nobody can show that it is theirs: choose a domain of the public DNS, or \
                 verification.method None where the operator allows it"
            )));
        }
        if subject.challenge().is_none() {
            return Some(Outcome::Barred(format!(
                "the host has {} characters, which leaves no room for a TXT record below it: choose \
                 verification.method HttpWellKnown",
                host.len()
            )));
        }
        None
    }

    async fn ask(&self, subject: &Subject) -> Outcome {
        if let Some(outcome) = self.settled(subject) {
            return outcome;
        }
        let challenge = subject
            .challenge()
            .expect("what is not settled has a challenge");
        let limit = self.settings.timeout;
        let late = |_| Outcome::Unanswered(format!("nothing within {} seconds", limit.as_secs()));
        timeout(limit, self.look(subject, &challenge))
            .await
            .unwrap_or_else(late)
    }
}

fn judge(texts: &[Vec<u8>], value: &str) -> Outcome {
    if texts
        .iter()
        .any(|text| text.trim_ascii() == value.as_bytes())
    {
        return Outcome::Shown;
    }
    Outcome::Contradicted(match texts.len() {
        0 => "nothing, the name has no TXT record".to_owned(),
        1 => "one TXT record with another value".to_owned(),
        count => format!("{count} TXT records with other values"),
    })
}
