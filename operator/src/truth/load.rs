//! Reading everything once, at the beginning of a turn of leadership.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client};
use mintage_core::TenantRef;
use mintage_core::code::Coded as _;
use mintage_core::managed::{self, Content};
use mintage_core::plan::Parts;

use super::Truth;
use super::shard::{self, DATA, DomainClaim, Key, Root, Shard};
use crate::api::{Failure, sort, version};
use crate::secrets::{epoch_of, hash_of};

/// So many Secrets at a time: a page is held in memory whole.
const PAGE: u32 = 100;

/// Reads page by page every Secret that holds one of these, in all namespaces.
pub async fn each_secret(
    client: &Client,
    contents: &[Content],
    mut take: impl FnMut(Secret) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let api: Api<Secret> = Api::all(client.clone());
    let values: Vec<_> = contents.iter().map(|content| content.code()).collect();
    let selector = format!("{} in ({})", managed::LABEL, values.join(","));
    let mut params = ListParams::default().labels(&selector).limit(PAGE);
    loop {
        let page = api.list(&params).await.map_err(|error| sort(&error))?;
        page.items.into_iter().try_for_each(&mut take)?;
        match page.metadata.continue_ {
            Some(token) if !token.is_empty() => params = params.continue_token(&token),
            _ => return Ok(()),
        }
    }
}

impl Truth {
    /// Reads what is stored. A Secret that a later leader wrote means that this process leads no longer.
    pub async fn load(client: &Client, operator: &str, epoch: i32) -> Result<Self, Failure> {
        let mut loading = Loading {
            truth: Self {
                operator: operator.to_owned(),
                parts: Parts::default(),
                stored: BTreeMap::new(),
                by_place: BTreeMap::new(),
                damaged: BTreeMap::new(),
            },
            listed: BTreeMap::new(),
        };
        each_secret(client, &[Content::Truth, Content::Claim], |secret| {
            if let Some(written) = epoch_of(&secret).filter(|written| *written > epoch) {
                return Err(Failure::Later(written));
            }
            loading.take(&secret)
        })
        .await?;
        Ok(loading.finish())
    }
}

struct Loading {
    truth: Truth,
    /// The shards that each tenant's root names.
    listed: BTreeMap<TenantRef, BTreeSet<String>>,
}

impl Loading {
    fn take(&mut self, secret: &Secret) -> Result<(), Failure> {
        let data = secret.data.as_ref().and_then(|data| data.get(DATA));
        let data = data.map(|bytes| bytes.0.as_slice());
        let Some(key) = self.key_of(secret, data) else {
            let meta = &secret.metadata;
            tracing::warn!(
                event = "stray-secret",
                namespace = meta.namespace,
                name = meta.name,
                "it has our label and not our name; it is left alone"
            );
            return Ok(());
        };
        let read = match &key {
            Key::Domain(domain) => shard::read::<DomainClaim>(data).map(|stored| {
                self.truth
                    .parts
                    .domains
                    .insert(domain.clone(), stored.claim);
            }),
            Key::Root(tenant) => shard::read::<Root>(data).map(|root| {
                self.listed.insert(tenant.clone(), root.shards);
                self.parts(tenant).root = root.root;
            }),
            Key::Shard(tenant, _) => shard::read::<Shard>(data).map(|shard| {
                let parts = self.parts(tenant);
                parts.namespaces.extend(shard.namespaces);
                parts.audiences.extend(shard.audiences);
            }),
        };
        match (read, &key) {
            (Err(cause), Key::Root(tenant) | Key::Shard(tenant, _)) => {
                let place = key.place(&self.truth.operator);
                self.damage(
                    tenant.clone(),
                    format!("Secret {}/{} cannot be read: {cause}", place.0, place.1),
                );
            }
            // What a claim holds gave the key.
            (Ok(()), _) | (Err(_), Key::Domain(_)) => {}
        }
        let version = version(secret)?;
        self.truth.remember(key, version, hash_of(secret));
        Ok(())
    }

    fn parts(&mut self, tenant: &TenantRef) -> &mut mintage_core::plan::TenantParts {
        self.truth.parts.tenants.entry(tenant.clone()).or_default()
    }

    fn damage(&mut self, tenant: TenantRef, text: String) {
        self.truth.damaged.entry(tenant).or_insert(text);
    }

    /// Which one it is: by its labels, if its place is the one that they lead to.
    fn key_of(&self, secret: &Secret, data: Option<&[u8]>) -> Option<Key> {
        let meta = &secret.metadata;
        let place = (meta.namespace.clone()?, meta.name.clone()?);
        let labels = meta.labels.as_ref()?;
        let label = |name: &str| labels.get(name).map(String::as_str);
        let key = if label(managed::LABEL) == Some(Content::Claim.code()) {
            let stored: DomainClaim = shard::read(data).ok()?;
            match stored.claim.name {
                mintage_core::ownership::Name::Domain(domain) => Key::Domain(domain),
                mintage_core::ownership::Name::Identifier(..) => return None,
            }
        } else {
            let tenant = format!(
                "{}/{}",
                label(managed::TENANT_NAMESPACE)?,
                label(managed::TENANT_NAME)?
            );
            let tenant = TenantRef::parse(&tenant).ok()?;
            let root = managed::truth(&tenant.name, None);
            match place.1.strip_prefix(&root)? {
                "" => Key::Root(tenant),
                shard => Key::Shard(tenant, shard.strip_prefix('.')?.to_owned()),
            }
        };
        (key.place(&self.truth.operator) == place).then_some(key)
    }

    fn finish(mut self) -> Truth {
        let tenants: Vec<TenantRef> = self.truth.parts.tenants.keys().cloned().collect();
        for tenant in tenants {
            let stored = self.truth.stored_shards(&tenant);
            let text = match self.listed.get(&tenant) {
                Some(listed) => listed
                    .difference(&stored)
                    .next()
                    .map(|missing| managed::truth(&tenant.name, Some(missing))),
                None => Some(managed::truth(&tenant.name, None)),
            };
            if let Some(missing) = text {
                let text = format!("Secret {}/{missing} is missing", tenant.namespace);
                self.damage(tenant, text);
            }
        }
        for text in self.truth.damaged.values_mut() {
            text.push_str("; restore it from a backup. Until then nothing of this tenant changes, and its sidecars go on with what they have until maxBundleAge. To start afresh, with new keys and all tokens refused, delete the Tenant and create it again");
        }
        self.truth
    }
}
