//! `ApiAudience`: an API that accepts tokens.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    field,
    reference::{ObjectRef, TenantRef, WorkloadRef},
    status,
};

/// What the owner of an API asks for.
#[expect(
    clippy::duplicated_attributes,
    reason = "each column has a name and a type"
)]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "mintage.dev",
    version = "v1alpha1",
    kind = "ApiAudience",
    doc = "An ApiAudience is an API that accepts tokens of a tenant, with the scopes it knows and who is granted them.",
    namespaced,
    status = "ApiAudienceStatus",
    derive = "PartialEq",
    category = "mintage",
    shortname = "maud",
    printcolumn(name = "Identifier", type_ = "string", json_path = ".spec.identifier"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantRef.name"),
    printcolumn(
        name = "Algorithm",
        type_ = "string",
        json_path = ".spec.signingAlgorithm",
        priority = 1
    ),
    printcolumn(
        name = "Issuance",
        type_ = "string",
        json_path = ".spec.issuance",
        priority = 1
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.signingAlgorithm != 'HS256' || self.issuance == 'Central'")
    .message("HS256 is signed with a secret that only the tenant's endpoint holds: set issuance: Central, or choose another signingAlgorithm")
    .field_path(".issuance"))]
pub struct ApiAudienceSpec {
    /// The tenant that issues the API's tokens. It can't be changed.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("the tenant can't be changed, since tokens in use were issued by it: create another ApiAudience"))]
    pub tenant_ref: TenantRef,

    /// The `aud` of the API's tokens, often a URL, unique in the tenant. It can't be changed.
    #[schemars(schema_with = "field::identifier")]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("the identifier can't be changed, since tokens in use carry it as their audience: create another ApiAudience"))]
    pub identifier: String,

    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::display_name")]
    pub display_name: Option<String>,

    /// The algorithm that the API's tokens are signed with.
    #[serde(default)]
    pub signing_algorithm: SigningAlgorithm,

    /// How long a token is good, in seconds: 60 to 2592000, which is 30 days.
    #[serde(default = "defaults::token_lifetime")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub token_lifetime_seconds: u32,

    /// How long a token is good that a browser asked for, in seconds; never longer than `tokenLifetimeSeconds`.
    #[serde(default = "defaults::token_lifetime_for_web")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub token_lifetime_for_web_seconds: u32,

    /// The shape of the tokens: as Auth0 writes them, or by RFC 9068.
    #[serde(default)]
    pub token_dialect: TokenDialect,

    /// Who signs: `Local`, the sidecar of the asking workload with its namespace's key; or `Central`, the tenant's endpoint
    /// with the tenant's key, for APIs that outsiders or plain libraries validate.
    #[serde(default)]
    pub issuance: Issuance,

    /// Whether applications may go on for a user while that user is away: they ask for it by the scope `offline_access` and
    /// get a refresh token.
    #[serde(default)]
    pub allow_offline_access: bool,

    /// Whether users of the tenant's own applications are not asked before those get a token for the API.
    #[serde(default)]
    pub skip_consent_for_first_party: bool,

    /// Whether a user's token has only those scopes that the user was assigned. Without it a user may have every scope that
    /// the API knows.
    #[serde(default)]
    pub enforce_rbac: bool,

    /// The scopes that the API knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub scopes: Vec<ScopeSpec>,

    /// Who may ask for which scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub grants: Vec<Grant>,
}

/// The algorithm of a signature (RFC 7518, section 3; RFC 8037).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
    /// HMAC with SHA-256; only with `issuance: Central`.
    HS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[default]
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
}

/// The shape of an API's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum TokenDialect {
    /// As Auth0 writes access tokens.
    #[default]
    Auth0,
    /// The JWT profile of RFC 9068.
    #[serde(rename = "RFC9068")]
    Rfc9068,
}

/// Who signs an API's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Issuance {
    /// The tenant's endpoint, with the tenant's key.
    Central,
    /// The sidecar of the asking workload, with its namespace's key.
    #[default]
    Local,
}

/// A scope that an API knows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScopeSpec {
    /// The scope token, for example `read:orders` (RFC 6749, section 3.3).
    #[schemars(schema_with = "field::scope")]
    pub name: String,
    /// What the scope allows, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::description")]
    pub description: Option<String>,
}

/// Scopes for one workload or one application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.workload) != has(self.application)")
    .message("name either a workload or an application in each grant: write two grants for both"))]
pub struct Grant {
    /// The workload that is granted the scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRef>,
    /// The application that is granted the scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ObjectRef>,
    /// The scopes. Without any, the grantee may ask for tokens that carry no scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "field::scope_set")]
    pub scopes: Vec<String>,
}

/// What Mintage found out about an API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiAudienceStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::generation")]
    pub observed_generation: Option<i64>,
    /// The issuer of the API's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::url")]
    pub issuer: Option<String>,
    /// Grants of scopes that the API doesn't declare. They grant nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub undeclared_scopes: Vec<UndeclaredScopes>,
    /// `Ready` and what leads to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    pub conditions: Vec<Condition>,
}

/// Scopes of one grant that the API doesn't declare.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UndeclaredScopes {
    /// The position of the grant in `spec.grants`, from 0.
    #[schemars(range(max = 255))]
    pub grant: u32,
    /// The scopes that `spec.scopes` doesn't have.
    #[schemars(schema_with = "field::scope_set")]
    pub scopes: Vec<String>,
}

mod defaults {
    pub(super) const fn token_lifetime() -> u32 {
        86_400
    }

    pub(super) const fn token_lifetime_for_web() -> u32 {
        7_200
    }
}
