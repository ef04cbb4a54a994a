//! Questions to the DNS.
//!
//! Nothing is remembered from one check to the next: a check is there to see what is so now, and the servers that are
//! asked have a cache of their own. `/etc/hosts` plays no part, nor does a search list: each name is asked for as it is.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData};

use super::outcome::Outcome;

/// Asks the DNS.
pub struct Dns {
    resolver: TokioResolver,
    clusters: Vec<String>,
}

/// No name server to ask is known.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The system's configuration names none.
    #[error("/etc/resolv.conf gives no DNS server to ask ({0}): name one with --dns-server")]
    NoServer(NetError),
}

/// A name of its own has this zone in every cluster that was set up without a wish of its own.
const CLUSTER: &str = "cluster.local";

impl Dns {
    /// Asks a server, or those of `/etc/resolv.conf`; waits for an answer for so long, twice.
    pub fn new(server: Option<SocketAddr>, patience: Duration) -> Result<Self, Unusable> {
        let provider = TokioRuntimeProvider::default();
        let mut clusters = vec![CLUSTER.to_owned()];
        let builder = match server {
            Some(server) => TokioResolver::builder_with_config(only(server), provider),
            None => TokioResolver::builder_tokio().map_err(Unusable::NoServer)?,
        };
        if let Ok((system, _)) = hickory_resolver::system_conf::read_system_conf() {
            clusters.extend(system.search().iter().filter_map(cluster_zone));
        }
        let mut options = ResolverOpts::default();
        options.timeout = patience;
        options.attempts = 1;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 0;
        options.positive_max_ttl = Some(Duration::ZERO);
        options.negative_max_ttl = Some(Duration::ZERO);
        let resolver = builder.with_options(options).build();
        Ok(Self {
            resolver: resolver.map_err(Unusable::NoServer)?,
            clusters,
        })
    }

    /// The zones of the cluster's own names.
    pub fn clusters(&self) -> &[String] {
        &self.clusters
    }

    /// The TXT records of a name, each with its strings put together (RFC 7208 section 3.3 does so, too).
    pub async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, Outcome> {
        let answer = self.resolver.txt_lookup(absolute(name)?).await;
        let answer = answer.map_err(|error| outcome(&error, "TXT record"))?;
        let texts = answer
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            });
        Ok(texts.collect())
    }

    /// The addresses of a host.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Outcome> {
        let name = absolute(host)?;
        let (v4, v6) = tokio::join!(
            self.resolver.ipv4_lookup(name.clone()),
            self.resolver.ipv6_lookup(name),
        );
        let outcomes = match (v4, v6) {
            (Err(v4), Err(v6)) => [outcome(&v4, "address"), outcome(&v6, "address")],
            (v4, v6) => {
                let answers = [v4, v6].into_iter().flatten();
                let records = answers.flat_map(|answer| answer.answers().to_vec());
                return Ok(records.filter_map(|record| record.data.ip_addr()).collect());
            }
        };
        // That there is none is only sure if both questions were answered.
        let [v4, v6] = outcomes;
        Err(match v4 {
            Outcome::Contradicted(_) => v6,
            unanswered => unanswered,
        })
    }
}

fn only(server: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.into());
    ResolverConfig::from_name_servers(vec![server])
}

/// kubelet's search list says what the cluster's zone is: it holds `svc.<zone>`.
fn cluster_zone(search: &Name) -> Option<String> {
    let text = search.to_ascii().to_ascii_lowercase();
    let zone = text.trim_end_matches('.').strip_prefix("svc.")?;
    (!zone.is_empty()).then(|| zone.to_owned())
}

fn absolute(name: &str) -> Result<Name, Outcome> {
    let mut name = name.to_owned();
    name.push('.');
    Name::from_ascii(&name)
        .map_err(|_| Outcome::Contradicted("a name that the DNS cannot hold".to_owned()))
}

/// What a failure says about the domain: that something is not there, or nothing.
fn outcome(error: &NetError, wanted: &str) -> Outcome {
    let code = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => {
                return Outcome::Contradicted("nothing, the name does not exist".to_owned());
            }
            ResponseCode::NoError => {
                return Outcome::Contradicted(format!("nothing, the name has no {wanted}"));
            }
            code => code,
        },
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        NetError::Timeout => {
            return Outcome::Unanswered("the DNS server does not answer in time".to_owned());
        }
        // Of the errors themselves some repeat what the server sent.
        _ => {
            let label = error.as_metrics_label();
            return Outcome::Unanswered(format!("the DNS server cannot be asked ({label})"));
        }
    };
    let mut text = "the DNS server says ".to_owned();
    let written = match code {
        ResponseCode::ServFail => write!(text, "SERVFAIL, that it could not find out"),
        ResponseCode::Refused => write!(text, "REFUSED, that it does not want to answer"),
        code => write!(text, "error {}", u16::from(code)),
    };
    written.expect("a text can be written to");
    Outcome::Unanswered(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clusters_zone_stands_in_the_search_list() {
        let zone = |text| cluster_zone(&Name::from_ascii(text).unwrap());
        assert_eq!(zone("svc.cluster.local"), Some("cluster.local".to_owned()));
        assert_eq!(zone("svc.K8s.corp."), Some("k8s.corp".to_owned()));
        assert_eq!(zone("default.svc.cluster.local"), None);
        assert_eq!(zone("corp.example"), None);
        assert_eq!(zone("svc"), None);
    }
}
