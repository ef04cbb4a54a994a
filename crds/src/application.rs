//! `Application`: an OAuth client that is not a pod of the cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{duration::GoDuration, field, reference::TenantRef, status};

/// What the owner of an application asks for.
#[expect(
    clippy::duplicated_attributes,
    reason = "each column has a name and a type"
)]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "mintage.dev",
    version = "v1alpha1",
    kind = "Application",
    doc = "An Application is an OAuth client of a tenant that is not a pod of the cluster: a web app, a page, a program of a user's own, a machine elsewhere.",
    namespaced,
    status = "ApplicationStatus",
    derive = "PartialEq",
    category = "mintage",
    shortname = "mapp",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Client", type_ = "string", json_path = ".status.clientId"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantRef.name"),
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
#[x_kube(
    validation = Rule::new("self.type in ['Web', 'Machine'] || !has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod == 'none'")
        .message("a SinglePage or Native application can't keep a secret: leave tokenEndpointAuthMethod out, or choose the type Web")
        .field_path(".tokenEndpointAuthMethod"),
    validation = Rule::new("self.type != 'Machine' || !has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod != 'none'")
        .message("a Machine shows who it is by its secret: choose client_secret_post or client_secret_basic, or leave tokenEndpointAuthMethod out")
        .field_path(".tokenEndpointAuthMethod"),
    validation = Rule::new("!has(self.grantTypes) || !('client_credentials' in self.grantTypes) || (self.type in ['Web', 'Machine'] && (!has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod != 'none'))")
        .message("client_credentials needs a secret: choose the type Web or Machine, without tokenEndpointAuthMethod: none")
        .field_path(".grantTypes"),
    validation = Rule::new("self.type == 'Machine' || (has(self.redirectUris) && self.redirectUris.size() > 0)")
        .message("users come back to the application by one of its redirectUris: add one, as https://app.example.com/callback")
        .field_path(".redirectUris"),
    validation = Rule::new("self.type != 'Machine' || !has(self.grantTypes) || self.grantTypes.all(grant, grant == 'client_credentials')")
        .message("no user signs in at a Machine: leave grantTypes out, or choose the type Web")
        .field_path(".grantTypes")
)]
pub struct ApplicationSpec {
    /// The tenant whose users sign in at the application. It can't be changed.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("the tenant can't be changed, since the client_id is of that tenant: create another Application"))]
    pub tenant_ref: TenantRef,

    /// A name for people, shown when they sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::display_name")]
    pub display_name: Option<String>,

    /// `SinglePage`: runs in a browser. `Web`: has a server that keeps a secret. `Native`: a program on a user's machine or
    /// phone. `Machine`: acts for itself, without users.
    #[serde(rename = "type")]
    pub type_: ApplicationType,

    /// Where users may be sent back to after they signed in; compared byte for byte. `https`, `http` on a loopback host, and,
    /// for Native, a scheme of its own with a dot in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "uris")]
    pub redirect_uris: Vec<String>,

    /// Where users may be sent to after they signed out; compared byte for byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "uris")]
    pub logout_uris: Vec<String>,

    /// The origins whose pages may renew tokens silently and call the token endpoint. Without any: the origins of
    /// `redirectUris`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "origins")]
    pub web_origins: Vec<String>,

    /// The grants that it may use (RFC 6749). Without any: `client_credentials` for Machine; `authorization_code` and
    /// `refresh_token` for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub grant_types: Vec<GrantType>,

    /// How it shows who it is at the token endpoint. Without it: `none` for SinglePage and Native; for the others, whichever
    /// of the two ways of sending the secret it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,

    /// Whether it is the tenant's own, so that its users need not be asked where the API says so. It counts only in the
    /// tenant's namespace.
    #[serde(default)]
    pub first_party: bool,

    /// How its refresh tokens live.
    #[serde(default)]
    pub refresh_tokens: RefreshTokens,

    /// Its secret, where it has one. Mintage makes it; what is said here is when there is to be another one.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.generation >= oldSelf.generation")
        .message("a secret does not come back once another took its place, or one that leaked would be good again: leave the generation, or raise it")
        .field_path(".generation"))]
    pub client_secret: ClientSecret,
}

/// What an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum ApplicationType {
    /// It acts for itself, without users.
    Machine,
    /// A program on a user's machine or phone.
    Native,
    /// A page in a browser.
    SinglePage,
    /// A server that keeps a secret.
    Web,
}

