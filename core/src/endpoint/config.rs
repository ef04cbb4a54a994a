//! What the endpoint of a tenant is told: as a bundle is for sidecars, but of the whole tenant and of people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::redirect::{Origin, RedirectUri};
use crate::bundle::{AcceptAudience, Body, Told, TrustedKey};
use crate::jose::BASE64URL;
use crate::keyring::Key;
use crate::ledger::{Bounds, Generations, Term};
use crate::sorted::SortedMap;
use crate::world::{
    About, ApplicationKind, AudienceAlg, ClientAuth, Dialect, EndpointWishes, GrantType,
    RefreshRules, Source, UserRules,
};
use crate::{
    Alg, ClientId, Domain, Identifier, ObjectName, ObjectRef, Scope, Seconds, TenantRef, Uid,
    UnixTime, WorkloadId,
};

/// Everything that the endpoint of one tenant goes by, besides its secrets.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The tenant.
    pub tenant: TenantRef,
    /// Which life of it: everything that the endpoint remembers is of one life.
    pub tenant_uid: Uid,
    /// Its own domain.
    pub domain: Domain,
    /// All its domains, with their terms.
    pub domains: SortedMap<Domain, Term>,
    /// How old what the endpoint was told may get, in seconds.
    pub max_age: Seconds,
    /// Used when a request names no audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_audience: Option<Identifier>,
    /// Whether the public key set may list keys that are not RSA.
    pub allow_non_rsa: bool,
    /// Its own keys.
    pub keys: Vec<Key>,
    /// Its APIs, by identifier.
    pub apis: BTreeMap<Identifier, Api>,
    /// Its applications.
    pub applications: BTreeMap<ClientId, Application>,
    /// How users sign in.
    pub login: Arc<EndpointWishes>,
    /// The Secrets of the tenant's namespace with the certificates of its domains, of those that have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<Domain, ObjectName>,
}

/// An API, as users and applications get tokens for it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// Its place.
    pub at: ObjectRef,
    /// Which life of it. What it shares with the endpoint ends with it.
    pub uid: Uid,
    /// The `aud`.
    pub identifier: Identifier,
    /// Its names for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Arc<About>>,
    /// The algorithm of new tokens.
    pub alg: AudienceAlg,
    /// The algorithms of its tokens: this one, and earlier ones while tokens under them live.
    pub algs: SortedMap<Alg, Term>,
    /// The shape of new tokens.
    pub dialect: Dialect,
    /// How long new tokens live.
    pub lifetime: Seconds,
    /// Its scopes, in its order.
    pub scopes: Vec<Scope>,
    /// How users' tokens are given.
    pub users: UserRules,
    /// What is granted to applications that act for themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<ClientId, BTreeSet<Scope>>,
    /// What workloads get here; `None` where their sidecars sign for themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub central: Option<Central>,
}

/// An API whose tokens for workloads the tenant signs (`issuance: Central`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Central {
    /// The last moment at which it does, where the API does not say so any more: sidecars that have not heard of that go on
    /// asking for as long as news takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixTime>,
    /// What each workload was granted, of the namespaces that the tenant admits and that opted in.
    pub grants: SortedMap<WorkloadId, Bounds>,
}

/// An application.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Its `client_id`.
    pub client: ClientId,
    /// Its place.
    pub at: ObjectRef,
    /// Its name for people.
    pub name: String,
    /// What it is.
    pub kind: ApplicationKind,
    /// How it shows who it is.
    pub auth: ClientAuth,
    /// The generation of its secret that it is given.
    pub secret_generation: u32,
    /// The other generations that are good: the next one, which it is not given yet, and earlier ones until their end.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub other_secrets: Generations,
    /// The grants that it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// Whether it is the tenant's own.
    pub first_party: bool,
    /// Where users may come back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where users may go after signing out.
    pub logout_uris: Vec<RedirectUri>,
    /// Whose pages may call it.
    pub web_origins: BTreeSet<Origin>,
    /// How its refresh tokens live.
    pub refresh: RefreshRules,
}

