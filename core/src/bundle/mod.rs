//! What the sidecars of one namespace need to know of one tenant: issuers, audiences, grants, trusted keys with their
//! bounds. It holds no secret; a namespace's private keys travel in a [`KeyringFile`].
//!
//! A sidecar that is older than its operator reads past fields that it does not know. Whatever a reader must understand to
//! stay safe therefore comes with another format, which an older sidecar refuses as a whole.

mod endpoint;
mod feed;
mod keyring_file;
mod shards;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use endpoint::{Endpoint, SharedAudience};
pub use feed::Feed;
pub use keyring_file::{InvalidKeyringFile, KEYRING_FORMAT, KeyringFile, PrivateEntry};
pub(crate) use shards::hex;
pub use shards::{BundleTooLarge, InvalidBundle, MAX_PART, MAX_SHARDS, join, split, version};

use crate::keyring::Key;
use crate::ledger::{Bounds, Term};
use crate::sorted::SortedMap;
use crate::world::{Dialect, Issuance};
use crate::{
    Alg, Domain, Identifier, Namespace, ObjectName, Scope, Seconds, TenantRef, Uid, UnixTime,
};

/// Something that somebody is told, complete and consistent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stamped<B> {
    /// Grows with every change. A reader never goes back to a lower one.
    pub version: u64,
    /// When the content was last confirmed; a reader fails closed `max_age` after it.
    pub renewed_at: UnixTime,
    /// The content.
    pub body: B,
}

/// What the sidecars of a namespace are told.
pub type Bundle = Stamped<Body>;

/// What can be told: in which format, and for how long it counts.
pub trait Told: DeserializeOwned + Serialize {
    /// Names shape and meaning: a reader that does not know it refuses the whole.
    const FORMAT: &'static str;

    /// What it is called.
    const NAME: &'static str;

    /// What can be done where there is too much of it.
    const SMALLER: &'static str;

    /// How old it may get, in seconds.
    fn max_age(&self) -> Seconds;
}

impl Told for Body {
    const FORMAT: &'static str = "mintage.dev/bundle/v1";
    const NAME: &'static str = "the bundle";
    const SMALLER: &'static str = "spread the APIs over several namespaces";

    fn max_age(&self) -> Seconds {
        self.max_age
    }
}

impl<B: Told> Stamped<B> {
    /// When it does not count any more.
    pub fn ends_at(&self) -> UnixTime {
        self.renewed_at + self.body.max_age()
    }
}

/// The content of a bundle.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// The tenant.
    pub tenant: TenantRef,
    /// Which life of the tenant.
    pub tenant_uid: Uid,
    /// The namespace the bundle is for.
    pub namespace: Namespace,
    /// The tenant's own domain.
    pub domain: Domain,
    /// Every domain whose issuer is or was the tenant's, the own one included.
    pub domains: SortedMap<Domain, Term>,
    /// How old the bundle may get.
    pub max_age: Seconds,
    /// The audience of a workload that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_audience: Option<Identifier>,
    /// Where there is news at once; `None` where the operator serves none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<Arc<Feed>>,
    /// The tenant's endpoint; `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Arc<Endpoint>>,
    /// What workloads of the namespace may ask for.
    pub issue: Vec<IssueAudience>,
    /// The APIs of the namespace, whose tokens its pods may accept.
    pub accept: Vec<AcceptAudience>,
    /// The keys to believe, and those to refuse by name.
    pub keys: Vec<TrustedKey>,
}

/// An audience for which workloads of the namespace hold grants.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssueAudience {
    /// The `aud`.
    pub identifier: Identifier,
    /// The algorithm of new tokens.
    pub alg: Alg,
    /// The shape of new tokens.
    pub dialect: Dialect,
    /// Who signs.
    pub issuance: Issuance,
    /// How long new tokens live.
    pub lifetime: Seconds,
    /// Every scope the API declares, in its order: the order of scopes in tokens.
    pub scopes: Vec<Scope>,
    /// The grants, by `ServiceAccount`.
    pub grants: SortedMap<ObjectName, Bounds>,
}

/// An API of the namespace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptAudience {
    /// The `ApiAudience`'s name, by which a pod's annotation picks it.
    pub name: ObjectName,
    /// The `aud`.
    pub identifier: Identifier,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// The algorithms its tokens may have: the present one, and earlier ones while tokens under them live.
    pub algs: SortedMap<Alg, Term>,
}

/// A key that validators know.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustedKey {
    /// The namespace whose key it is; `None` for the tenant's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// The key and its life.
    pub key: Key,
    /// What a namespace's key may speak for, by audience. A tenant's key has none: it may speak for every audience.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub bounds: SortedMap<Identifier, Bounds>,
}
