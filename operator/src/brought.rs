//! Keys that admins bring: Secrets with the label `mintage.dev/signing-key: "true"` that a Tenant of their namespace names
//! in `signing.keySecretRef`.
//!
//! Each entry is a private key in PEM (PKCS#8), named by its algorithm: `RS256.pem`, `ES256.pem`. `tls.key`, as
//! `kubectl create secret tls` names it, counts as RS256. Only the leader reads them, and it writes none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use mintage_core::bundle::PrivateEntry;
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey};
use mintage_core::keyring::Owner;
use mintage_core::plan::KeyName;
use mintage_core::world::World;
use mintage_core::{Alg, TenantRef};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::api::shown;
use crate::pauses::Pauses;
use crate::secrets::Place;

/// Label of a Secret that may be read for its keys: nothing else in a namespace is.
pub const LABEL: &str = "mintage.dev/signing-key";

/// A Secret's entries, wiped when dropped.
type Entries = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// The labelled Secrets, as the watch shows them.
#[derive(Clone, Default)]
pub struct Brought {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    secrets: Mutex<BTreeMap<Place, Entries>>,
    changed: Notify,
}

/// What tenants brought.
#[derive(Debug, Default)]
pub struct Offer {
    /// The keys.
    pub keys: BTreeMap<KeyName, (Jwk, PrivateEntry)>,
    /// What is wrong with them, with the mend.
    pub complaints: BTreeMap<TenantRef, Vec<String>>,
}

impl Brought {
    /// Resolves when a Secret has changed.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// The keys of each tenant that names a Secret.
    pub fn offer(&self, world: &World) -> Offer {
        let secrets = self.lock();
        let mut offer = Offer::default();
        for tenant in &world.tenants {
            let Some(name) = &tenant.key_secret else {
                continue;
            };
            let place = (tenant.at.namespace.to_string(), name.to_string());
            let complaints = match secrets.get(&place) {
                Some(entries) => read(&tenant.at, entries, &mut offer.keys),
                None => vec![format!(
                    "there is no Secret {name} with the label {LABEL}: \"true\" in namespace {}: create or label it",
                    tenant.at.namespace
                )],
            };
            if !complaints.is_empty() {
                offer.complaints.insert(tenant.at.clone(), complaints);
            }
        }
        offer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Place, Entries>> {
        // Nothing in there panics half-way, so what a poisoned lock holds is whole.
        self.shared
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches. The future never ends by itself; `listed` is told once the Secrets that there are have been read.
pub fn start(client: &Client) -> (Brought, impl Future<Output = ()> + use<>, Arc<Notify>) {
    let brought = Brought::default();
    let listed = Arc::new(Notify::new());
    let config = watcher::Config::default()
        .labels(&format!("{LABEL}=true"))
        .timeout(290);
    let stream =
        watcher::watcher(Api::<Secret>::all(client.clone()), config).backoff(Pauses::new());
    let mut stream = stream
        .inspect_err(|error| {
            tracing::warn!(event = "watch-failed", kind = "signing keys", error = %shown(error), "trying again");
        })
        .boxed();
    let (mine, ready) = (brought.clone(), Arc::clone(&listed));
    let run = async move {
        let mut listing = BTreeMap::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Apply(secret)) => mine.lock().extend(entries(secret)),
                Ok(Event::Delete(secret)) => {
                    if let Some((place, _)) = entries(secret) {
                        mine.lock().remove(&place);
                    }
                }
                Ok(Event::Init) => listing.clear(),
                Ok(Event::InitApply(secret)) => {
                    listing.extend(entries(secret));
                    continue;
                }
                Ok(Event::InitDone) => {
                    *mine.lock() = std::mem::take(&mut listing);
                    ready.notify_one();
                }
                Err(_) => continue,
            }
            mine.shared.changed.notify_one();
        }
    };
    (brought, run, listed)
}

fn entries(secret: Secret) -> Option<(Place, Entries)> {
    let place = (secret.metadata.namespace?, secret.metadata.name?);
    let data = secret.data.unwrap_or_default().into_iter();
    let entries = data.map(|(name, bytes)| (name, Zeroizing::new(bytes.0)));
    Some((place, entries.collect()))
}

/// Reads the entries that are named like keys; what is wrong with them. It quotes nothing of them.
fn read(
    tenant: &TenantRef,
    entries: &Entries,
    keys: &mut BTreeMap<KeyName, (Jwk, PrivateEntry)>,
) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut found = false;
    for (name, bytes) in entries {
        let Some(alg) = alg_of(name) else { continue };
        found = true;
        match open(alg, bytes) {
            Ok((jwk, entry)) => {
                let owner = Owner::tenant(tenant.clone());
                keys.insert((owner, alg), (jwk, entry));
            }
            Err(cause) => complaints.push(format!("the key {name} cannot be used: {cause}")),
        }
    }
    if !found {
        complaints.push(
            "the Secret of signing.keySecretRef has no key: name each by its algorithm, as RS256.pem".to_owned(),
        );
    }
    complaints
}

fn alg_of(name: &str) -> Option<Alg> {
    let name = match name {
        "tls.key" => "RS256",
        name => name.strip_suffix(".pem")?,
    };
    serde_json::from_value(name.into()).ok()
}

fn open(alg: Alg, pem: &[u8]) -> Result<(Jwk, PrivateEntry), String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| {
        "it is no PKCS#8 in PEM (BEGIN PRIVATE KEY); convert it by `openssl pkcs8 -topk8 -nocrypt`".to_owned()
    })?;
    let pkcs8 = Pkcs8::from_der(der.secret_pkcs8_der().to_vec());
    let key = PrivateKey::from_pkcs8(alg, &pkcs8).map_err(|error| error.to_string())?;
    let jwk = key.jwk().clone();
    let entry = PrivateEntry {
        kid: jwk.kid.clone(),
        alg,
        pkcs8,
    };
    Ok((jwk, entry))
}
