//! The state in parts that are stored one by one: a change to one namespace or API rewrites a small part, and each tenant
//! keeps its own truth.
//!
//! ```text
//!  State ─► domains      one claim each, of the whole cluster
//!           tenants ───► root          promises and keys of the tenant itself, rotations
//!                        namespaces    keys of each namespace under the tenant, what it was last told, secrets of its applications
//!                        audiences     promises of each API, who holds its identifier
//! ```
//!
//! What a part is about is said by its place alone and not repeated inside. Parts lie in the tenant's namespace, where
//! others may be able to write: whatever they write there, it speaks of no other tenant.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{BundleStamp, Rotation, Stamp, State};
use crate::keyring::{Key, Keyring, Owner};
use crate::ledger::{
    AudienceLedger, Generations, Grants, Lifetime, SecretLedger, TenantLedger, Term,
};
use crate::ownership::{Claim, Holder, Name};
use crate::sorted::SortedMap;
use crate::world::Issuance;
use crate::{
    Alg, Domain, Identifier, Kid, Namespace, ObjectName, ObjectRef, Seconds, TenantRef, Uid,
    UnixTime,
};

/// The state in parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Who holds which domain: one claim space in the cluster.
    pub domains: BTreeMap<Domain, Claim>,
    /// What is remembered of each tenant.
    pub tenants: BTreeMap<TenantRef, TenantParts>,
}

/// What is remembered of one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantParts {
    /// Of the tenant itself.
    pub root: RootPart,
    /// Of each namespace under it.
    pub namespaces: BTreeMap<Namespace, NamespacePart>,
    /// Of each of its APIs.
    pub audiences: BTreeMap<Identifier, AudiencePart>,
}

/// What is remembered of a tenant itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RootPart {
    /// What it promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promises: Option<TenantPromises>,
    /// Its own keys, in each of its lives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyrings: Vec<RingPart>,
    /// The rotations that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<RotationPart>,
    /// Its own keys since its admin first brought them, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brought: Vec<Kid>,
    /// What its endpoint was last told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Stamp>,
}

/// What is remembered of a namespace under a tenant.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NamespacePart {
    /// Its keys, in each of its lives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyrings: Vec<RingPart>,
    /// What it was last told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Stamp>,
    /// What the secret of each of its applications promised.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<ObjectName, SecretPart>,
}

/// What is remembered of an API.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AudiencePart {
    /// What it promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promises: Option<AudiencePromises>,
    /// Who holds its identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimPart>,
}

/// A [`Keyring`] without its owner.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RingPart {
    /// Which life of the tenant the keys belong to.
    pub tenant_uid: Uid,
    /// Which life of the namespace; `None` for the tenant's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<Uid>,
    /// The keys, oldest first.
    pub keys: Vec<Key>,
}

/// A [`SecretLedger`] without its tenant and place.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretPart {
    /// Which life of the application.
    pub uid: Uid,
    /// The generations that are good.
    pub generations: Generations,
}

/// A [`Rotation`] without its tenant.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RotationPart {
    /// The one namespace whose keys are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// The annotation's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// When it was first seen.
    pub at: UnixTime,
}

/// A [`Claim`] without its name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClaimPart {
    /// By whom the name is held.
    pub holder: Holder,
    /// How long it is kept after the holder is gone.
    pub keep: Seconds,
    /// Since when the holder has been gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<UnixTime>,
}

/// A [`TenantLedger`] without its tenant.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TenantPromises {
    /// Which life of the tenant.
    pub uid: Uid,
    /// The longest token life of any of its APIs, ever.
    pub longest_lifetime: Seconds,
    /// Its domains.
    pub domains: SortedMap<Domain, Term>,
}

/// An [`AudienceLedger`] without its tenant and identifier.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AudiencePromises {
    /// The object that declares it.
    pub at: ObjectRef,
    /// Which life of the object.
    pub uid: Uid,
    /// The longest token life that was ever declared.
    pub longest_lifetime: Seconds,
    /// How long new tokens live.
    pub lifetime: Lifetime,
    /// The algorithms of its tokens.
    pub algs: SortedMap<Alg, Term>,
    /// Who signs.
    pub issuance: SortedMap<Issuance, Term>,
    /// What each workload was granted.
    pub grants: Grants,
}

