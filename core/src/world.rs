//! The resources, parsed: what admins declared and what namespaces there are. Conversion from Kubernetes objects
//! happens at the border (`mintage-crds`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::shared::Shared;
use crate::{
    Alg, Domain, Identifier, Kid, Namespace, ObjectName, ObjectRef, Scope, Seconds, TenantRef, Uid,
    UnixTime, WorkloadId,
};

/// Everything declared, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The APIs, which it has in common with whoever read them: they are by far the largest part.
    pub audiences: Vec<Shared<Audience>>,
    /// The custom domains.
    pub domains: Vec<CustomDomain>,
    /// The namespaces that exist.
    pub namespaces: BTreeMap<Namespace, NamespaceInfo>,
    /// The tenants.
    pub tenants: Vec<Tenant>,
}

impl World {
    /// Whether there is a tenant that serves a namespace that there is.
    pub fn admits(&self, tenant: &TenantRef, namespace: &Namespace) -> bool {
        let tenant = self.tenants.iter().find(|known| known.at == *tenant);
        let info = self.namespaces.get(namespace);
        tenant
            .zip(info)
            .is_some_and(|(tenant, info)| tenant.allows(namespace, &info.labels))
    }
}

/// A namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceInfo {
    /// Its labels, which a tenant may select by.
    pub labels: BTreeMap<String, String>,
    /// Whether it wants keys: it has the injection label, or a pod with a sidecar.
    pub opted_in: bool,
    /// Which life of the namespace this is.
    pub uid: Uid,
}

/// `Tenant`: an issuer with its own keys and rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// `jwks.allowNonRsa`: whether the public JWKS may list EC and Ed25519 keys.
    pub allow_non_rsa: bool,
    /// `allowedNamespaces`.
    pub allowed: AllowedNamespaces,
    /// Its place.
    pub at: TenantRef,
    /// When it was created.
    pub created: UnixTime,
    /// `defaultAudienceRef`: used when a workload names no audience.
    pub default_audience: Option<ObjectRef>,
    /// Whether it is being deleted: it goes when nothing refers to it any more.
    pub deleting: bool,
    /// `domain`.
    pub domain: Domain,
    /// `signing.keySecretRef`: the Secret in the tenant's namespace with the keys that an admin brings, which take the
    /// place of made ones as the tenant's own.
    pub key_secret: Option<ObjectName>,
    /// `maxBundleAge`: how old a sidecar's data may get before it fails closed.
    pub max_bundle_age: Seconds,
    /// `signing.propagationDelay`: how long a key is published before it signs, at least.
    pub propagation_delay: Seconds,
    /// Annotation `mintage.dev/release-claim`: identifiers and domains that nobody holds any more and that are to be free
    /// for others at once.
    pub release_claims: BTreeSet<String>,
    /// Annotation `mintage.dev/revoke-key`: keys of the tenant or of its namespaces that are to be refused.
    pub revoke_keys: BTreeSet<Kid>,
    /// Annotation `mintage.dev/rotate-now`: a new value asks for new keys, of the tenant and of its namespaces.
    pub rotate_request: Option<String>,
    /// `signing.rotationPeriod`.
    pub rotation_period: Seconds,
    /// Which life of the tenant this is.
    pub uid: Uid,
    /// What is wrong with its annotations, in words, with the mend. What cannot be read asks for nothing.
    pub unreadable: Vec<String>,
}

/// Which namespaces a tenant serves (as the Gateway API's `allowedRoutes`).
#[derive(Clone, Debug, PartialEq)]
pub enum AllowedNamespaces {
    /// Every namespace.
    All,
    /// The tenant's own only.
    Same,
    /// Those whose labels match.
    Selector(LabelSelector),
}

/// A Kubernetes label selector; empty, it matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements; all must hold.
    pub requirements: Vec<Requirement>,
}

/// One requirement of a label selector on the label `key`.
#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    /// The label is absent.
    DoesNotExist(String),
    /// The label is there.
    Exists(String),
    /// The label is there with one of the values.
    In(String, BTreeSet<String>),
    /// The label is absent or has another value.
    NotIn(String, BTreeSet<String>),
}

impl LabelSelector {
    /// Whether labels fulfil every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .requirements
                .iter()
                .all(|requirement| match requirement {
                    Requirement::DoesNotExist(key) => !labels.contains_key(key),
                    Requirement::Exists(key) => labels.contains_key(key),
                    Requirement::In(key, values) => {
                        labels.get(key).is_some_and(|value| values.contains(value))
                    }
                    Requirement::NotIn(key, values) => {
                        !labels.get(key).is_some_and(|value| values.contains(value))
                    }
                })
    }
}

impl Tenant {
    /// Whether the tenant serves a namespace.
    pub fn allows(&self, namespace: &Namespace, labels: &BTreeMap<String, String>) -> bool {
        *namespace == self.at.namespace
            || match &self.allowed {
                AllowedNamespaces::All => true,
                AllowedNamespaces::Same => false,
                AllowedNamespaces::Selector(selector) => selector.matches(labels),
            }
    }
}

/// `ApiAudience`: an API that accepts tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Audience {
    /// `signingAlgorithm`.
    pub alg: AudienceAlg,
    /// Its place.
    pub at: ObjectRef,
    /// When it was created.
    pub created: UnixTime,
    /// `tokenDialect`.
    pub dialect: Dialect,
    /// `grants`.
    pub grants: Vec<Grant>,
    /// `identifier`: the `aud` of its tokens.
    pub identifier: Identifier,
    /// `issuance`.
    pub issuance: Issuance,
    /// `tokenLifetimeSeconds`.
    pub lifetime: Seconds,
    /// Annotation `mintage.dev/revoke-now`: what is taken back is refused at once, not when its last token has ended.
    pub revoke_now: bool,
    /// `scopes`, in the order declared.
    pub scopes: Vec<Scope>,
    /// `tenantRef`.
    pub tenant: TenantRef,
    /// Which life of the object this is.
    pub uid: Uid,
}

/// The algorithm of an audience's tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AudienceAlg {
    /// Signed with a key pair.
    Asymmetric(Alg),
    /// HMAC with a secret the API shares: only the tenant endpoint issues these.
    Hs256,
}

/// The shape of an access token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Dialect {
    /// Auth0's own profile: `typ: JWT`, `azp`, `gty`.
    Auth0,
    /// RFC 9068: `typ: at+jwt`, `client_id`, `jti`.
    #[serde(rename = "RFC9068")]
    Rfc9068,
}

/// Who signs an audience's tokens for workloads.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Issuance {
    /// The tenant's key, at the tenant endpoint.
    Central,
    /// The sidecar, with its namespace's key.
    Local,
}

/// Who may ask for which scopes of an audience.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The scopes.
    pub scopes: Vec<Scope>,
    /// The client.
    pub to: Grantee,
}

/// A client that holds a grant.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Grantee {
    /// An `Application`.
    Application(ObjectRef),
    /// Pods under one `ServiceAccount`.
    Workload(WorkloadId),
}

/// `CustomDomain`: another host name of the tenant, and so another issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomDomain {
    /// Its place; the tenant is in the same namespace.
    pub at: ObjectRef,
    /// When it was created.
    pub created: UnixTime,
    /// `domain`.
    pub domain: Domain,
    /// `tenantRef`.
    pub tenant: TenantRef,
    /// Which life of the object this is.
    pub uid: Uid,
    /// Whether control over the domain has been shown.
    pub verified: bool,
}
