use serde::{Deserialize, Serialize};

use crate::ledger::Bounds;
use crate::sorted::SortedMap;
use crate::world::Dialect;
use crate::{Identifier, ObjectName, Scope, Seconds};

/// Where the tenant's own key signs (`issuance: Central`). It is asked by the host of the issuer, whose certificate it has.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// The certificates of the authorities that sign its own, in PEM; `None` for those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// What workloads of the namespace may ask for that has no key pair: the endpoint alone makes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedAudience>,
}

/// An audience that shares a secret with the endpoint (HS256), for which workloads of the namespace hold grants.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedAudience {
    /// The `aud`.
    pub identifier: Identifier,
    /// The shape of new tokens.
    pub dialect: Dialect,
    /// How long new tokens live.
    pub lifetime: Seconds,
    /// Every scope the API declares, in its order.
    pub scopes: Vec<Scope>,
    /// The grants, by `ServiceAccount`.
    pub grants: SortedMap<ObjectName, Bounds>,
}
