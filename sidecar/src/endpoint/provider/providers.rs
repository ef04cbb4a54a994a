//! What is known of providers: their documents and keys, for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mintage_core::upstream::{Fault, Keys, Metadata, ProviderIssuer};
use mintage_core::{Seconds, UnixTime};

use super::web::{Reach, Web};

/// How long a provider's documents are used.
const FRESH: Seconds = 3600;

/// How long between two requests for keys that are asked for because one is unknown: whoever makes tokens up could cause them.
const KEYS_EVERY: Seconds = 30;

/// How long a provider that failed is not asked again.
const RETRY: Seconds = 5;

/// All providers that were asked.
pub struct Providers {
    pub(super) web: Web,
    /// By issuer, which Tenants name: there are few.
    slots: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// One provider. Who asks waits for who is asking already.
#[derive(Default)]
struct Slot {
    known: Option<Known>,
    failed: Option<(UnixTime, Fault)>,
}

/// What is known of a provider.
#[derive(Clone)]
pub struct Known {
    /// Its discovery document.
    pub metadata: Arc<Metadata>,
    /// Its keys.
    pub keys: Arc<Keys>,
    read_at: UnixTime,
    keys_at: UnixTime,
}

impl Default for Providers {
    fn default() -> Self {
        Self::new(Reach::default())
    }
}

impl Providers {
    /// Of none of which anything is known.
    pub fn new(reach: Reach) -> Self {
        Self {
            web: Web::new(reach),
            slots: Mutex::default(),
        }
    }

    fn slot(&self, issuer: &ProviderIssuer) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(issuer.as_str().to_owned()).or_default();
        Arc::clone(slot)
    }

    /// A provider's documents, read an hour ago at most.
    pub async fn find(&self, issuer: &ProviderIssuer, now: UnixTime) -> Result<Known, Fault> {
        let slot = self.slot(issuer);
        let mut slot = slot.lock().await;
        if let Some(known) = &slot.known
            && is_within(known.read_at, FRESH, now)
        {
            return Ok(known.clone());
        }
        if let Some((at, fault)) = slot.failed
            && is_within(at, RETRY, now)
        {
            return Err(fault);
        }
        let read = self.read(issuer, now).await;
        slot.failed = read.as_ref().err().map(|fault| (now, *fault));
        slot.known = read.as_ref().ok().cloned();
        read
    }

    /// The same with keys read again, for a token under a key that is not among them; unless they were read just now.
    pub async fn find_anew(&self, issuer: &ProviderIssuer, now: UnixTime) -> Result<Known, Fault> {
        let known = self.find(issuer, now).await?;
        let slot = self.slot(issuer);
        let mut slot = slot.lock().await;
        let known = slot.known.clone().unwrap_or(known);
        if is_within(known.keys_at, KEYS_EVERY, now) {
            return Ok(known);
        }
        let keys = self.keys(&known.metadata).await;
        let renewed = Known {
            // Those that could not be read are not asked for at once again, either.
            keys: keys
                .as_ref()
                .map_or_else(|_| Arc::clone(&known.keys), Arc::clone),
            keys_at: now,
            ..known
        };
        slot.known = Some(renewed.clone());
        keys.map(|_| renewed)
    }

    async fn read(&self, issuer: &ProviderIssuer, now: UnixTime) -> Result<Known, Fault> {
        let document = self.web.get(&issuer.discovery(), None).await?;
        let metadata = Metadata::parse(issuer, &document)?;
        Ok(Known {
            keys: self.keys(&metadata).await?,
            metadata: Arc::new(metadata),
            read_at: now,
            keys_at: now,
        })
    }

    async fn keys(&self, metadata: &Metadata) -> Result<Arc<Keys>, Fault> {
        let document = self.web.get(metadata.jwks_uri.as_str(), None).await?;
        Keys::parse(&document).map(Arc::new)
    }
}

/// Whether a moment is less than so many seconds ago; one of the future, of a clock that was set back, is not.
fn is_within(at: UnixTime, life: Seconds, now: UnixTime) -> bool {
    (0..life).contains(&(now - at))
}
