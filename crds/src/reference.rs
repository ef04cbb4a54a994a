//! References from one resource to another.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::field;

/// A Tenant in any namespace.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// Name of the Tenant.
    #[schemars(schema_with = "field::dns_label")]
    pub name: String,
    /// Namespace of the Tenant.
    #[schemars(schema_with = "field::dns_label")]
    pub namespace: String,
}

/// A Tenant in the same namespace.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct LocalTenantRef {
    /// Name of the Tenant, which is in the namespace of this resource.
    #[schemars(schema_with = "field::dns_label")]
    pub name: String,
}

/// An ApiAudience or an Application in any namespace.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Name of the object.
    #[schemars(schema_with = "field::dns_subdomain")]
    pub name: String,
    /// Namespace of the object.
    #[schemars(schema_with = "field::dns_label")]
    pub namespace: String,
}

/// A Secret in the same namespace.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecretRef {
    /// Name of the Secret, which is in the namespace of this resource.
    #[schemars(schema_with = "field::dns_subdomain")]
    pub name: String,
}

/// The identity of pods: a service account.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// Namespace of the pods.
    #[schemars(schema_with = "field::dns_label")]
    pub namespace: String,
    /// Name of the service account that the pods run as.
    #[schemars(schema_with = "field::dns_subdomain")]
    pub service_account: String,
}
