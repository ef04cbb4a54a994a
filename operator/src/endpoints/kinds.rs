//! The kinds of objects that an endpoint is made of.

use kube::core::ApiResource;

/// The kinds, in the order in which their objects are applied.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Closes all ports but those that are served.
    NetworkPolicy,
    /// What the embedded store is kept on.
    PersistentVolumeClaim,
    /// Where it is found.
    Service,
    /// Lets nodes be drained one pod at a time.
    PodDisruptionBudget,
    /// The pods.
    Deployment,
    /// What leads to it from outside of the cluster.
    Ingress,
    /// The same by the Gateway API, where the cluster has that.
    HttpRoute,
    /// A certificate that cert-manager makes, where the cluster has that.
    Certificate,
}

impl Kind {
    /// That which is applied first.
    pub const FIRST: Self = Self::NetworkPolicy;

    /// Those that every cluster has.
    pub const BUILT_IN: [Self; 6] = [
        Self::NetworkPolicy,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::Deployment,
        Self::Ingress,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Deployment => "Deployment",
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
            Self::Certificate => "Certificate",
        }
    }

    /// Where the API server has it.
    pub fn resource(self) -> ApiResource {
        let (group, plural) = match self {
            Self::NetworkPolicy => ("networking.k8s.io", "networkpolicies"),
            Self::PersistentVolumeClaim => ("", "persistentvolumeclaims"),
            Self::Service => ("", "services"),
            Self::PodDisruptionBudget => ("policy", "poddisruptionbudgets"),
            Self::Deployment => ("apps", "deployments"),
            Self::Ingress => ("networking.k8s.io", "ingresses"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "httproutes"),
            Self::Certificate => ("cert-manager.io", "certificates"),
        };
        let api_version = if group.is_empty() {
            "v1".to_owned()
        } else {
            format!("{group}/v1")
        };
        ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version,
            kind: self.name().to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// Whether others define it, so that a cluster may come to know it, and may forget it.
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::HttpRoute | Self::Certificate)
    }

    /// Whether what comes after it builds on it. What leads to an endpoint from outside stands for itself.
    pub fn is_built_on(self) -> bool {
        self != Self::Ingress && !self.is_foreign()
    }

    /// Whether others may make it larger: then it is never made smaller again, which the API server refuses.
    pub fn may_grow(self) -> bool {
        self == Self::PersistentVolumeClaim
    }

    /// Whether it goes when it is not wanted any more. What sessions and consents are kept on goes with its Tenant alone.
    pub fn is_removed(self) -> bool {
        self != Self::PersistentVolumeClaim
    }
}
