//! The parts of a `Tenant` that speak of people: its endpoint, and how users sign in there.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{domain::Tls, duration::GoDuration, field, reference::LocalSecretRef};

/// Where users sign in and applications get tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.replicas == 1 || self.store.type != 'Embedded'")
    .message("the embedded store serves one replica: set replicas: 1, or choose the store PostgreSQL")
    .field_path(".replicas"))]
pub struct Endpoint {
    /// Whether there is one.
    #[serde(default)]
    pub enabled: bool,
    /// How many pods serve it: 1 to 16.
    #[serde(default = "defaults::replicas")]
    #[schemars(range(min = 1, max = 16))]
    pub replicas: u16,
    /// Where sessions, codes, refresh tokens and consents are kept.
    #[serde(default)]
    pub store: Store,
    /// The certificate of the tenant's own domain. Without one a proxy in front of the endpoint has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The authorities that sign the certificates of the tenant's domains, in PEM. Sidecars ask the endpoint for tokens of Central
    /// APIs, and trust these alone; without any, those that Mozilla trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::certificates")]
    pub ca_bundle: Option<String>,
    /// The networks of the proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "networks")]
    pub trusted_proxies: Vec<String>,
    /// An Ingress for the tenant's domain and each verified CustomDomain. It leads to the port for proxies where there are
    /// `trustedProxies`, and else to the one with TLS, which its controller has to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// An `HTTPRoute` of the Gateway API, for the same domains and to the same port as the Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRoute>,
}

/// An Ingress in front of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// The `IngressClass`. Without it, the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::dns_subdomain")]
    pub class_name: Option<String>,
    /// Annotations of one line, which are its controller's to know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// An `HTTPRoute` (`gateway.networking.k8s.io`) in front of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// The Gateways that it is attached to.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub parent_refs: Vec<ParentRef>,
}

/// A Gateway, or one of its listeners.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// The Gateway.
    #[schemars(schema_with = "field::dns_subdomain")]
    pub name: String,
    /// Its namespace. Without it, the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::dns_label")]
    pub namespace: Option<String>,
    /// The listener. Without it, all that take the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::dns_subdomain")]
    pub section_name: Option<String>,
}

/// Where the endpoint keeps what it must remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'PostgreSQL') == has(self.urlSecretRef)")
    .message("PostgreSQL needs urlSecretRef, a Secret with the key url; the embedded store has none")
    .field_path(".urlSecretRef"))]
pub struct Store {
    /// `Embedded`: SQLite on a volume, for one replica. `PostgreSQL`: for any number.
    #[serde(default, rename = "type")]
    pub type_: StoreType,
    /// A Secret of the tenant's namespace whose key `url` is the address of the database, `postgres://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<LocalSecretRef>,
}

/// The kind of store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum StoreType {
    /// SQLite.
    #[default]
    Embedded,
    /// PostgreSQL.
    #[serde(rename = "PostgreSQL")]
    Postgres,
}

/// How users sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Where users come from. Their `sub` begins with the name of their connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub connections: Vec<Connection>,
    /// How the pages look.
    #[serde(default)]
    pub theme: Theme,
    /// How long users stay signed in.
    #[serde(default)]
    pub session: Session,
}

/// Where users come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.users) != has(self.oidc)")
    .message("give either users, for a Secret of users, or oidc, for a provider that knows them"))]
pub struct Connection {
    /// Its name, the first part of its users' `sub`.
    #[schemars(schema_with = "connection_name")]
    pub name: String,
    /// A name for people, on its button.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::display_name")]
    pub display_name: Option<String>,
    /// Users in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Users>,
    /// Users of an OpenID Connect provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
}

/// Users in a Secret, for small set-ups.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Users {
    /// The Secret of the tenant's namespace, of type `mintage.dev/users`: one entry for each user (`mintage users add`).
    pub secret_ref: LocalSecretRef,
}

/// An OpenID Connect provider that knows the users.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// Its issuer, exactly as it writes itself.
    #[schemars(schema_with = "field::http_url")]
    pub issuer: String,
    /// The `client_id` that it gave to the tenant.
    #[schemars(schema_with = "upstream_client")]
    pub client_id: String,
    /// A Secret of the tenant's namespace whose key `client_secret` is the secret that it gave to the tenant. Without it the
    /// tenant is a public client there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<LocalSecretRef>,
    /// What is asked of it besides `openid`. Without any: `profile` and `email`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "upstream_scopes")]
    pub scopes: Vec<String>,
}

/// How the pages look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Theme {
    /// The address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::http_url")]
    pub logo_url: Option<String>,
    /// The colour of buttons and links, `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::colour")]
    pub primary_color: Option<String>,
    /// Where users find help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::http_url")]
    pub support_url: Option<String>,
}

/// How long users stay signed in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Without a visit: 1m to 8760h.
    #[serde(default = "defaults::idle_lifetime")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('8760h')")
        .message("choose a duration from 1m to 8760h"))]
    pub idle_lifetime: GoDuration,
    /// In all: 1m to 8760h.
    #[serde(default = "defaults::lifetime")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('8760h')")
        .message("choose a duration from 1m to 8760h"))]
    pub lifetime: GoDuration,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            enabled: false,
            replicas: defaults::replicas(),
            store: Store::default(),
            tls: None,
            ca_bundle: None,
            trusted_proxies: Vec::new(),
            ingress: None,
            http_route: None,
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            idle_lifetime: defaults::idle_lifetime(),
            lifetime: defaults::lifetime(),
        }
    }
}

fn networks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "set",
        "items": {
            "type": "string",
            "minLength": 4,
            "maxLength": 43,
            "pattern": field::CIDR,
            "x-kubernetes-validations": [{
                "rule": "isCIDR(self)",
                "message": "there is no such network: write one as 10.0.0.0/8 or fd00::/8",
            }],
        },
    })
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 4096, "pattern": field::TEXT },
        "x-kubernetes-validations": [field::label_keys()],
    })
}

fn connection_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 32, "pattern": field::DNS_LABEL })
}

fn upstream_client(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": field::IDENTIFIER })
}

fn upstream_scopes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": field::SCOPE },
    })
}

mod defaults {
    use super::GoDuration;

    pub(super) const fn replicas() -> u16 {
        1
    }

    /// Auth0's three days.
    pub(super) const fn idle_lifetime() -> GoDuration {
        GoDuration::from_secs(72 * 3600)
    }

    /// Auth0's seven days.
    pub(super) const fn lifetime() -> GoDuration {
        GoDuration::from_secs(168 * 3600)
    }
}
