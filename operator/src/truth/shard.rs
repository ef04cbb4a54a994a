//! How what must be remembered is written into Secrets.
//!
//! One Secret holds what concerns the tenant itself and names the shards there are; a shard holds several namespaces or
//! several identifiers, chosen by the hash of their names, so a change touches few Secrets and none grows too large.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::managed::{self, Content};
use mintage_core::ownership::Claim;
use mintage_core::plan::{AudiencePart, NamespacePart, RootPart, TenantParts, part_name};
use mintage_core::{Domain, Identifier, Namespace, TenantRef};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::secrets::Draft;

/// The form this version writes and reads.
const FORMAT: &str = "mintage.dev/truth/v1";

/// The one key of the data.
pub const DATA: &str = "truth.json";

/// Which Secret.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// Who holds a domain.
    Domain(Domain),
    /// What concerns the tenant itself.
    Root(TenantRef),
    /// Some of its namespaces or identifiers.
    Shard(TenantRef, String),
}

/// The tenant's own part, and the names of its shards: one that is missing is noticed.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Root {
    pub shards: BTreeSet<String>,
    pub root: RootPart,
}

/// Some of a tenant's namespaces or identifiers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Shard {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<Namespace, NamespacePart>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audiences: BTreeMap<Identifier, AudiencePart>,
}

#[derive(Deserialize, Serialize)]
struct Envelope<T> {
    format: String,
    #[serde(flatten)]
    content: T,
}

/// A Secret of ours that cannot be read. It quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has not the one key.
    #[error("it has no {DATA}")]
    Absent,
    /// Another version wrote it.
    #[error("it has another format than {FORMAT}: another version of the operator wrote it")]
    Format,
    /// It is not what was written.
    #[error("{DATA} is damaged (line {line}, column {column})")]
    Syntax { line: usize, column: usize },
}

impl Key {
    /// Where it lies; domains lie in the operator's own namespace.
    pub fn place(&self, operator: &str) -> (String, String) {
        match self {
            Self::Domain(domain) => (operator.to_owned(), managed::domain_claim(domain)),
            Self::Root(tenant) => (
                tenant.namespace.to_string(),
                managed::truth(&tenant.name, None),
            ),
            Self::Shard(tenant, shard) => (
                tenant.namespace.to_string(),
                managed::truth(&tenant.name, Some(shard)),
            ),
        }
    }

    fn tenant(&self) -> Option<&TenantRef> {
        match self {
            Self::Domain(_) => None,
            Self::Root(tenant) | Self::Shard(tenant, _) => Some(tenant),
        }
    }

    fn content(&self) -> Content {
        match self {
            Self::Domain(_) => Content::Claim,
            Self::Root(_) | Self::Shard(..) => Content::Truth,
        }
    }

    /// The Secret that holds a value.
    pub fn draft(&self, operator: &str, value: &impl Serialize) -> Draft {
        let envelope = Envelope {
            format: FORMAT.to_owned(),
            content: value,
        };
        let json = serde_json::to_vec(&envelope).expect("what is remembered has string keys only");
        Draft {
            place: self.place(operator),
            content: self.content(),
            tenant: self.tenant().cloned(),
            annotations: BTreeMap::new(),
            data: BTreeMap::from([(DATA.to_owned(), json)]),
        }
    }
}

/// A claim on a domain as a Secret holds it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DomainClaim {
    pub claim: Claim,
}

/// Reads what [`Key::draft`] wrote.
pub fn read<T: DeserializeOwned>(data: Option<&[u8]>) -> Result<T, Unreadable> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    let bytes = data.ok_or(Unreadable::Absent)?;
    // serde_json's own text may quote the input.
    let syntax = |error: serde_json::Error| Unreadable::Syntax {
        line: error.line(),
        column: error.column(),
    };
    let head: Head = serde_json::from_slice(bytes).map_err(syntax)?;
    if head.format != FORMAT {
        return Err(Unreadable::Format);
    }
    let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(syntax)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("format");
    }
    serde_json::from_value(value).map_err(syntax)
}

/// A tenant's parts by shard.
pub fn shards(parts: &TenantParts) -> BTreeMap<String, Shard> {
    let mut shards: BTreeMap<String, Shard> = BTreeMap::new();
    for (namespace, part) in &parts.namespaces {
        let shard = shards.entry(part_name(namespace)).or_default();
        shard.namespaces.insert(namespace.clone(), part.clone());
    }
    for (identifier, part) in &parts.audiences {
        let shard = shards.entry(part_name(identifier)).or_default();
        shard.audiences.insert(identifier.clone(), part.clone());
    }
    shards
}