/// What a part can be about that shares a Secret with others of its kind.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// An API.
    Audience(&'a Identifier),
    /// A namespace.
    Namespace(&'a Namespace),
}

impl<'a> From<&'a Identifier> for About<'a> {
    fn from(identifier: &'a Identifier) -> Self {
        Self::Audience(identifier)
    }
}

impl<'a> From<&'a Namespace> for About<'a> {
    fn from(namespace: &'a Namespace) -> Self {
        Self::Namespace(namespace)
    }
}

/// The name of the Secret's part that holds a namespace or an API: a letter and two digits of a hash, such as `n3f` or
/// `a07`. So a tenant has at most 512 of them, each about several namespaces or APIs where there are many.
pub fn part_name<'a>(about: impl Into<About<'a>>) -> String {
    let (family, name) = match about.into() {
        About::Audience(identifier) => ('a', identifier.as_str()),
        About::Namespace(namespace) => ('n', namespace.as_str()),
    };
    let hash = digest(&SHA256, name.as_bytes());
    format!("{family}{:02x}", hash.as_ref()[0])
}

impl State {
    #[expect(
        clippy::too_many_lines,
        reason = "each record is taken apart field by field, so that none is forgotten"
    )]
    /// Cuts the state into parts. A state has at most one claim on a name, and one record of each API, tenant and bundle.
    pub fn split(self) -> Parts {
        let mut parts = Parts::default();
        for claim in self.claims {
            let Claim {
                name,
                holder,
                keep,
                released_at,
            } = claim;
            match name {
                Name::Domain(domain) => {
                    let claim = Claim {
                        name: Name::Domain(domain.clone()),
                        holder,
                        keep,
                        released_at,
                    };
                    parts.domains.insert(domain, claim);
                }
                Name::Identifier(tenant, identifier) => {
                    parts.audience(tenant, identifier).claim = Some(ClaimPart {
                        holder,
                        keep,
                        released_at,
                    });
                }
            }
        }
        for ledger in self.audiences {
            let AudienceLedger {
                tenant,
                identifier,
                at,
                uid,
                longest_lifetime,
                lifetime,
                algs,
                issuance,
                grants,
            } = ledger;
            parts.audience(tenant, identifier).promises = Some(AudiencePromises {
                at,
                uid,
                longest_lifetime,
                lifetime,
                algs,
                issuance,
                grants,
            });
        }
        for ledger in self.tenants {
            let TenantLedger {
                tenant,
                uid,
                longest_lifetime,
                domains,
            } = ledger;
            parts.root(tenant).promises = Some(TenantPromises {
                uid,
                longest_lifetime,
                domains,
            });
        }
        for keyring in self.keyrings {
            let Keyring {
                owner: Owner { tenant, namespace },
                tenant_uid,
                namespace_uid,
                keys,
            } = keyring;
            let ring = RingPart {
                tenant_uid,
                namespace_uid,
                keys,
            };
            match namespace {
                None => parts.root(tenant).keyrings.push(ring),
                Some(namespace) => parts.namespace(tenant, namespace).keyrings.push(ring),
            }
        }
        for told in self.bundles {
            let BundleStamp {
                tenant,
                namespace,
                stamp,
            } = told;
            parts.namespace(tenant, namespace).bundle = Some(stamp);
        }
        for ledger in self.secrets {
            let SecretLedger {
                tenant,
                at: ObjectRef { namespace, name },
                uid,
                generations,
            } = ledger;
            let part = SecretPart { uid, generations };
            let secrets = &mut parts.namespace(tenant, namespace).secrets;
            secrets.insert(name, part);
        }
        for rotation in self.rotations {
            let Rotation {
                tenant,
                namespace,
                request,
                at,
            } = rotation;
            parts.root(tenant).rotations.push(RotationPart {
                namespace,
                request,
                at,
            });
        }
        for (tenant, kids) in self.brought {
            parts.root(tenant).brought = kids;
        }
        for (tenant, stamp) in self.endpoints {
            parts.root(tenant).endpoint = Some(stamp);
        }
        parts
    }

    /// Puts parts together, in the order of a plan's state.
    pub fn join(parts: Parts) -> Self {
        let mut state = Self {
            claims: parts.domains.into_values().collect(),
            ..Self::default()
        };
        for (tenant, parts) in parts.tenants {
            state.add_root(&tenant, parts.root);
            for (namespace, part) in parts.namespaces {
                state.add_namespace(&tenant, namespace, part);
            }
            for (identifier, part) in parts.audiences {
                state.add_audience(&tenant, identifier, part);
            }
        }
        state
    }

    /// Puts everything into the order that [`State::join`] gives. What has equal names keeps its order: the keyrings of
    /// an owner go by age.
    pub(super) fn sort(&mut self) {
        self.claims.sort_by(|a, b| a.name.cmp(&b.name));
        self.audiences
            .sort_by(|a, b| (&a.tenant, &a.identifier).cmp(&(&b.tenant, &b.identifier)));
        self.tenants.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        self.keyrings.sort_by(|a, b| a.owner.cmp(&b.owner));
        self.bundles
            .sort_by(|a, b| (&a.tenant, &a.namespace).cmp(&(&b.tenant, &b.namespace)));
        self.secrets
            .sort_by(|a, b| (&a.tenant, &a.at).cmp(&(&b.tenant, &b.at)));
        self.rotations.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    }

    fn add_root(&mut self, tenant: &TenantRef, part: RootPart) {
        let ledger = part.promises.map(|promises| TenantLedger {
            tenant: tenant.clone(),
            uid: promises.uid,
            longest_lifetime: promises.longest_lifetime,
            domains: promises.domains,
        });
        self.tenants.extend(ledger);
        self.add_keyrings(&Owner::tenant(tenant.clone()), part.keyrings);
        let rotations = part.rotations.into_iter().map(|rotation| Rotation {
            tenant: tenant.clone(),
            namespace: rotation.namespace,
            request: rotation.request,
            at: rotation.at,
        });
        self.rotations.extend(rotations);
        if !part.brought.is_empty() {
            self.brought.insert(tenant.clone(), part.brought);
        }
        if let Some(stamp) = part.endpoint {
            self.endpoints.insert(tenant.clone(), stamp);
        }
    }

    fn add_namespace(&mut self, tenant: &TenantRef, namespace: Namespace, part: NamespacePart) {
        let owner = Owner::namespace(tenant.clone(), namespace.clone());
        self.add_keyrings(&owner, part.keyrings);
        let secrets = part.secrets.into_iter();
        self.secrets
            .extend(secrets.map(|(name, secret)| SecretLedger {
                tenant: tenant.clone(),
                at: ObjectRef::new(namespace.clone(), name),
                uid: secret.uid,
                generations: secret.generations,
            }));
        self.bundles.extend(part.bundle.map(|stamp| BundleStamp {
            tenant: tenant.clone(),
            namespace,
            stamp,
        }));
    }

    fn add_keyrings(&mut self, owner: &Owner, rings: Vec<RingPart>) {
        let keyrings = rings.into_iter().map(|ring| Keyring {
            owner: owner.clone(),
            tenant_uid: ring.tenant_uid,
            namespace_uid: ring.namespace_uid,
            keys: ring.keys,
        });
        self.keyrings.extend(keyrings);
    }

    fn add_audience(&mut self, tenant: &TenantRef, identifier: Identifier, part: AudiencePart) {
        self.claims.extend(part.claim.map(|claim| Claim {
            name: Name::Identifier(tenant.clone(), identifier.clone()),
            holder: claim.holder,
            keep: claim.keep,
            released_at: claim.released_at,
        }));
        let ledger = part.promises.map(|promises| AudienceLedger {
            tenant: tenant.clone(),
            identifier,
            at: promises.at,
            uid: promises.uid,
            longest_lifetime: promises.longest_lifetime,
            lifetime: promises.lifetime,
            algs: promises.algs,
            issuance: promises.issuance,
            grants: promises.grants,
        });
        self.audiences.extend(ledger);
    }
}

impl Parts {
    fn tenant(&mut self, tenant: TenantRef) -> &mut TenantParts {
        self.tenants.entry(tenant).or_default()
    }

    fn root(&mut self, tenant: TenantRef) -> &mut RootPart {
        &mut self.tenant(tenant).root
    }

    fn namespace(&mut self, tenant: TenantRef, namespace: Namespace) -> &mut NamespacePart {
        let namespaces = &mut self.tenant(tenant).namespaces;
        namespaces.entry(namespace).or_default()
    }

    fn audience(&mut self, tenant: TenantRef, identifier: Identifier) -> &mut AudiencePart {
        let audiences = &mut self.tenant(tenant).audiences;
        audiences.entry(identifier).or_default()
    }
}
