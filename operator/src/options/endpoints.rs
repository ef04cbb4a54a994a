//! The options of the pods of tenants' endpoints.

use clap::Args;
use mintage_core::ObjectName;

/// The pods of tenants' endpoints.
#[derive(Args, Debug)]
pub struct Endpoints {
    /// Whether endpoints are run, for Tenants with spec.endpoint.enabled: a Deployment of the image of the sidecars in the
    /// tenant's namespace, and what goes with it.
    #[arg(id = "endpoints", long = "endpoints", env = "MINTAGE_ENDPOINTS")]
    pub enabled: bool,
    /// What a pod of an endpoint asks for, as a Kubernetes quantity; empty for nothing.
    #[arg(
        id = "endpoint-cpu-request",
        long = "endpoint-cpu-request",
        env = "MINTAGE_ENDPOINT_CPU_REQUEST",
        value_name = "QUANTITY",
        default_value = "20m"
    )]
    pub cpu_request: String,
    /// What a pod of an endpoint asks for, as a Kubernetes quantity; empty for nothing.
    #[arg(
        id = "endpoint-memory-request",
        long = "endpoint-memory-request",
        env = "MINTAGE_ENDPOINT_MEMORY_REQUEST",
        value_name = "QUANTITY",
        default_value = "64Mi"
    )]
    pub memory_request: String,
    /// What a pod of an endpoint may take, as a Kubernetes quantity; empty for as much as there is. Each password that is
    /// looked at takes 19 MiB for a moment.
    #[arg(
        id = "endpoint-memory-limit",
        long = "endpoint-memory-limit",
        env = "MINTAGE_ENDPOINT_MEMORY_LIMIT",
        value_name = "QUANTITY",
        default_value = "256Mi"
    )]
    pub memory_limit: String,
    /// The ServiceAccount of the operator's namespace whose tokens endpoints are given, to ask the API server whose token a
    /// workload shows: without it they give none to workloads. It needs `create` on `tokenreviews`, and no other right.
    #[arg(
        id = "endpoint-reviewer",
        long = "endpoint-reviewer",
        env = "MINTAGE_ENDPOINT_REVIEWER",
        value_name = "NAME"
    )]
    pub reviewer: Option<ObjectName>,
    /// The cluster has the Gateway API: endpoints get an HTTPRoute where their Tenant says spec.endpoint.httpRoute.
    #[arg(
        id = "endpoint-gateway-api",
        long = "endpoint-gateway-api",
        env = "MINTAGE_ENDPOINT_GATEWAY_API"
    )]
    pub gateway_api: bool,
    /// The cluster has cert-manager: domains get a Certificate where tls.issuerRef names an issuer.
    #[arg(
        id = "endpoint-cert-manager",
        long = "endpoint-cert-manager",
        env = "MINTAGE_ENDPOINT_CERT_MANAGER"
    )]
    pub cert_manager: bool,
    /// The user and group that it runs as.
    #[arg(
        id = "endpoint-user",
        long = "endpoint-user",
        env = "MINTAGE_ENDPOINT_USER",
        value_name = "NUMBER",
        default_value_t = 65532
    )]
    pub user: i64,
}
