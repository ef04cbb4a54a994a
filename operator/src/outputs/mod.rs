//! What pods read: keyrings and bundles, as Secrets of the workloads' namespaces, and what the endpoints of tenants and
//! their applications go by. They are outputs: made anew from what is remembered, never read back as truth. Only the
//! private keys and master secrets in them are nowhere else.
//!
//! ```text
//!  plan ─► wanted Secrets ─► what differs from the known ones ─► bundles first, then private keys
//! ```
//!
//! A private key is delivered once every bundle that lists it is: whoever is to believe it then had the whole
//! propagation delay to hear of it, whatever happens between two writes (ADR 2).

mod carry_out;
mod endpoint;
mod masters;
mod reviewers;
mod want;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use mintage_core::bundle::KeyringFile;
use mintage_core::keyring::Owner;
use mintage_core::managed::{self, Content};
use mintage_core::{Namespace, TenantRef, UnixTime};

use crate::api::{Failure, Version, Writer, version};
use crate::keys::Keys;
use crate::retry::Retries;
use crate::secrets::{Hash, Place, content_of, epoch_of, hash_of, tenant_of};
use masters::Masters;
use reviewers::Reviewers;

pub use carry_out::TenantPlan;
pub use reviewers::Reviewer;

/// The one key of a keyring's Secret; the sidecar's volume has a file of that name.
pub const KEYRING: &str = "keyring.json";

/// A Secret as it is in the API.
#[derive(Clone, Debug)]
struct Known {
    content: Content,
    version: Version,
    hash: Hash,
}

/// The Secrets that are there.
#[derive(Default)]
pub struct Outputs {
    /// By tenant, so that a turn that is about one tenant looks at that one's only.
    known: BTreeMap<TenantRef, BTreeMap<Place, Known>>,
    tenant_of: BTreeMap<Place, TenantRef>,
    /// The version of the bundle that each namespace was last told, as far as all of it was written.
    told: BTreeMap<(TenantRef, Namespace), u64>,
    /// The version that the endpoint of each tenant was last told.
    told_endpoints: BTreeMap<TenantRef, u64>,
    /// What applications and APIs are to be set up with and could not be written.
    withheld: Retries<(TenantRef, Place)>,
    masters: Masters,
    reviewers: Reviewers,
}

/// What came of a look at a Secret that somebody else may have changed.
#[derive(Debug, PartialEq)]
pub enum Look {
    /// It holds what it should, or is none of these.
    Intact,
    /// It does not. It is written again with the next turn; keys that it held are replaced.
    Changed { tenant: TenantRef, text: String },
}

/// Whose private keys a Secret holds.
fn owner(tenant: &TenantRef, place: &Place) -> Option<Owner> {
    if place.1 == managed::keyring(tenant) {
        let namespace = Namespace::parse(&place.0).ok()?;
        Some(Owner::namespace(tenant.clone(), namespace))
    } else {
        let own = managed::tenant_keyring(&tenant.name);
        let is_own = place.0 == tenant.namespace.as_str() && place.1 == own;
        is_own.then(|| Owner::tenant(tenant.clone()))
    }
}

/// Where an owner's private keys lie.
fn keyring_place(owner: &Owner) -> Place {
    match &owner.namespace {
        None => (
            owner.tenant.namespace.to_string(),
            managed::tenant_keyring(&owner.tenant.name),
        ),
        Some(namespace) => (namespace.to_string(), managed::keyring(&owner.tenant)),
    }
}

impl Outputs {
    /// Reads every Secret that is there, and takes up the private keys. The texts say what was damaged.
    pub async fn load(
        writer: &Writer,
        keys: &mut Keys,
        reviewer: Option<Reviewer>,
        now: UnixTime,
    ) -> Result<(Self, Vec<(TenantRef, String)>), Failure> {
        let mut outputs = Self {
            reviewers: Reviewers::new(reviewer),
            ..Self::default()
        };
        let mut damages = Vec::new();
        let contents = [
            Content::Api,
            Content::Bundle,
            Content::Client,
            Content::Endpoint,
            Content::Keyring,
            Content::Master,
            Content::Reviewer,
        ];
        crate::truth::each_secret(writer.client(), &contents, |secret| {
            if let Some(written) = epoch_of(&secret).filter(|written| *written > writer.epoch()) {
                return Err(Failure::Later(written));
            }
            if let Some((tenant, place, known)) = recognise(&secret)? {
                if let Some(owner) = owner(&tenant, &place) {
                    let damage = take_up(keys, &owner, &secret);
                    damages.extend(damage.map(|text| (tenant.clone(), text)));
                }
                if known.content == Content::Master
                    && let Err(text) = outputs.masters.take_up(&tenant, &secret)
                {
                    damages.push((tenant.clone(), text));
                }
                if known.content == Content::Reviewer {
                    outputs.reviewers.take_up(&tenant, &secret, now);
                }
                outputs.remember(&tenant, place, known);
            }
            Ok(())
        })
        .await?;
        Ok((outputs, damages))
    }

