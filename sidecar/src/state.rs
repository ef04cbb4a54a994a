//! What a sidecar knows: a loaded bundle with its keys, swapped as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use mintage_core::bundle::{
    self, Body, Bundle, InvalidBundle, InvalidKeyringFile, KeyringFile, MAX_SHARDS,
};
use mintage_core::jose::InvalidJwk;
use mintage_core::keyring::{Owner, Schedule};
use mintage_core::mint::Mint;
use mintage_core::verify::{Authentic, NotAccepted, Rejection, Verifier, accepted};
use mintage_core::{Domain, Identifier, Kid, ObjectName, UnixTime, WorkloadId};
use moka::sync::Cache;

use crate::cache::{Reuse, SignOnce};
use crate::clock::Clock;
use crate::files::{self, Files};
use crate::rule::Rule;

/// Who the pod is and what it asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Its namespace and `ServiceAccount`.
    pub workload: WorkloadId,
    /// The names of the audiences it accepts; empty for the only one of its namespace.
    pub accept: Vec<ObjectName>,
    /// The domain that its tokens name as their issuer; `None` for the tenant's own.
    pub domain: Option<Domain>,
}

/// A bundle, ready for use.
#[derive(Debug)]
pub struct Loaded {
    /// The bundle.
    pub bundle: Bundle,
    /// Makes tokens.
    pub mint: Mint,
    /// The audiences that the pod accepts, or why none.
    pub accepted: Result<BTreeSet<Identifier>, NotAccepted>,
    /// One signature a second for equal orders.
    pub sign_once: SignOnce,
    /// Tokens for those who allow older ones.
    pub reuse: Reuse,
    verifier: Verifier,
    authentic: Cache<Arc<str>, Arc<Authentic>>,
    /// Keys that any bundle of this process named as revoked.
    revoked: BTreeSet<Kid>,
    /// The private keys, for the bundle that comes next.
    keyrings: Vec<KeyringFile>,
}

/// What remembered tokens may take, in bytes.
const AUTHENTIC_BYTES: u64 = 2 * 1024 * 1024;

