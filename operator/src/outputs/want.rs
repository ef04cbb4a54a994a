//! From a plan to the Secrets that are to be, and what it takes to get there.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::bundle::{self, Bundle, KeyringFile};
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::managed::{self, Content};
use mintage_core::{Namespace, TenantRef};

use super::{KEYRING, Known, Outputs, keyring_place};
use crate::api::Version;
use crate::secrets::{Draft, Place};

/// One write.
pub enum Step {
    /// Create it, or replace a known version.
    Put(Draft, Option<Version>),
    /// Delete a known version of a tenant's.
    Delete(Place, Version, TenantRef),
}

impl Step {
    /// Where.
    pub fn place(&self) -> &Place {
        match self {
            Self::Put(draft, _) => &draft.place,
            Self::Delete(place, ..) => place,
        }
    }
}

impl Outputs {
    /// Whether a namespace was told this version of its bundle, all of it.
    pub fn has_told(&self, tenant: &TenantRef, namespace: &Namespace, version: u64) -> bool {
        let told = self.told.get(&(tenant.clone(), namespace.clone()));
        told == Some(&version)
    }

    /// What it takes to tell a namespace its bundle.
    pub fn tell(
        &self,
        tenant: &TenantRef,
        namespace: &Namespace,
        bundle: &Bundle,
    ) -> Result<Vec<Step>, bundle::BundleTooLarge> {
        let shards = bundle::split(bundle)?;
        let mut steps = Vec::new();
        let count = shards.len();
        for (index, shard) in shards.into_iter().enumerate() {
            let draft = Draft {
                place: (namespace.to_string(), managed::bundle(tenant, index)),
                content: Content::Bundle,
                tenant: Some(tenant.clone()),
                annotations: BTreeMap::new(),
                data: BTreeMap::from([(format!("bundle-{index}"), shard)]),
            };
            steps.extend(self.put(tenant, draft));
        }
        for index in count..bundle::MAX_SHARDS {
            let place = (namespace.to_string(), managed::bundle(tenant, index));
            steps.extend(self.delete(tenant, place));
        }
        Ok(steps)
    }

    /// What it takes to hand an owner its private keys. The Secret names the lives of tenant and namespace that the keys
    /// belong to.
    pub fn hand_over(
        &self,
        owner: &Owner,
        keyring: Option<&Keyring>,
        file: &KeyringFile,
    ) -> Option<Step> {
        let mut annotations = BTreeMap::new();
        if let Some(keyring) = keyring {
            annotations.insert(
                "mintage.dev/tenant-uid".to_owned(),
                keyring.tenant_uid.to_string(),
            );
            if let Some(uid) = &keyring.namespace_uid {
                annotations.insert("mintage.dev/namespace-uid".to_owned(), uid.to_string());
            }
        }
        let tenant = &owner.tenant;
        let draft = Draft {
            place: keyring_place(owner),
            content: Content::Keyring,
            tenant: Some(tenant.clone()),
            annotations,
            data: BTreeMap::from([(KEYRING.to_owned(), file.to_bytes().to_vec())]),
        };
        self.put(tenant, draft)
    }

    /// What it takes to remove a tenant's Secrets that are not wanted any more. `owners` are those whose private keys
    /// are, `namespaces` those that are told something, `places` those of its endpoint.
    pub fn clear(
        &self,
        tenant: &TenantRef,
        owners: &BTreeSet<Owner>,
        namespaces: &BTreeSet<&Namespace>,
        places: &BTreeSet<Place>,
    ) -> Vec<Step> {
        let keyrings: BTreeSet<Place> = owners.iter().map(keyring_place).collect();
        let told: BTreeSet<&str> = namespaces
            .iter()
            .map(|namespace| namespace.as_str())
            .collect();
        let known = self.known.get(tenant).into_iter().flatten();
        let unwanted = known.filter(|(place, known)| match known.content {
            Content::Keyring => !keyrings.contains(*place),
            Content::Bundle => !told.contains(place.0.as_str()),
            _ => !places.contains(*place),
        });
        unwanted
            .map(|(place, known)| {
                Step::Delete(place.clone(), known.version.clone(), tenant.clone())
            })
            .collect()
    }

    /// The tenants of which there are Secrets.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantRef> {
        self.known.keys()
    }

    /// What it takes to have a Secret hold what is drafted.
    pub(super) fn put(&self, tenant: &TenantRef, draft: Draft) -> Option<Step> {
        match self.find(tenant, &draft.place) {
            None => Some(Step::Put(draft, None)),
            Some(Known { hash, .. }) if *hash == draft.hash() => None,
            Some(Known { version, .. }) => Some(Step::Put(draft, Some(version.clone()))),
        }
    }

    fn delete(&self, tenant: &TenantRef, place: Place) -> Option<Step> {
        let known = self.find(tenant, &place)?;
        Some(Step::Delete(place, known.version.clone(), tenant.clone()))
    }
}
