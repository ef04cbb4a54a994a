//! `Tenant`: an issuer with its own keys and rules.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    duration::GoDuration,
    field,
    login::{Endpoint, Login},
    reference::{LocalSecretRef, ObjectRef},
    selector::LabelSelector,
    status,
};

/// What the admin of a tenant asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "mintage.dev",
    version = "v1alpha1",
    kind = "Tenant",
    doc = "A Tenant is an issuer of tokens with its own domain, keys and rules.",
    namespaced,
    status = "TenantStatus",
    derive = "PartialEq",
    category = "mintage",
    shortname = "mten",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')").message(
        "metadata.name must be a DNS label: shorten it to 63 characters and take out the dots, since the tenant's Secrets are named mintage-keys.<namespace>.<name>"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// Host, or host:port, in lower case, on which the tenant is reached. Its issuer is `https://<domain>/`. It can't be
    /// changed, and no other Tenant or CustomDomain of the cluster can have it.
    #[schemars(schema_with = "field::authority")]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("the domain can't be changed, since tokens in use name it as their issuer: create another Tenant, or add a CustomDomain"),
        validation = Rule::new("self.matches('^[^:]{1,253}(:|$)')")
            .message("the host is longer than the 253 characters of a DNS name: shorten it"),
        validation = Rule::new("!self.endsWith(':443')")
            .message("leave out ':443': it is what https means without a port, and the issuer would differ")
    )]
    pub domain: String,

    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::display_name")]
    pub display_name: Option<String>,

    /// The ApiAudience of token requests that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_audience_ref: Option<ObjectRef>,

    /// The namespaces whose APIs and workloads may use the tenant.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,

    /// How the tenant's keys are made and changed.
    #[serde(default)]
    pub signing: Signing,

    /// What the tenant's public key set lists.
    #[serde(default)]
    pub jwks: Jwks,

    /// How long sidecars go on with what they last heard before they refuse to work: 5m to 720h.
    #[serde(default = "defaults::max_bundle_age")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('5m') && duration(self) <= duration('720h')")
        .message("choose a duration from 5m to 720h"))]
    pub max_bundle_age: GoDuration,

    /// The tenant's endpoint, where users sign in and applications get tokens.
    #[serde(default)]
    pub endpoint: Endpoint,

    /// How users sign in.
    #[serde(default)]
    pub login: Login,
}

/// The namespaces that may use a tenant, as the Gateway API writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.from != 'Selector' || has(self.selector)")
        .message("from: Selector needs a selector: add one, or choose Same or All").field_path(".selector"),
    validation = Rule::new("self.from == 'Selector' || !has(self.selector)")
        .message("a selector is read only with from: Selector: set that, or take the selector out").field_path(".selector")
)]
pub struct AllowedNamespaces {
    /// `Same`: the tenant's own namespace. `All`: every namespace. `Selector`: those that `selector` selects, by their labels.
    #[serde(default)]
    pub from: From,
    /// Which namespaces, by their labels; only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Where namespaces may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum From {
    /// Every namespace.
    All,
    /// The tenant's own namespace.
    #[default]
    Same,
    /// The namespaces that the selector selects.
    Selector,
}

/// How a tenant's keys are made and changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "duration(self.propagationDelay) + duration(self.propagationDelay) < duration(self.rotationPeriod)")
    .message("must be less than half of rotationPeriod: shorten propagationDelay or lengthen rotationPeriod")
    .field_path(".propagationDelay"))]
pub struct Signing {
    /// How long a key signs before the next one takes over: 1h to 8760h.
    #[serde(default = "defaults::rotation_period")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1h') && duration(self) <= duration('8760h')")
        .message("choose a duration from 1h to 8760h"))]
    pub rotation_period: GoDuration,
    /// How long a public key is published before its private key signs: at most 24h.
    #[serde(default = "defaults::propagation_delay")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("choose a duration of at most 24h"))]
    pub propagation_delay: GoDuration,
    /// A Secret of the tenant's namespace that holds keys made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret_ref: Option<LocalSecretRef>,
}

/// What a tenant's public key set lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Jwks {
    /// Whether the public key set may list keys that are not RSA. Central audiences signed with ES256 or EdDSA need it;
    /// some clients fail on a key set with keys that they don't know.
    #[serde(default)]
    pub allow_non_rsa: bool,
}

/// What Mintage found out about a tenant.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::generation")]
    pub observed_generation: Option<i64>,
    /// The issuer of the tenant's tokens, `https://<domain>/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::url")]
    pub issuer: Option<String>,
    /// `Ready` and what leads to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    pub conditions: Vec<Condition>,
    /// How far the newest keys, grants and revocations have come; absent where the operator has no stream to sidecars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// How far the newest keys, grants and revocations have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Propagation {
    /// The highest version of what any namespace was told; it grows with every change.
    #[schemars(range(min = 0))]
    pub version: i64,
    /// The running pods with a sidecar of this tenant.
    #[schemars(range(min = 0))]
    pub pods: i32,
    /// Those of them that have said that they go by the newest version of their namespace.
    #[schemars(range(min = 0))]
    pub acknowledged: i32,
    /// How long the slowest of those took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub slowest_milliseconds: Option<i32>,
    /// The first few of the others, each with what is known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "missing")]
    pub missing: Vec<String>,
}

fn missing(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "atomic",
        "items": { "type": "string", "maxLength": 1024 },
    })
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            rotation_period: defaults::rotation_period(),
            propagation_delay: defaults::propagation_delay(),
            key_secret_ref: None,
        }
    }
}

mod defaults {
    use super::GoDuration;

    pub(super) const fn max_bundle_age() -> GoDuration {
        GoDuration::from_secs(24 * 3600)
    }

    pub(super) const fn propagation_delay() -> GoDuration {
        GoDuration::from_secs(5 * 60)
    }

    pub(super) const fn rotation_period() -> GoDuration {
        GoDuration::from_secs(720 * 3600)
    }
}