/// A set of files that cannot replace the last good one.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bundle is not whole.
    #[error(transparent)]
    Bundle(#[from] InvalidBundle),
    /// A trusted key cannot be parsed.
    #[error("a trusted key is unusable: {0}")]
    Jwk(#[from] InvalidJwk),
    /// A keyring cannot be used.
    #[error(transparent)]
    Keyring(#[from] InvalidKeyringFile),
    /// There is no keyring.
    #[error("{} is missing", files::KEYRING)]
    NoKeyring,
    /// The files are older than those in use.
    #[error("version {found} is older than version {loaded}, which is in use")]
    Older {
        /// The version of the files.
        found: u64,
        /// The version in use.
        loaded: u64,
    },
    /// The files are for somebody else.
    #[error("the files are for {found}, and this is a pod of {expected}")]
    Stranger {
        /// Whom they are for.
        found: String,
        /// Whom they should be for.
        expected: String,
    },
}

impl Loaded {
    /// Makes files ready for use. `previous` is what they replace: they must be of the same tenant and namespace and
    /// not older, and what it knew as revoked stays revoked.
    pub fn build(
        now: UnixTime,
        files: &Files,
        identity: &Identity,
        previous: Option<&Self>,
    ) -> Result<Self, LoadError> {
        let names: Vec<String> = (0..MAX_SHARDS).map(files::bundle_name).collect();
        let shards: Vec<Option<&[u8]>> = names.iter().map(|name| files.get(name)).collect();
        let mut bundle = bundle::join(&shards)?;
        check_place(&bundle, identity, previous)?;
        let revoked = revoke(now, &mut bundle.body, previous);
        let mut keyrings = read_keyrings(files, &bundle.body)?;
        keep_needed(now, &mut keyrings, &bundle.body, previous);
        let weigh = |token: &Arc<str>, _: &Arc<Authentic>| {
            u32::try_from(token.len() * 3).unwrap_or(u32::MAX)
        };
        Ok(Self {
            mint: Mint::new(
                &bundle.body,
                identity.workload.clone(),
                identity.domain.as_ref(),
                &keyrings,
            )?,
            verifier: Verifier::new(&bundle.body)?,
            accepted: accepted(&bundle.body, &identity.accept),
            sign_once: SignOnce::default(),
            reuse: Reuse::default(),
            authentic: Cache::builder()
                .max_capacity(AUTHENTIC_BYTES)
                .weigher(weigh)
                .build(),
            revoked,
            keyrings,
            bundle,
        })
    }

    /// The verifier.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Finds who signed a token. A signature that was good is remembered with the whole token as the name; whether the
    /// token is good now is another question ([`Verifier::judge`]).
    pub fn authenticate(&self, token: &str, now: UnixTime) -> Result<Arc<Authentic>, Rejection> {
        if let Some(known) = self.authentic.get(token) {
            return Ok(known);
        }
        let authentic = Arc::new(self.verifier.authenticate(token, now)?);
        self.authentic.insert(token.into(), Arc::clone(&authentic));
        Ok(authentic)
    }

    /// How old the data is, in seconds.
    pub fn age(&self, now: UnixTime) -> i64 {
        (now - self.bundle.renewed_at).max(0)
    }
}

fn check_place(
    bundle: &Bundle,
    identity: &Identity,
    previous: Option<&Loaded>,
) -> Result<(), LoadError> {
    let found = format!(
        "namespace {} under tenant {}",
        bundle.body.namespace, bundle.body.tenant
    );
    if bundle.body.namespace != identity.workload.namespace {
        let expected = format!("namespace {}", identity.workload.namespace);
        return Err(LoadError::Stranger { found, expected });
    }
    let Some(previous) = previous.map(|loaded| &loaded.bundle) else {
        return Ok(());
    };
    if bundle.body.tenant != previous.body.tenant
        || bundle.body.tenant_uid != previous.body.tenant_uid
    {
        let expected = format!(
            "tenant {} (uid {})",
            previous.body.tenant, previous.body.tenant_uid
        );
        return Err(LoadError::Stranger {
            found: format!("{found} (uid {})", bundle.body.tenant_uid),
            expected,
        });
    }
    if bundle.version < previous.version {
        return Err(LoadError::Older {
            found: bundle.version,
            loaded: previous.version,
        });
    }
    Ok(())
}

/// Revokes in the new bundle what any earlier one had revoked; gives all that is revoked now.
fn revoke(now: UnixTime, body: &mut Body, previous: Option<&Loaded>) -> BTreeSet<Kid> {
    let mut revoked = previous
        .map(|loaded| loaded.revoked.clone())
        .unwrap_or_default();
    for trusted in &mut body.keys {
        if revoked.contains(trusted.key.kid()) {
            trusted.key = trusted.key.clone().revoke(now);
        }
        if matches!(trusted.key.schedule, Schedule::Revoked { .. }) {
            revoked.insert(trusted.key.kid().clone());
        }
    }
    revoked
}

fn read_keyrings(files: &Files, body: &Body) -> Result<Vec<KeyringFile>, LoadError> {
    let own = Owner::namespace(body.tenant.clone(), body.namespace.clone());
    let tenant = Owner::tenant(body.tenant.clone());
    let mut keyrings = vec![read_keyring(
        files.get(files::KEYRING).ok_or(LoadError::NoKeyring)?,
        &own,
    )?];
    if let Some(bytes) = files.get(files::TENANT_KEYRING) {
        keyrings.push(read_keyring(bytes, &tenant)?);
    }
    Ok(keyrings)
}

/// Keeps private keys that a damaged keyring lost, as long as the bundle has them sign: their successors are published
/// and may not sign yet, and nobody is to notice (fault F5).
fn keep_needed(
    now: UnixTime,
    keyrings: &mut [KeyringFile],
    body: &Body,
    previous: Option<&Loaded>,
) {
    let Some(previous) = previous else { return };
    for keyring in keyrings {
        let before = previous.keyrings.iter();
        for lost in before
            .filter(|file| file.owner == keyring.owner)
            .flat_map(|file| &file.keys)
        {
            let is_there = keyring.keys.iter().any(|entry| entry.kid == lost.kid);
            let keys = body.keys.iter().map(|trusted| &trusted.key);
            let needed = keys
                .filter(|key| *key.kid() == lost.kid)
                .any(|key| key.needs_private(now));
            if needed && !is_there {
                keyring.keys.push(lost.clone());
            }
        }
    }
}

fn read_keyring(bytes: &[u8], owner: &Owner) -> Result<KeyringFile, LoadError> {
    let file = KeyringFile::parse(bytes)?;
    if file.owner == *owner {
        Ok(file)
    } else {
        Err(LoadError::Stranger {
            found: file.owner.to_string(),
            expected: owner.to_string(),
        })
    }
}

/// Why nothing can be answered at the moment.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// Nothing was loaded yet.
    #[error("no usable bundle has arrived yet (bundle-missing: try again shortly)")]
    Missing,
    /// What is loaded is too old.
    #[error(
        "the bundle was last confirmed {age} s ago, and the tenant allows {max_age} s (bundle-too-old: the operator or kubelet has not renewed it)"
    )]
    TooOld {
        /// Its age in seconds.
        age: i64,
        /// The tenant's `maxBundleAge` in seconds.
        max_age: i64,
    },
}

impl Unusable {
    /// The rule.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Missing => Rule::BundleMissing,
            Self::TooOld { .. } => Rule::BundleTooOld,
        }
    }
}

/// The current bundle, shared by all requests.
pub struct Shared {
    current: ArcSwapOption<Loaded>,
    /// Why the newest files are not the ones in use.
    complaint: ArcSwapOption<String>,
    clock: Arc<dyn Clock>,
    draining: AtomicBool,
}

impl Shared {
    /// Nothing loaded yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            complaint: ArcSwapOption::empty(),
            clock,
            draining: AtomicBool::new(false),
        }
    }

    /// Now.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// What is loaded, usable or not.
    pub fn current(&self) -> Option<Arc<Loaded>> {
        self.current.load_full()
    }

    /// What is loaded, if it may be used.
    pub fn usable(&self, now: UnixTime) -> Result<Arc<Loaded>, Unusable> {
        let loaded = self.current.load_full().ok_or(Unusable::Missing)?;
        let (age, max_age) = (loaded.age(now), loaded.bundle.body.max_age);
        if age > max_age {
            Err(Unusable::TooOld { age, max_age })
        } else {
            Ok(loaded)
        }
    }

    /// Loads files in place of what is loaded, or leaves that.
    pub fn load(&self, files: &Files, identity: &Identity) -> Result<(), LoadError> {
        let previous = self.current.load_full();
        let loaded = Loaded::build(self.now(), files, identity, previous.as_deref())?;
        self.current.store(Some(Arc::new(loaded)));
        self.complain(None);
        Ok(())
    }

    /// Why the newest files are not the ones in use; `None` if they are.
    pub fn complaint(&self) -> Option<Arc<String>> {
        self.complaint.load_full()
    }

    /// Says why the newest files are not the ones in use, or that they are.
    pub fn complain(&self, complaint: Option<String>) {
        self.complaint.store(complaint.map(Arc::new));
    }

    /// No longer ready: the process is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