/// A grant type (RFC 6749, sections 4.1, 4.4 and 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A user signs in.
    AuthorizationCode,
    /// It acts for itself.
    ClientCredentials,
    /// It goes on for a user.
    RefreshToken,
}

/// How a client shows who it is at the token endpoint (RFC 7591, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// HTTP Basic with `client_id` and `client_secret`.
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the form.
    ClientSecretPost,
    /// It has no secret.
    None,
}

/// How refresh tokens of an application live.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshTokens {
    /// `Rotating`: each use gives a new one, and one that comes back ends them all. `Reusable`: it stays the same.
    #[serde(default)]
    pub rotation: Rotation,
    /// How long after its use the last one may come once more, for an answer that was lost: at most 1m. Only with Rotating.
    #[serde(default = "defaults::leeway")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('1m')").message("choose a duration of at most 1m"))]
    pub leeway: GoDuration,
    /// When they end, however they are used: 1m to 8760h.
    #[serde(default = "defaults::lifetime")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('8760h')")
        .message("choose a duration from 1m to 8760h"))]
    pub lifetime: GoDuration,
    /// When they end without use: 1m to 8760h.
    #[serde(default = "defaults::idle_lifetime")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('8760h')")
        .message("choose a duration from 1m to 8760h"))]
    pub idle_lifetime: GoDuration,
}

/// How one client secret takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecret {
    /// Counts the changes: one more is another secret. It can't go down.
    #[serde(default = "defaults::generation")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub generation: u32,
    /// How long the secret before goes on being good once the application was given the next one: at most 8760h. With 0s the
    /// next one is given at once and all others are refused, which is for a secret that leaked. A shorter time counts at
    /// once, a longer one from the next change on.
    #[serde(default = "defaults::accept_previous")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('8760h')").message("choose a duration of at most 8760h"))]
    pub accept_previous: GoDuration,
}

/// Whether each use of a refresh token gives a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Rotation {
    /// It stays the same.
    Reusable,
    /// Each use gives a new one.
    #[default]
    Rotating,
}

/// What Mintage found out about an application.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::generation")]
    pub observed_generation: Option<i64>,
    /// The `client_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "client_id")]
    pub client_id: Option<String>,
    /// The issuer that it signs its users in at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::url")]
    pub issuer: Option<String>,
    /// The Secret of its namespace with `CLIENT_ID`, `ISSUER_BASE_URL` and, unless it has none, `CLIENT_SECRET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::dns_subdomain")]
    pub secret_name: Option<String>,
    /// The secret that is in `secretName`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecretStatus>,
    /// `Ready` and what leads to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    pub conditions: Vec<Condition>,
}

/// Which client secret counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretStatus {
    /// The generation that the application is given.
    #[schemars(range(min = 1))]
    pub generation: u32,
    /// When the next generation takes its place. The endpoint takes both already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_from: Option<Time>,
    /// Until when the last of the earlier ones is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Time>,
}

impl Default for RefreshTokens {
    fn default() -> Self {
        Self {
            rotation: Rotation::default(),
            leeway: defaults::leeway(),
            lifetime: defaults::lifetime(),
            idle_lifetime: defaults::idle_lifetime(),
        }
    }
}

impl Default for ClientSecret {
    fn default() -> Self {
        Self {
            generation: defaults::generation(),
            accept_previous: defaults::accept_previous(),
        }
    }
}

fn uris(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 4, "maxLength": 512, "pattern": field::URI },
    })
}

fn origins(_: &mut SchemaGenerator) -> Schema {
    // From `https://a` to a host of 253 with a port of five digits.
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 9, "maxLength": 267, "pattern": field::ORIGIN },
    })
}

fn client_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 64 })
}

mod defaults {
    use super::GoDuration;

    pub(super) const fn generation() -> u32 {
        1
    }

    /// A day to start everything anew that has the old one.
    pub(super) const fn accept_previous() -> GoDuration {
        GoDuration::from_secs(24 * 3600)
    }

    /// Auth0's 2,592,000 s.
    pub(super) const fn lifetime() -> GoDuration {
        GoDuration::from_secs(720 * 3600)
    }

    /// Auth0 tolerates no reuse unless told to.
    pub(super) const fn leeway() -> GoDuration {
        GoDuration::from_secs(0)
    }

    /// Auth0's 1,296,000 s.
    pub(super) const fn idle_lifetime() -> GoDuration {
        GoDuration::from_secs(360 * 3600)
    }
}