    fn remember(&mut self, tenant: &TenantRef, place: Place, known: Known) {
        self.tenant_of.insert(place.clone(), tenant.clone());
        self.known
            .entry(tenant.clone())
            .or_default()
            .insert(place, known);
    }

    fn forget(&mut self, tenant: &TenantRef, place: &Place) {
        // It may be another tenant's by now.
        if self.tenant_of.get(place) == Some(tenant) {
            self.tenant_of.remove(place);
        }
        if let Some(known) = self.known.get_mut(tenant) {
            known.remove(place);
            if known.is_empty() {
                self.known.remove(tenant);
            }
        }
    }

    fn find(&self, tenant: &TenantRef, place: &Place) -> Option<&Known> {
        self.known.get(tenant)?.get(place)
    }

    /// Looks at a Secret of which the watch shows a version that this process has not written (`None`: it is gone).
    pub async fn look(
        &mut self,
        writer: &Writer,
        keys: &mut Keys,
        place: &Place,
        seen: Option<&Version>,
    ) -> Result<Look, Failure> {
        let Some(tenant) = self.tenant_of.get(place).cloned() else {
            return Ok(Look::Intact);
        };
        let Some(known) = self.find(&tenant, place).cloned() else {
            return Ok(Look::Intact);
        };
        if !known.version.is_outdone_by(seen) {
            return Ok(Look::Intact);
        }
        let present = writer.read(&place.0, &place.1).await?;
        if let Some(secret) = &present {
            if epoch_of(secret).is_some_and(|epoch| epoch > writer.epoch()) {
                return Err(Failure::NotLeading);
            }
            if hash_of(secret) == known.hash {
                let version = version(secret)?;
                self.remember(&tenant, place.clone(), Known { version, ..known });
                return Ok(Look::Intact);
            }
        }
        let is_keyring = known.content == Content::Keyring;
        match &present {
            // Gone: it is created again.
            None => self.forget(&tenant, place),
            // Another content: it is replaced, since the hash no longer fits.
            Some(secret) => {
                let known = Known {
                    version: version(secret)?,
                    hash: hash_of(secret),
                    ..known
                };
                self.remember(&tenant, place.clone(), known);
            }
        }
        self.told
            .retain(|(of, namespace), _| *of != tenant || namespace.as_str() != place.0);
        self.told_endpoints.remove(&tenant);
        let what = if present.is_some() {
            "changed"
        } else {
            "deleted"
        };
        let rest = if is_keyring {
            if let Some(owner) = owner(&tenant, place) {
                keys.lose(&owner);
            }
            "it is restored, and new keys take the place of its keys; tokens under those stay good"
        } else {
            "it is restored"
        };
        let text = format!(
            "Secret {}/{} was {what} by somebody else; {rest}",
            place.0, place.1
        );
        Ok(Look::Changed { tenant, text })
    }
}

/// A Secret that is one of these by its labels and lies where it should.
fn recognise(secret: &Secret) -> Result<Option<(TenantRef, Place, Known)>, Failure> {
    let meta = &secret.metadata;
    let labels = meta.labels.as_ref();
    let (Some(namespace), Some(name), Some(content)) = (
        meta.namespace.clone(),
        meta.name.clone(),
        content_of(labels),
    ) else {
        return Ok(None);
    };
    let Some(tenant) = tenant_of(labels) else {
        return Ok(None);
    };
    let place = (namespace, name);
    let fits = match content {
        Content::Keyring => owner(&tenant, &place).is_some(),
        Content::Bundle => {
            let shards = 0..mintage_core::bundle::MAX_SHARDS;
            shards
                .into_iter()
                .any(|index| managed::bundle(&tenant, index) == place.1)
        }
        Content::Api | Content::Client => endpoint::is_named(content, &place.1),
        Content::Endpoint | Content::Master | Content::Reviewer => {
            place.0 == tenant.namespace.as_str() && endpoint::is_of(content, &tenant.name, &place.1)
        }
        Content::Claim | Content::Tls | Content::Truth => false,
    };
    if !fits {
        return Ok(None);
    }
    let known = Known {
        content,
        version: version(secret)?,
        hash: hash_of(secret),
    };
    Ok(Some((tenant, place, known)))
}

/// Takes up a keyring; what is wrong with it.
fn take_up(keys: &mut Keys, owner: &Owner, secret: &Secret) -> Option<String> {
    let data = secret.data.as_ref().and_then(|data| data.get(KEYRING));
    let bytes = data.map(|bytes| bytes.0.as_slice()).unwrap_or_default();
    let damage = |cause: &str| {
        Some(format!(
            "the keyring of {owner} is damaged ({cause}); new keys take the place of its keys, and tokens under those stay good"
        ))
    };
    match KeyringFile::parse(bytes) {
        Ok(file) if file.owner != *owner => damage("it belongs to another owner"),
        Ok(file) => {
            let damaged = keys.take_up(file);
            let names: Vec<_> = damaged.iter().map(ToString::to_string).collect();
            if names.is_empty() {
                None
            } else {
                damage(&format!("unusable: {}", names.join(", ")))
            }
        }
        Err(cause) => damage(&cause.to_string()),
    }
}
