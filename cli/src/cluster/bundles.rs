//! What the namespaces of a tenant are told. Bundles hold public keys only.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client};
use mintage_core::bundle::{self, Bundle, MAX_SHARDS};
use mintage_core::code::Coded as _;
use mintage_core::keyring::{Key, Keyring, Owner};
use mintage_core::managed::{self, Content};
use mintage_core::{Kid, Namespace, TenantRef};

use super::{reach, seen};
use crate::Failure;

/// The bundles of a tenant, by namespace.
#[derive(Debug, Default)]
pub struct Bundles(BTreeMap<Namespace, Bundle>);

/// Chooses the bundles of a tenant.
pub fn selector(tenant: &TenantRef) -> String {
    format!(
        "{}={},{}={},{}={}",
        managed::LABEL,
        Content::Bundle.code(),
        managed::TENANT_NAMESPACE,
        tenant.namespace,
        managed::TENANT_NAME,
        tenant.name
    )
}

impl Bundles {
    /// Reads them, of one namespace or of all. One of which only a part has been written yet is left out.
    pub async fn read(
        client: &Client,
        tenant: &TenantRef,
        namespace: Option<&str>,
    ) -> Result<Self, Failure> {
        let api: Api<Secret> = seen::api(client, namespace);
        let all = ListParams::default().labels(&selector(tenant));
        let secrets = api.list(&all).await;
        let secrets = secrets.map_err(|error| reach::failure("Secrets", &error))?;
        let mut shards: BTreeMap<Namespace, Vec<Option<Vec<u8>>>> = BTreeMap::new();
        for secret in secrets {
            let name = secret.metadata.name.unwrap_or_default();
            let namespace = secret.metadata.namespace.unwrap_or_default();
            let Ok(namespace) = Namespace::parse(&namespace) else {
                continue;
            };
            let Some(index) = (0..MAX_SHARDS).find(|index| managed::bundle(tenant, *index) == name)
            else {
                continue;
            };
            let data = secret.data.unwrap_or_default();
            let content = data.into_iter().next().map(|(_, content)| content.0);
            let of = shards
                .entry(namespace)
                .or_insert_with(|| vec![None; MAX_SHARDS]);
            of[index] = content;
        }
        let whole = shards.into_iter().filter_map(|(namespace, shards)| {
            let shards: Vec<_> = shards.iter().map(Option::as_deref).collect();
            Some((namespace, bundle::join(&shards).ok()?))
        });
        Ok(Self(whole.collect()))
    }

    /// The highest version of any of them.
    pub fn version(&self) -> u64 {
        let versions = self.0.values().map(|bundle| bundle.version);
        versions.max().unwrap_or_default()
    }

    /// The keys of the tenant itself, then those of each namespace, as the newest bundle that is about them has them.
    pub fn keyrings(&self, tenant: &TenantRef) -> Vec<Keyring> {
        let newest = self.0.values().max_by_key(|bundle| bundle.version);
        let own = newest.map(|bundle| (Owner::tenant(tenant.clone()), bundle, None));
        let namespaces = self.0.iter().map(|(namespace, bundle)| {
            let owner = Owner::namespace(tenant.clone(), namespace.clone());
            (owner, bundle, Some(namespace))
        });
        let rings = own.into_iter().chain(namespaces);
        let rings = rings.map(|(owner, bundle, of)| Keyring {
            owner,
            tenant_uid: bundle.body.tenant_uid.clone(),
            namespace_uid: None,
            keys: keys(bundle)
                .filter(|(namespace, _)| *namespace == of)
                .map(|(_, key)| key.clone())
                .collect(),
        });
        rings.filter(|ring| !ring.keys.is_empty()).collect()
    }

    /// Each namespace with its bundle.
    pub fn by_namespace(self) -> impl Iterator<Item = (Namespace, Bundle)> {
        self.0.into_iter()
    }

    /// The namespaces that know a key, each with what its bundle says of it.
    pub fn know<'a>(&'a self, kid: &'a Kid) -> impl Iterator<Item = (&'a Namespace, &'a Key)> {
        self.0.iter().filter_map(move |(namespace, bundle)| {
            let (_, key) = keys(bundle).find(|(_, key)| key.kid() == kid)?;
            Some((namespace, key))
        })
    }
}

fn keys(bundle: &Bundle) -> impl Iterator<Item = (Option<&Namespace>, &Key)> {
    let keys = bundle.body.keys.iter();
    keys.map(|trusted| (trusted.namespace.as_ref(), &trusted.key))
}
