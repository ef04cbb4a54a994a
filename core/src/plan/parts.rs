//! The state in parts: what belongs to one tenant, one namespace under it, one identifier of it. The operator stores them
//! apart, so that a change touches what it is about.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{BundleStamp, Rotation, State};
use crate::keyring::Keyring;
use crate::ledger::{AudienceLedger, TenantLedger};
use crate::ownership::{Claim, Name};
use crate::{Domain, Identifier, Namespace, TenantRef};

/// A state, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Who holds which domain: one claim space in the cluster.
    pub domains: BTreeMap<Domain, Claim>,
    /// What is about one tenant.
    pub tenants: BTreeMap<TenantRef, TenantParts>,
}

/// What is about one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantParts {
    /// What is about the tenant as a whole.
    pub root: RootPart,
    /// What is about each namespace under it.
    pub namespaces: BTreeMap<Namespace, NamespacePart>,
    /// What is about each of its identifiers.
    pub audiences: BTreeMap<Identifier, AudiencePart>,
}

/// What is about a tenant as a whole.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RootPart {
    /// What it promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<TenantLedger>,
    /// Its own keys, a keyring for each life of the tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyrings: Vec<Keyring>,
    /// The rotations that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<Rotation>,
}

/// What is about a namespace under a tenant.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NamespacePart {
    /// Its keys, a keyring for each life of tenant and namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyrings: Vec<Keyring>,
    /// What it was last told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleStamp>,
}

/// What is about an identifier of a tenant.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AudiencePart {
    /// Who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// What was promised under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<AudienceLedger>,
}

/// The name of the part of several that something belongs to: a letter for the family and two digits of its hash, so at
/// most 256 parts share whatever there is.
pub fn part_name(of: &str, family: char) -> String {
    let hash = digest(&SHA256, of.as_bytes());
    format!("{family}{:02x}", hash.as_ref()[0])
}

impl State {
    /// Takes the state apart.
    pub fn split(self) -> Parts {
        let mut parts = Parts::default();
        for claim in self.claims {
            match claim.name.clone() {
                Name::Domain(domain) => {
                    parts.domains.insert(domain, claim);
                }
                Name::Identifier(tenant, identifier) => {
                    parts.audience(tenant, identifier).claim = Some(claim);
                }
            }
        }
        for ledger in self.audiences {
            let (tenant, identifier) = (ledger.tenant.clone(), ledger.identifier.clone());
            let part = parts.audience(tenant, identifier);
            part.ledger = Some(ledger);
        }
        for ledger in self.tenants {
            let tenant = ledger.tenant.clone();
            parts.tenant(tenant).root.ledger = Some(ledger);
        }
        for keyring in self.keyrings {
            let owner = keyring.owner.clone();
            let tenant = parts.tenant(owner.tenant);
            match owner.namespace {
                None => tenant.root.keyrings.push(keyring),
                Some(namespace) => {
                    let part = tenant.namespaces.entry(namespace).or_default();
                    part.keyrings.push(keyring);
                }
            }
        }
        for stamp in self.bundles {
            let namespace = stamp.namespace.clone();
            let tenant = parts.tenant(stamp.tenant.clone());
            let part = tenant.namespaces.entry(namespace).or_default();
            part.bundle = Some(stamp);
        }
        for rotation in self.rotations {
            let tenant = rotation.tenant.clone();
            parts.tenant(tenant).root.rotations.push(rotation);
        }
        parts
    }

    /// Puts a state together, in the order of names.
    pub fn join(parts: Parts) -> Self {
        let mut state = Self::default();
        state.claims.extend(parts.domains.into_values());
        for tenant in parts.tenants.into_values() {
            let TenantParts {
                root,
                namespaces,
                audiences,
            } = tenant;
            state.tenants.extend(root.ledger);
            state.keyrings.extend(root.keyrings);
            state.rotations.extend(root.rotations);
            for part in namespaces.into_values() {
                state.keyrings.extend(part.keyrings);
                state.bundles.extend(part.bundle);
            }
            for part in audiences.into_values() {
                state.claims.extend(part.claim);
                state.audiences.extend(part.ledger);
            }
        }
        state
    }
}

impl Parts {
    fn tenant(&mut self, tenant: TenantRef) -> &mut TenantParts {
        self.tenants.entry(tenant).or_default()
    }

    fn audience(&mut self, tenant: TenantRef, identifier: Identifier) -> &mut AudiencePart {
        self.tenant(tenant).audiences.entry(identifier).or_default()
    }
}
