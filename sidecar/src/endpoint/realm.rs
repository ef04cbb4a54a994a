//! A tenant, ready for use at its endpoint.

use mintage_core::bundle::{InvalidKeyringFile, KeyringFile, Stamped};
use mintage_core::endpoint::{Config, Master, Signers, Unread, User, Users};
use mintage_core::jose::InvalidJwk;
use mintage_core::jwks::{self, Jwks};
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::verify::Verifier;
use mintage_core::world::{Connection, Source};
use mintage_core::{ObjectName, UnixTime, UserId, text};

use super::pages::{Link, Look};
use super::provider::Provider;
use super::sources::{Complaint, Entries, Sources};

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
    /// Where its users come from.
    pub sources: Sources,
}

/// A realm, and what of it could not be used.
#[derive(Debug)]
pub struct Made {
    /// The realm.
    pub realm: Realm,
    /// Its complaints.
    pub complaints: Vec<Complaint>,
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

impl Realm {
    /// Makes a realm. `secrets` gives the entries of a Secret of the tenant's namespace, if it is there. A connection that
    /// cannot be read is left out, and the others go on.
    pub fn make(
        told: Stamped<Config>,
        master: Master,
        keyring: &KeyringFile,
        secrets: impl FnMut(&ObjectName) -> Option<Entries>,
    ) -> Result<Made, NotMade> {
        let (version, ends_at) = (told.version, told.ends_at());
        let config = told.body;
        let (sources, complaints) = Sources::read(&config, secrets);
        let realm = Self {
            signers: Signers::open(&config.keys, keyring)?,
            verifier: Verifier::new(&config.as_bundle())?,
            look: look(&config),
            master,
            sources,
            version,
            ends_at,
            config,
        };
        Ok(Made { realm, complaints })
    }

    /// The users of a connection.
    pub fn users(&self, connection: &str) -> Option<&Users> {
        self.sources.users.get(connection)
    }

    /// All connections with passwords, by name.
    pub fn with_passwords(&self) -> impl Iterator<Item = (&ObjectName, &Users)> {
        self.sources.users.iter()
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
        self.sources.providers.iter()
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
