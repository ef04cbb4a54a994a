//! Loads what the operator tells, and again whenever it changes. Files that cannot be used leave the last good ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mintage_core::bundle::{
    self, InvalidBundle, InvalidKeyringFile, KeyringFile, MAX_SHARDS, Stamped,
};
use mintage_core::endpoint::{Config, InvalidMasterFile, MasterFile};
use mintage_core::keyring::{Owner, Schedule};
use mintage_core::{Domain, Kid, ObjectName, UnixTime};
use tokio::time::sleep;

use super::certificates::Certificates;
use super::mark::Mark;
use super::standing::Standing;
use crate::clock::{Clock as _, SystemClock};
use crate::endpoint::{Made, NotMade, Realm, Realms};
use crate::files::{Files, TENANT_KEYRING, UnreadableFiles};
use crate::server::TlsConfig;

/// How often it is looked whether anything changed.
const POLL: Duration = Duration::from_secs(1);

/// The file with everything secret of the tenant but its signing keys.
pub const MASTER: &str = "master.json";

/// The name of a shard of what the endpoint is told.
pub fn shard_name(index: usize) -> String {
    format!("endpoint-{index}")
}

/// Keeps folders loaded.
pub struct Loader {
    dir: PathBuf,
    secrets: PathBuf,
    realms: Realms,
    tls: TlsConfig,
    standing: Arc<Standing>,
    mark: Option<Mark>,
    realm: Option<Arc<Realm>>,
    certificates: Certificates,
    /// What was refused once is refused for good.
    revoked: BTreeSet<Kid>,
    /// What was said of what could not be used.
    said: Vec<String>,
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("the certificates cannot be served: {0}")]
    Certificates(#[from] rustls::Error),
    #[error(transparent)]
    Keyring(#[from] InvalidKeyringFile),
    #[error(transparent)]
    Master(#[from] InvalidMasterFile),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error(transparent)]
    NotMade(#[from] NotMade),
    #[error("version {found} is older than version {loaded}, which is in use")]
    Older { found: u64, loaded: u64 },
    #[error(transparent)]
    Shards(#[from] InvalidBundle),
    #[error("{0} is of another tenant, or of another life of it")]
    Stranger(&'static str),
    #[error(transparent)]
    Unreadable(#[from] UnreadableFiles),
}

impl Loader {
    /// For folders that are not loaded yet.
    pub fn new(
        dir: &Path,
        secrets: &Path,
        realms: Realms,
        tls: TlsConfig,
        standing: Arc<Standing>,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            secrets: secrets.to_owned(),
            realms,
            tls,
            standing,
            mark: None,
            realm: None,
            certificates: Certificates::default(),
            revoked: BTreeSet::new(),
            said: Vec::new(),
        }
    }

    /// Loads now, and then whenever something changes; never returns. Parsing takes time, so it is done beside the workers
    /// that answer requests.
    pub async fn run(mut self) {
        loop {
            let look = tokio::task::spawn_blocking(move || {
                self.look(SystemClock.now());
                self
            });
            self = match look.await {
                Ok(back) => back,
                Err(error) => {
                    // It is cancelled when the process ends meanwhile, and that is nothing to report.
                    if error.is_panic() {
                        tracing::error!(
                            event = "reload-ended",
                            "loading panicked; what was loaded last stays"
                        );
                    }
                    return;
                }
            };
            sleep(POLL).await;
        }
    }

    fn look(&mut self, now: UnixTime) {
        let mark = Mark::of(&self.dir, &self.secrets);
        if self.mark.as_ref() != Some(&mark) {
            let loaded = self.load(now);
            // What could not be read may be readable the next time, though nothing changed.
            let is_whole = match &loaded {
                Ok(whole) => *whole,
                Err(error) => !matches!(error, LoadError::Unreadable(_)),
            };
            match loaded {
                Ok(_) => {
                    self.standing.complain(None);
                }
                Err(error) => {
                    let kept_version = self.realm.as_ref().map(|realm| realm.version);
                    let reason = error.to_string();
                    if self.standing.complain(Some(reason.clone())) {
                        tracing::warn!(event = "endpoint-refused", reason, kept_version);
                    }
                }
            }
            self.mark = is_whole.then_some(mark);
        }
        self.serve(now);
    }

    /// Serves the domains that count now: some begin and end by the clock.
    fn serve(&self, now: UnixTime) {
        let Some(realm) = &self.realm else { return };
        let used = realm.config.domains.iter();
        let used = used.filter(|(_, term)| term.is_used(now));
        let by_domain: BTreeMap<Domain, Arc<Realm>> = used
            .map(|(domain, _)| (domain.clone(), Arc::clone(realm)))
            .collect();
        let served = self.realms.load();
        let is_same = served.len() == by_domain.len()
            && by_domain
                .iter()
                .all(|(domain, realm)| served.get(domain).is_some_and(|of| Arc::ptr_eq(of, realm)));
        if !is_same {
            self.realms.store(Arc::new(by_domain));
        }
    }

    /// Loads what is there; whether all of it could be read.
    fn load(&mut self, now: UnixTime) -> Result<bool, LoadError> {
        let files = Files::read_all(&self.dir)?;
        let mut told = read_told(&files)?;
        let (tenant, uid) = (&told.body.tenant, &told.body.tenant_uid);
        if let Some(realm) = &self.realm {
            let known = &realm.config;
            if known.tenant != *tenant || known.tenant_uid != *uid {
                return Err(LoadError::Stranger("what the endpoint is told"));
            }
            if told.version < realm.version {
                return Err(LoadError::Older {
                    found: told.version,
                    loaded: realm.version,
                });
            }
        }
        let master = MasterFile::parse(files.get(MASTER).ok_or(LoadError::Missing(MASTER))?)?;
        if master.tenant_uid != *uid {
            return Err(LoadError::Stranger(MASTER));
        }
        let keyring = files.get(TENANT_KEYRING);
        let keyring = KeyringFile::parse(keyring.ok_or(LoadError::Missing(TENANT_KEYRING))?)?;
        if keyring.owner != Owner::tenant(tenant.clone()) {
            return Err(LoadError::Stranger(TENANT_KEYRING));
        }
        self.revoke(now, &mut told.body);

        let certificates = told.body.certificates.clone();
        let mut unreadable = Vec::new();
        let mut secret = |name: &ObjectName| {
            let files = Files::read_all(&self.secrets.join(name.as_str()));
            match files {
                // A Secret that is not there is mounted as an empty folder.
                Ok(files) => (!files.is_empty()).then_some(files),
                Err(error) => {
                    unreadable.push(error.to_string());
                    None
                }
            }
        };
        let entries = |files: Files| {
            let files = files.iter();
            files
                .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
                .collect()
        };
        let Made { realm, complaints } = Realm::make(told, master.master, &keyring, |name| {
            secret(name).map(entries)
        })?;
        let mut complaints: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        complaints.extend(self.certificates.take_up(&certificates, secret));
        self.standing.without_tls(self.no_tls(&realm.config));
        let is_whole = unreadable.is_empty();
        complaints.extend(unreadable);
        self.tls.store(Arc::new(self.certificates.config()?));
        tracing::info!(
            event = "endpoint-loaded",
            version = realm.version,
            tenant = %realm.config.tenant,
            applications = realm.config.applications.len(),
        );
        self.realm = Some(Arc::new(realm));
        for complaint in complaints.iter().filter(|text| !self.said.contains(text)) {
            tracing::warn!(event = "endpoint-lacks", "{complaint}");
        }
        self.said = complaints;
        Ok(is_whole)
    }

    /// Why nobody can be answered at the tenant's own domain, which has a certificate and no proxy in front.
    fn no_tls(&self, config: &Config) -> Option<String> {
        let name = config.certificates.get(&config.domain)?;
        let is_served = self.certificates.has(&config.domain);
        let is_lost = !is_served && config.login.trusted_proxies.is_empty();
        is_lost.then(|| {
            let (domain, namespace) = (&config.domain, &config.tenant.namespace);
            format!("there is no certificate for {domain}: see Secret {namespace}/{name}, and endpoint-lacks in the log")
        })
    }

    /// Revokes what anything that was told earlier had revoked.
    fn revoke(&mut self, now: UnixTime, config: &mut Config) {
        for key in &mut config.keys {
            if self.revoked.contains(key.kid()) {
                *key = key.clone().revoke(now);
            }
            if matches!(key.schedule, Schedule::Revoked { .. }) {
                self.revoked.insert(key.kid().clone());
            }
        }
    }
}

fn read_told(files: &Files) -> Result<Stamped<Config>, InvalidBundle> {
    let names: Vec<String> = (0..MAX_SHARDS).map(shard_name).collect();
    let shards: Vec<Option<&[u8]>> = names.iter().map(|name| files.get(name)).collect();
    bundle::join(&shards)
}
