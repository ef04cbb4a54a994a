//! Why a pod is refused, in words that say how to mend it.

use mintage_core::code::Coded as _;
use mintage_core::inject::{self, DOMAIN, InvalidAnnotation, NoTenant, POD_LABEL};
use mintage_core::{Domain, Namespace, ObjectRef, TenantRef};

use super::{CONTAINER, VOLUME};

/// Why a pod is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// An annotation cannot be read.
    #[error("{0}")]
    Annotation(#[from] InvalidAnnotation),
    /// A container has the sidecar's name.
    #[error(
        "the container name {CONTAINER} is the sidecar's, which the webhook adds: rename the container, or leave it out if it was copied from another pod"
    )]
    ContainerName,
    /// Somebody else holds the domain.
    #[error(
        "CustomDomain {at} does not hold its domain: {message}; correct the annotation {DOMAIN}"
    )]
    DomainConflict {
        /// The object.
        at: ObjectRef,
        /// What its condition says.
        message: String,
    },
    /// The tenant has no such domain.
    #[error(
        "tenant {tenant} has no domain {domain}: correct the annotation {DOMAIN}, or add a CustomDomain to namespace {namespace}",
        namespace = .tenant.namespace
    )]
    DomainUnknown {
        /// The tenant.
        tenant: TenantRef,
        /// The domain.
        domain: Domain,
    },
    /// Control over the domain has not been shown.
    #[error(
        "CustomDomain {at} is not verified yet, and a token must not name an issuer that is not the tenant's: its status says what to publish; try again when it is Ready"
    )]
    DomainUnverified {
        /// The object.
        at: ObjectRef,
    },
    /// The pod asks for a sidecar and would show it to the whole node.
    #[error(
        "a pod with {field} would show its sidecar to everything on the node: remove {field}, or the label {POD_LABEL}"
    )]
    HostNamespace {
        /// The field of the pod's spec.
        field: &'static str,
    },
    /// The pod has not the shape of one.
    #[error("the pod cannot be read: {0}")]
    Malformed(&'static str),
    /// The annotation of the namespace cannot be read.
    #[error("namespace {namespace}: {cause}")]
    NamespaceAnnotation {
        /// The namespace.
        namespace: Namespace,
        /// What is wrong with it.
        cause: String,
    },
    /// The operator has not been told of the namespace yet.
    #[error("the operator has not seen namespace {0} yet: try again")]
    NamespaceUnknown(Namespace),
    /// A container has a port that the sidecar needs.
    #[error(
        "container {container} has port {port}, which is the sidecar's in this pod: give the container another one"
    )]
    Port {
        /// The container.
        container: String,
        /// The port.
        port: i32,
    },
    /// Every container could read the sidecar's memory and files.
    #[error(
        "with shareProcessNamespace every container of the pod could read the keys of its sidecar: remove it, or give the pod the label {POD_LABEL}: \"false\""
    )]
    ProcessNamespace,
    /// The pod's account cannot be read.
    #[error("serviceAccountName: {0}")]
    ServiceAccount(String),
    /// No tenant.
    #[error("{0}")]
    Tenant(#[from] NoTenant),
    /// A container would have the sidecar's files.
    #[error(
        "container {container} mounts the volume {VOLUME}, whose keys are for the sidecar alone: remove the mount, and ask the sidecar for tokens at MINTAGE_URL"
    )]
    VolumeMount {
        /// The container.
        container: String,
    },
    /// A volume has the name of the sidecar's.
    #[error(
        "the volume name {VOLUME} is that of the sidecar's, which the webhook adds: rename the volume, or leave it out if it was copied from another pod"
    )]
    VolumeName,
}

mintage_core::coded! {
    /// The rules that refuse a pod, besides those about its tenant ([`inject::Rule`]).
    pub enum Rule {
        /// [`Refusal::Annotation`].
        Annotation = "annotation-invalid",
        /// [`Refusal::ContainerName`].
        ContainerName = "container-name-taken",
        /// [`Refusal::DomainConflict`].
        DomainConflict = "domain-conflict",
        /// [`Refusal::DomainUnknown`].
        DomainUnknown = "domain-unknown",
        /// [`Refusal::DomainUnverified`].
        DomainUnverified = "domain-unverified",
        /// [`Refusal::HostNamespace`].
        HostNamespace = "host-namespace",
        /// [`Refusal::Malformed`].
        Malformed = "pod-malformed",
        /// [`Refusal::NamespaceAnnotation`].
        NamespaceAnnotation = "namespace-annotation-invalid",
        /// [`Refusal::NamespaceUnknown`].
        NamespaceUnknown = "namespace-unknown",
        /// [`Refusal::Port`].
        Port = "port-taken",
        /// [`Refusal::ProcessNamespace`].
        ProcessNamespace = "process-namespace-shared",
        /// [`Refusal::ServiceAccount`].
        ServiceAccount = "service-account-invalid",
        /// [`Refusal::VolumeMount`].
        VolumeMount = "volume-mounted",
        /// [`Refusal::VolumeName`].
        VolumeName = "volume-name-taken",
    }
}

impl Refusal {
    /// The name of the rule: of [`Rule`], or of [`inject::Rule`].
    pub fn code(&self) -> &'static str {
        let rule = match self {
            Self::Annotation(_) => Rule::Annotation,
            Self::ContainerName => Rule::ContainerName,
            Self::DomainConflict { .. } => Rule::DomainConflict,
            Self::DomainUnknown { .. } => Rule::DomainUnknown,
            Self::DomainUnverified { .. } => Rule::DomainUnverified,
            Self::HostNamespace { .. } => Rule::HostNamespace,
            Self::Malformed(_) => Rule::Malformed,
            Self::NamespaceAnnotation { .. } => Rule::NamespaceAnnotation,
            Self::NamespaceUnknown(_) => Rule::NamespaceUnknown,
            Self::Port { .. } => Rule::Port,
            Self::ProcessNamespace => Rule::ProcessNamespace,
            Self::ServiceAccount(_) => Rule::ServiceAccount,
            Self::Tenant(cause) => return inject::Rule::code(cause.rule()),
            Self::VolumeMount { .. } => Rule::VolumeMount,
            Self::VolumeName => Rule::VolumeName,
        };
        rule.code()
    }

    /// Whether it passes by itself: the operator has not been told of something that is already there.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::NamespaceUnknown(_))
    }
}
