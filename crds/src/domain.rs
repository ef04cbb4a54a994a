//! `CustomDomain`: another host name of a tenant, and so another issuer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{field, reference::LocalTenantRef, status};

/// What the admin of a tenant asks for.
#[expect(
    clippy::duplicated_attributes,
    reason = "each column has a name and a type"
)]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "mintage.dev",
    version = "v1alpha1",
    kind = "CustomDomain",
    doc = "A CustomDomain is another host name of a tenant of the same namespace, and so another issuer.",
    namespaced,
    status = "CustomDomainStatus",
    derive = "PartialEq",
    category = "mintage",
    shortname = "mdom",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
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
pub struct CustomDomainSpec {
    /// The tenant, which is in the same namespace. It can't be changed.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("the tenant can't be changed, since tokens in use name the domain as their issuer: delete this CustomDomain and create another"))]
    pub tenant_ref: LocalTenantRef,

    /// Host, or host:port, in lower case. It can't be changed, and no other Tenant or CustomDomain of the cluster can
    /// have it.
    #[schemars(schema_with = "field::authority")]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("the domain can't be changed, since tokens in use name it as their issuer: create another CustomDomain"),
        validation = Rule::new("self.matches('^[^:]{1,253}(:|$)')")
            .message("the host is longer than the 253 characters of a DNS name: shorten it"),
        validation = Rule::new("!self.endsWith(':443')")
            .message("leave out ':443': it is what https means without a port, and the issuer would differ")
    )]
    pub domain: String,

    /// Where the certificate comes from. Without it, whatever stands before the tenant's endpoint ends TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// How it is shown that the domain is the tenant's.
    #[serde(default)]
    pub verification: Verification,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretName) != has(self.issuerRef)")
    .message("give either secretName, for a certificate that is there, or issuerRef, to have one made"))]
pub struct Tls {
    /// A Secret of type `kubernetes.io/tls` in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::dns_subdomain")]
    pub secret_name: Option<String>,
    /// The cert-manager issuer that makes the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
}

/// An issuer of cert-manager, as its own resources write it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// Name of the issuer.
    #[schemars(schema_with = "field::dns_subdomain")]
    pub name: String,
    /// Kind of the issuer: `Issuer`, in the same namespace; `ClusterIssuer`; or a kind of another group.
    #[serde(default = "defaults::issuer_kind")]
    #[schemars(schema_with = "kind")]
    pub kind: String,
    /// API group of the issuer.
    #[serde(default = "defaults::issuer_group")]
    #[schemars(schema_with = "field::dns_subdomain")]
    pub group: String,
}

/// How it is shown that a domain is the tenant's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// `DnsTxt`: a TXT record; `HttpWellKnown`: a file under `/.well-known/`; `None`: nothing, which works only where the
    /// operator is told to allow it.
    #[serde(default)]
    pub method: VerificationMethod,
}

/// The kind of proof that a domain is the tenant's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum VerificationMethod {
    /// A TXT record.
    #[default]
    DnsTxt,
    /// A file under `/.well-known/`.
    HttpWellKnown,
    /// No proof.
    None,
}

/// What Mintage found out about a domain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomDomainStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::generation")]
    pub observed_generation: Option<i64>,
    /// The issuer that the domain stands for, `https://<domain>/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "field::url")]
    pub issuer: Option<String>,
    /// What to publish to show that the domain is the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// `Ready` and what leads to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    pub conditions: Vec<Condition>,
}

/// What to publish to show that a domain is the tenant's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// Where: the name of the TXT record, or the URL of the file.
    #[schemars(schema_with = "field::url")]
    pub location: String,
    /// The value that must be found there.
    #[schemars(length(max = 255))]
    pub value: String,
}

fn kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[A-Z][A-Za-z0-9]*$" })
}

mod defaults {
    pub(super) fn issuer_kind() -> String {
        "Issuer".to_owned()
    }

    pub(super) fn issuer_group() -> String {
        "cert-manager.io".to_owned()
    }
}
