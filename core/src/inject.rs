//! What a pod's labels and annotations ask for.

use std::collections::BTreeMap;

use crate::ident::InvalidName;
use crate::world::{NamespaceInfo, World};
use crate::{Domain, Namespace, ObjectName, TenantRef};

/// Label of a namespace whose pods get a sidecar: `enabled`.
pub const NAMESPACE_LABEL: &str = "mintage.dev/injection";

/// Label of a pod that gets a sidecar (`true`), or that does not though its namespace is enabled (`false`).
pub const POD_LABEL: &str = "mintage.dev/inject";

/// Annotation of a pod or namespace: the tenant, `<namespace>/<name>`.
pub const TENANT: &str = "mintage.dev/tenant";

/// Annotation of a pod: the names of the `ApiAudience`s of its namespace that it accepts, with commas between them.
pub const ACCEPT_AUDIENCES: &str = "mintage.dev/accept-audiences";

/// Annotation of a pod: the tenant's domain that its tokens name as their issuer.
pub const DOMAIN: &str = "mintage.dev/domain";

/// What a pod asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PodWishes {
    /// [`TENANT`].
    pub tenant: Option<TenantRef>,
    /// [`ACCEPT_AUDIENCES`]; empty for the only one of the namespace.
    pub accept: Vec<ObjectName>,
    /// [`DOMAIN`]; `None` for the tenant's own.
    pub domain: Option<Domain>,
}

/// An annotation that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("annotation {annotation}: {cause}")]
pub struct InvalidAnnotation {
    annotation: &'static str,
    cause: InvalidName,
}

impl PodWishes {
    /// Reads a pod's annotations.
    pub fn parse(annotations: &BTreeMap<String, String>) -> Result<Self, InvalidAnnotation> {
        let error = |annotation| move |cause| InvalidAnnotation { annotation, cause };
        let text = |name: &str| annotations.get(name).map(|value| value.trim());
        let accept = text(ACCEPT_AUDIENCES).unwrap_or_default();
        let accept = accept
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(ObjectName::parse);
        Ok(Self {
            tenant: text(TENANT)
                .map(TenantRef::parse)
                .transpose()
                .map_err(error(TENANT))?,
            accept: accept
                .collect::<Result<_, _>>()
                .map_err(error(ACCEPT_AUDIENCES))?,
            domain: text(DOMAIN)
                .map(Domain::parse)
                .transpose()
                .map_err(error(DOMAIN))?,
        })
    }
}

/// Whether a namespace with these labels asks for keys and sidecars.
pub fn namespace_opts_in(namespace_labels: &BTreeMap<String, String>) -> bool {
    namespace_labels
        .get(NAMESPACE_LABEL)
        .is_some_and(|value| value == "enabled")
}

/// Whether a pod asks for a sidecar by its own label.
pub fn pod_opts_in(pod_labels: &BTreeMap<String, String>) -> bool {
    pod_labels
        .get(POD_LABEL)
        .is_some_and(|value| value == "true")
}

/// Why a pod has no tenant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoTenant {
    /// Several could be meant.
    #[error(
        "several tenants admit namespace {namespace} ({tenants}); name one in the annotation mintage.dev/tenant of the pod or its namespace (in dev: --tenant)"
    )]
    Ambiguous {
        /// The pod's namespace.
        namespace: Namespace,
        /// The tenants.
        tenants: String,
    },
    /// The one that is named does not admit the namespace.
    #[error(
        "tenant {tenant} does not admit namespace {namespace}; a cluster admin can widen its spec.allowedNamespaces"
    )]
    NotAdmitted {
        /// The pod's namespace.
        namespace: Namespace,
        /// The tenant.
        tenant: TenantRef,
    },
    /// None admits the namespace.
    #[error(
        "no tenant admits namespace {namespace}; a cluster admin can widen the spec.allowedNamespaces of one, or label the namespace to fit its selector"
    )]
    None {
        /// The pod's namespace.
        namespace: Namespace,
    },
    /// The one that is named does not exist.
    #[error(
        "there is no tenant {tenant}, which the annotation mintage.dev/tenant (in dev: --tenant) names"
    )]
    NotFound {
        /// The tenant.
        tenant: TenantRef,
    },
}

crate::coded! {
    /// The rules that leave a pod without a tenant: those of [`NoTenant`].
    pub enum Rule {
        /// [`NoTenant::Ambiguous`].
        Ambiguous = "tenant-ambiguous",
        /// [`NoTenant::None`].
        None = "tenant-none",
        /// [`NoTenant::NotAdmitted`].
        NotAdmitted = "tenant-not-admitted",
        /// [`NoTenant::NotFound`].
        NotFound = "tenant-not-found",
    }
}

impl NoTenant {
    /// The rule.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Ambiguous { .. } => Rule::Ambiguous,
            Self::None { .. } => Rule::None,
            Self::NotAdmitted { .. } => Rule::NotAdmitted,
            Self::NotFound { .. } => Rule::NotFound,
        }
    }
}

/// The tenant of a pod: the one that the pod names, else the one its namespace names, else the only one that admits
/// the namespace.
pub fn choose_tenant(
    world: &World,
    namespace: &Namespace,
    of_pod: Option<&TenantRef>,
    of_namespace: Option<&TenantRef>,
) -> Result<TenantRef, NoTenant> {
    let nothing = BTreeMap::new();
    let labels = world
        .namespaces
        .get(namespace)
        .map_or(&nothing, |NamespaceInfo { labels, .. }| labels);
    if let Some(named) = of_pod.or(of_namespace) {
        let tenant = world.tenants.iter().find(|tenant| tenant.at == *named);
        let tenant = tenant.ok_or_else(|| NoTenant::NotFound {
            tenant: named.clone(),
        })?;
        return if tenant.allows(namespace, labels) {
            Ok(named.clone())
        } else {
            Err(NoTenant::NotAdmitted {
                namespace: namespace.clone(),
                tenant: named.clone(),
            })
        };
    }
    let admitting: Vec<&TenantRef> = world
        .tenants
        .iter()
        .filter(|tenant| tenant.allows(namespace, labels))
        .map(|tenant| &tenant.at)
        .collect();
    match admitting.as_slice() {
        [] => Err(NoTenant::None {
            namespace: namespace.clone(),
        }),
        [only] => Ok((*only).clone()),
        several => {
            let tenants = several
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            Err(NoTenant::Ambiguous {
                namespace: namespace.clone(),
                tenants,
            })
        }
    }
}