/// The `client_id` of an application: as random as its UID, which the API server draws, and the same for as long as the
/// object lives. It needs no memory, and is another one for a recreated object or tenant.
pub fn client_id(tenant: &Uid, application: &Uid) -> ClientId {
    let text = format!("mintage.dev/client-id\n{tenant}\n{application}");
    let hash = digest(&SHA256, text.as_bytes());
    // Letters and digits alone: a name that begins with a hyphen is an option to some programs.
    let name = BASE64URL
        .encode(&hash.as_ref()[..24])
        .replace(['-', '_'], "x");
    ClientId::parse(&name).expect("base64url of 24 bytes is a client_id")
}

impl Application {
    /// Whether it has no secret.
    pub fn is_public(&self) -> bool {
        self.auth == ClientAuth::None
    }

    /// The generations of its secret that are good.
    pub fn good_secrets(&self, now: UnixTime) -> impl Iterator<Item = u32> {
        let others = self.other_secrets.iter();
        let others = others.filter(move |(_, term)| term.is_believed(now));
        std::iter::once(self.secret_generation).chain(others.map(|(generation, _)| *generation))
    }

    /// The registered place that admits what is asked for.
    pub fn admits(&self, asked: &RedirectUri) -> bool {
        let native = self.kind == ApplicationKind::Native;
        self.redirect_uris
            .iter()
            .any(|own| own.admits(asked, native))
    }

    /// Whether it may use a grant.
    pub fn may(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }
}

impl Api {
    /// Its name for people: `displayName`, else its identifier.
    pub fn name(&self) -> &str {
        let name = self.about.as_ref().and_then(|about| about.name.as_deref());
        name.unwrap_or(self.identifier.as_str())
    }

    /// What a scope allows, in the API's own words; else the scope itself.
    pub fn describe<'a>(&'a self, scope: &'a Scope) -> &'a str {
        let about = self.about.as_ref();
        about
            .and_then(|about| about.scopes.get(scope))
            .map_or(scope.as_str(), String::as_str)
    }
}

impl Told for Config {
    const FORMAT: &'static str = "mintage.dev/endpoint/v1";
    const NAME: &'static str = "what the endpoint is told";
    const SMALLER: &'static str = "spread the applications and APIs over several tenants";

    fn max_age(&self) -> Seconds {
        self.max_age
    }
}

impl Config {
    /// The Secrets of the tenant's namespace that the endpoint reads.
    pub fn secrets(&self) -> BTreeSet<&ObjectName> {
        let connections = self.login.connections.iter();
        let of_connections = connections.filter_map(|connection| match &connection.source {
            Source::Oidc { client_secret, .. } => client_secret.as_ref(),
            Source::Users { secret } => Some(secret),
        });
        of_connections.chain(self.certificates.values()).collect()
    }

    /// What a validator in the endpoint's place believes: the tenant's own keys, for all APIs.
    pub fn as_bundle(&self) -> Body {
        let keys = self.keys.iter().map(|key| TrustedKey {
            namespace: None,
            key: key.clone(),
            bounds: SortedMap::new(),
        });
        let accept = self.apis.values().map(|api| AcceptAudience {
            name: api.at.name.clone(),
            identifier: api.identifier.clone(),
            scopes: api.scopes.clone(),
            algs: api.algs.clone(),
        });
        Body {
            tenant: self.tenant.clone(),
            tenant_uid: self.tenant_uid.clone(),
            namespace: self.tenant.namespace.clone(),
            domain: self.domain.clone(),
            domains: self.domains.clone(),
            max_age: self.max_age,
            default_audience: None,
            feed: None,
            endpoint: None,
            issue: Vec::new(),
            accept: accept.collect(),
            keys: keys.collect(),
        }
    }
}
