//! Where a tenant's users come from, and who is believed about where requests do.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use mintage_core::ObjectName;
use mintage_core::endpoint::{Config, InvalidUser, Users};
use mintage_core::world::{GrantType, Source};

use super::provider::Provider;

/// The entries of a Secret.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// The connections of a tenant that can be used, and its proxies.
#[derive(Debug)]
pub struct Sources {
    /// The users of each connection of that kind.
    pub(super) users: BTreeMap<ObjectName, Users>,
    /// The connections with providers, in the tenant's order.
    pub(super) providers: Vec<Provider>,
    /// Proxies whose word on the client counts.
    proxies: Vec<(IpAddr, u8)>,
}

/// What of a tenant's wishes could not be used. It repeats no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// What it is about.
    pub about: About,
    /// What is wrong, and what comes of it.
    pub text: String,
    /// What to do, where the text does not say it.
    pub mend: Option<String>,
}

/// What a complaint is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum About {
    /// The connection at this place of the tenant's list.
    Connection(usize),
    /// There is no connection.
    NoConnection,
    /// The entry of `trustedProxies` at this place.
    Proxy(usize),
    /// The Secret of a connection is not there.
    Secret {
        /// The connection's place in the tenant's list.
        connection: usize,
        /// The Secret.
        secret: ObjectName,
        /// Whether users are to be in it.
        of_users: bool,
    },
    /// An entry of a Secret of users.
    User {
        /// The Secret.
        secret: ObjectName,
        /// The entry, if it is one.
        entry: Option<String>,
    },
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.mend {
            Some(mend) => write!(f, "; {mend}"),
            None => Ok(()),
        }
    }
}

impl Sources {
    /// Reads what a tenant says of its users. `secrets` gives the entries of a Secret of the tenant's namespace, if it is there. A
    /// connection that cannot be read is left out, and the others go on.
    pub fn read(
        config: &Config,
        mut secrets: impl FnMut(&ObjectName) -> Option<Entries>,
    ) -> (Self, Vec<Complaint>) {
        let mut sources = Self {
            users: BTreeMap::new(),
            providers: Vec::new(),
            proxies: Vec::new(),
        };
        let mut complaints = Vec::new();
        let login = &config.login;
        let mut applications = config.applications.values();
        if login.connections.is_empty()
            && applications.any(|it| it.may(GrantType::AuthorizationCode))
        {
            complaints.push(Complaint {
                about: About::NoConnection,
                text: format!(
                    "tenant {} has applications that sign users in, and its users sign in nowhere",
                    config.tenant
                ),
                mend: Some("add a connection to spec.login.connections".to_owned()),
            });
        }
        for (index, connection) in login.connections.iter().enumerate() {
            let name = &connection.name;
            let wanted = match &connection.source {
                Source::Oidc { client_secret, .. } => client_secret.as_ref(),
                Source::Users { secret } => Some(secret),
            };
            let of_users = matches!(connection.source, Source::Users { .. });
            let entries = match wanted.map(|secret| (secret, secrets(secret))) {
                Some((secret, None)) => {
                    complaints.push(absent(config, index, secret, of_users));
                    continue;
                }
                Some((_, entries)) => entries,
                None => None,
            };
            match &connection.source {
                Source::Users { secret } => {
                    let (read, wrong) = read_users(name, &entries.unwrap_or_default());
                    let namespace = &config.tenant.namespace;
                    complaints.extend(wrong.into_iter().map(|why| Complaint {
                        text: format!(
                            "connection {name}: Secret {namespace}/{secret}: {why}; the others sign in"
                        ),
                        about: About::User {
                            secret: secret.clone(),
                            entry: why.entry().map(str::to_owned),
                        },
                        mend: None,
                    }));
                    sources.users.insert(name.clone(), read);
                }
                Source::Oidc { issuer, .. } => {
                    let read = match issuer.strip_suffix(DISCOVERY) {
                        // It is the address that programs are set up with elsewhere.
                        Some(own) => Some(Err(format!(
                            "its issuer is the address of a discovery document; write what stands before that: {own}"
                        ))),
                        None => Provider::of(connection, &config.tenant.namespace, entries),
                    };
                    match read {
                        Some(Ok(provider)) => sources.providers.push(provider),
                        Some(Err(why)) => complaints.push(Complaint {
                            about: About::Connection(index),
                            text: format!("connection {name}: {why}; nobody signs in by it"),
                            mend: None,
                        }),
                        None => {}
                    }
                }
            }
        }
        for (index, text) in login.trusted_proxies.iter().enumerate() {
            match network(text) {
                Some(read) => sources.proxies.push(read),
                None => complaints.push(Complaint {
                    about: About::Proxy(index),
                    text: format!("trustedProxies: {text} is no network and is left out"),
                    mend: Some("write an address and its length, as 10.0.0.0/8".to_owned()),
                }),
            }
        }
        (sources, complaints)
    }

    /// Whether users can sign in by any of the connections, as far as that is known before anybody tries.
    pub fn sign_in(&self) -> bool {
        !self.users.is_empty() || !self.providers.is_empty()
    }

    /// Whether the word of a proxy at an address counts.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies
            .iter()
            .any(|(network, length)| contains(*network, *length, peer))
    }
}

/// Where a provider's discovery document is, below its issuer.
const DISCOVERY: &str = "/.well-known/openid-configuration";

fn absent(config: &Config, connection: usize, secret: &ObjectName, of_users: bool) -> Complaint {
    let namespace = &config.tenant.namespace;
    let name = config.login.connections.get(connection).map(|it| &it.name);
    let name = name.map(ObjectName::as_str).unwrap_or_default();
    let mend = of_users.then(|| {
        format!("`mintage users add <name> -n {namespace} --secret {secret} | kubectl apply --server-side -f -` makes it")
    });
    Complaint {
        about: About::Secret {
            connection,
            secret: secret.clone(),
            of_users,
        },
        text: format!(
            "connection {name}: Secret {namespace}/{secret} is not there; nobody signs in by it"
        ),
        mend,
    }
}

fn read_users(connection: &ObjectName, entries: &Entries) -> (Users, Vec<InvalidUser>) {
    let entries = entries.iter();
    let entries = entries.map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    Users::read(connection.as_str(), entries)
}

/// Reads a network (RFC 4632): address and length.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (length <= most).then_some((address, length))
}

fn contains(network: IpAddr, length: u8, address: IpAddr) -> bool {
    // An IPv4 client of a listener for both comes as ::ffff:a.b.c.d.
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let is_in = |text: &str, address: &str| {
            let (network, length) = network(text).unwrap();
            contains(network, length, address.parse().unwrap())
        };
        assert!(is_in("10.1.0.0/16", "10.1.255.3"));
        assert!(is_in("10.1.0.0/16", "::ffff:10.1.0.1"));
        assert!(!is_in("10.1.0.0/16", "10.2.0.1"));
        assert!(is_in("0.0.0.0/0", "192.0.2.1"));
        assert!(!is_in("0.0.0.0/0", "2001:db8::1"));
        assert!(is_in("fd00::/8", "fd12::1"));
        assert!(!is_in("fd00::/8", "fe80::1"));
        assert!(is_in("192.0.2.7/32", "192.0.2.7"));
        assert!(!is_in("192.0.2.7/32", "192.0.2.6"));
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/"] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
