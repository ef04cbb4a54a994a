//! The resources, parsed: what admins declared and what namespaces there are. Conversion from Kubernetes objects
//! happens at the border (`mintage-crds`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::shared::Shared;
use crate::{
    Alg, Domain, Identifier, Kid, Namespace, ObjectName, ObjectRef, Scope, Seconds, TenantRef, Uid,
    UnixTime, WorkloadId,
};

/// Everything declared, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The applications.
    pub applications: Vec<Application>,
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
    /// `endpoint` and `login`, where the endpoint is enabled.
    pub endpoint: Option<Arc<EndpointWishes>>,
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
    /// The names for people; absent where there are none.
    pub about: Option<Arc<About>>,
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
    /// How users' tokens for it are given.
    pub users: UserRules,
}

/// The names of an API for people.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// `displayName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `scopes[].description`, of those that have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<Scope, String>,
}

/// How users' tokens for an API are given.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRules {
    /// `allowOfflineAccess`.
    pub offline_access: bool,
    /// `enforceRbac`.
    pub rbac: bool,
    /// `skipConsentForFirstParty`.
    pub skip_consent: bool,
}

/// The algorithm of an audience's tokens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum AudienceAlg {
    /// Signed with a key pair.
    Asymmetric(Alg),
    /// HMAC with a secret the API shares: only the tenant endpoint issues these.
    Hs256,
}

impl AudienceAlg {
    /// The name in a JOSE header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asymmetric(alg) => alg.as_str(),
            Self::Hs256 => "HS256",
        }
    }
}

impl From<Alg> for AudienceAlg {
    fn from(alg: Alg) -> Self {
        Self::Asymmetric(alg)
    }
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
    /// `tls.secretName`.
    pub certificate: Option<ObjectName>,
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

/// `Application`: an OAuth client that is not a pod of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// Its place.
    pub at: ObjectRef,
    /// `tokenEndpointAuthMethod`, or what follows from the type.
    pub auth: ClientAuth,
    /// `firstParty`.
    pub first_party: bool,
    /// `grantTypes`, or what follows from the type.
    pub grant_types: BTreeSet<GrantType>,
    /// `type`.
    pub kind: ApplicationKind,
    /// `logoutUris`, as written.
    pub logout_uris: Vec<String>,
    /// `displayName`.
    pub name: Option<String>,
    /// `redirectUris`, as written.
    pub redirect_uris: Vec<String>,
    /// `refreshTokens`.
    pub refresh: RefreshRules,
    /// `clientSecret`.
    pub secret: SecretRules,
    /// `tenantRef`.
    pub tenant: TenantRef,
    /// Which life of the object this is.
    pub uid: Uid,
    /// `webOrigins`, as written.
    pub web_origins: Vec<String>,
}

/// What an application is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum ApplicationKind {
    /// It acts for itself.
    Machine,
    /// A program on a user's machine.
    Native,
    /// A page in a browser.
    SinglePage,
    /// A server that keeps a secret.
    Web,
}

/// A grant type (RFC 6749).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A user signs in (section 4.1).
    AuthorizationCode,
    /// It acts for itself (section 4.4).
    ClientCredentials,
    /// It goes on for a user (section 6).
    RefreshToken,
}

impl GrantType {
    /// The value of `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// How a client shows who it is at the token endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// By HTTP Basic.
    Basic,
    /// By its secret, in either way.
    Either,
    /// It has no secret.
    None,
    /// In the form.
    Post,
}

/// Which secret an application has, and how one takes the place of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SecretRules {
    /// How long the one before is good once the application was given this one; 0 to give it at once and refuse all others.
    pub accept_previous: Seconds,
    /// Counts the changes.
    pub generation: u32,
}

/// How refresh tokens live.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshRules {
    /// When they end without use.
    pub idle: Seconds,
    /// How long after its use the last one may come once more.
    pub leeway: Seconds,
    /// When they end, however they are used.
    pub lifetime: Seconds,
    /// Whether each use gives a new one.
    pub rotates: bool,
}

/// `Tenant.spec.endpoint` and `login`: where and how users sign in.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointWishes {
    /// `displayName` of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `login.connections`.
    pub connections: Vec<Connection>,
    /// `login.theme`.
    pub theme: Theme,
    /// `login.session`.
    pub session: SessionRules,
    /// `endpoint.tls.secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ObjectName>,
    /// `endpoint.caBundle`: the certificates of the authorities that sign the endpoint's, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// `endpoint.trustedProxies`, as written.
    pub trusted_proxies: Vec<String>,
}

/// Where users come from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Its name, the first part of its users' `sub`.
    pub name: ObjectName,
    /// `displayName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Of which kind.
    pub source: Source,
}

/// The kind of a connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// An OpenID Connect provider.
    #[serde(rename_all = "camelCase")]
    Oidc {
        /// Its issuer.
        issuer: String,
        /// The tenant's `client_id` there.
        client_id: String,
        /// The Secret with the key `client_secret`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret: Option<ObjectName>,
        /// What is asked of it besides `openid`.
        scopes: Vec<Scope>,
    },
    /// A Secret of users.
    Users {
        /// Its name.
        secret: ObjectName,
    },
}

/// How the pages look.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Theme {
    /// `logoUrl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// `primaryColor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_color: Option<String>,
    /// `supportUrl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_url: Option<String>,
}

/// How long users stay signed in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRules {
    /// Without a visit.
    pub idle: Seconds,
    /// In all.
    pub lifetime: Seconds,
}
