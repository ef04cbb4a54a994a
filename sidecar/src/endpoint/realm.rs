//! A tenant, ready for use at its endpoint.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mintage_core::bundle::{InvalidKeyringFile, KeyringFile, Stamped};
use mintage_core::endpoint::{Config, InvalidUser, Master, Signers, Unread, User, Users};
use mintage_core::jose::InvalidJwk;
use mintage_core::jwks::{self, Jwks};
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::verify::Verifier;
use mintage_core::world::{Connection, Source};
use mintage_core::{ObjectName, UnixTime, UserId, text};

use super::pages::{Link, Look};
use super::provider::Provider;

/// One tenant with its keys and users, swapped as a whole.
#[derive(Debug)]
pub struct Realm {
    /// What it goes by.
    pub config: Config,
    /// Which version of that it is.
    pub version: u64,
    /// When that does not count any more.
    pub ends_at: UnixTime,
    /// Everything secret but signing keys.
    pub master: Master,
    /// The tenant's own keys.
    pub signers: Signers,
    /// Judges tokens of the tenant.
    pub verifier: Verifier,
    /// How its pages look.
    pub look: Look,
    /// The users of each connection of that kind.
    users: BTreeMap<ObjectName, Users>,
    /// The connections with providers, in the tenant's order.
    providers: Vec<Provider>,
    /// Proxies whose word on the client counts.
    proxies: Vec<(IpAddr, u8)>,
}

/// A realm, and what of it could not be used, in words with the mend.
#[derive(Debug)]
pub struct Made {
    /// The realm.
    pub realm: Realm,
    /// Its complaints. None of them repeats a secret.
    pub complaints: Vec<String>,
}

/// Why there is no realm.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// A public key cannot be parsed.
    #[error("a key of the tenant is unusable: {0}")]
    Jwk(#[from] InvalidJwk),
    /// A private key cannot be used.
    #[error(transparent)]
    Keyring(#[from] InvalidKeyringFile),
}

/// The entries of a Secret.
pub type Entries = BTreeMap<String, Vec<u8>>;

impl Realm {
    /// Makes a realm. `secrets` gives the entries of a Secret of the tenant's namespace, if it is there. A connection that
    /// cannot be read is left out, and the others go on.
    pub fn make(
        told: Stamped<Config>,
        master: Master,
        keyring: &KeyringFile,
        mut secrets: impl FnMut(&ObjectName) -> Option<Entries>,
    ) -> Result<Made, NotMade> {
        let (version, ends_at) = (told.version, told.ends_at());
        let config = told.body;
        let mut complaints = Vec::new();
        let (mut users, mut providers) = (BTreeMap::new(), Vec::new());
        for connection in &config.login.connections {
            let Source::Users { secret } = &connection.source else {
                match Provider::of(connection, &config.tenant.namespace, &mut secrets) {
                    Some(Ok(provider)) => providers.push(provider),
                    Some(Err(why)) => complaints.push(format!(
                        "connection {}: {why}; nobody signs in by it",
                        connection.name
                    )),
                    None => {}
                }
                continue;
            };
            let entries = secrets(secret);
            match entries.map(|entries| read_users(&connection.name, &entries)) {
                Some((read, wrong)) => {
                    users.insert(connection.name.clone(), read);
                    complaints.extend(wrong.into_iter().map(|why| {
                        format!(
                            "connection {}: Secret {}/{secret}: {why}; the others sign in",
                            connection.name, config.tenant.namespace
                        )
                    }));
                }
                None => complaints.push(format!(
                    "connection {name}: Secret {namespace}/{secret} is not there; nobody signs in by it until `mintage users add <name> -n {namespace} --secret {secret}` has made it",
                    name = connection.name, namespace = config.tenant.namespace
                )),
            }
        }
        let proxies = config.login.trusted_proxies.iter().filter_map(|text| {
            let read = network(text);
            if read.is_none() {
                complaints.push(format!(
                    "trustedProxies: {text} is no network and is left out"
                ));
            }
            read
        });
        let proxies = proxies.collect();
        let realm = Self {
            signers: Signers::open(&config.keys, keyring)?,
            verifier: Verifier::new(&config.as_bundle())?,
            look: look(&config),
            master,
            users,
            providers,
            proxies,
            version,
            ends_at,
            config,
        };
        Ok(Made { realm, complaints })
    }

    /// The users of a connection.
    pub fn users(&self, connection: &str) -> Option<&Users> {
        self.users.get(connection)
    }

    /// All connections with passwords, by name.
    pub fn with_passwords(&self) -> impl Iterator<Item = (&ObjectName, &Users)> {
        self.users.iter()
    }

    /// The user of that name, as the Secret of its connection has it now.
    pub fn user(&self, id: &UserId) -> Result<Option<&User>, Unread> {
        if let Some(users) = self.users(id.connection()) {
            return users.get(id);
        }
        let mut all = self.config.login.connections.iter();
        let is_unread = all.any(|it| {
            it.name.as_str() == id.connection() && matches!(it.source, Source::Users { .. })
        });
        if is_unread { Err(Unread) } else { Ok(None) }
    }

    /// All connections with providers that can be asked, in the tenant's order.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    /// The provider of a connection, if it can be asked.
    pub fn provider(&self, connection: &str) -> Option<&Provider> {
        self.providers()
            .find(|provider| provider.name.as_str() == connection)
    }

    /// The connections that the tenant declares and by which nobody signs in.
    pub fn unusable(&self) -> impl Iterator<Item = &Connection> {
        let all = self.config.login.connections.iter();
        all.filter(|it| {
            self.users(it.name.as_str()).is_none() && self.provider(it.name.as_str()).is_none()
        })
    }

    /// Whether the tenant declares a connection.
    pub fn has_connection(&self, name: &str) -> bool {
        let mut all = self.config.login.connections.iter();
        all.any(|connection| connection.name.as_str() == name)
    }

    /// The provider's issuer that the tenant declares for a connection, also while it cannot be asked: a Secret that is missing
    /// for a moment ends nothing.
    pub fn issuer_of(&self, connection: &str) -> Option<&str> {
        let mut all = self.config.login.connections.iter();
        let found = all.find(|it| it.name.as_str() == connection)?;
        match &found.source {
            Source::Oidc { issuer, .. } => Some(issuer),
            Source::Users { .. } => None,
        }
    }

    /// Whether the word of a proxy at an address counts.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies
            .iter()
            .any(|(network, length)| contains(*network, *length, peer))
    }

    /// The public key set.
    pub fn jwks(&self, now: UnixTime) -> Jwks {
        let keyring = Keyring {
            owner: Owner::tenant(self.config.tenant.clone()),
            tenant_uid: self.config.tenant_uid.clone(),
            namespace_uid: None,
            keys: self.config.keys.clone(),
        };
        jwks::public(&keyring, self.config.allow_non_rsa, now)
    }
}

fn read_users(connection: &ObjectName, entries: &Entries) -> (Users, Vec<InvalidUser>) {
    let entries = entries.iter();
    let entries = entries.map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    Users::read(connection.as_str(), entries)
}

fn look(config: &Config) -> Look {
    let theme = &config.login.theme;
    let link = |url: &Option<String>| url.as_deref().and_then(|url| Link::parse(url).ok());
    let name = (config.login.name.clone()).filter(|name| text::shows(name));
    Look {
        name: name.unwrap_or_else(|| config.tenant.name.to_string()),
        logo: link(&theme.logo_url),
        colour: theme
            .primary_color
            .as_deref()
            .and_then(|colour| colour.parse().ok()),
        support: link(&theme.support_url),
    }
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
