//! What the operator may do in a cluster: the one table that the chart's roles come from.
//!
//! ```text
//!  OPERATOR, UNINSTALL ──cargo xtask gen──► charts/mintage/templates/generated/rbac.yaml, the chart's README
//!          │
//!          └──tests──► what the API server's audit log saw, both ways
//! ```
//!
//! To change it: edit a row, run `cargo xtask gen`, commit both. A row is one rule of one role: requests that are needed
//! for the same reason, so that the reason can be checked against the rule. There is no wildcard, and a test says so.

use crate::GROUP;

/// One rule of a role, and why it is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Permission {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural names, with `/status` and the like for a subresource.
    pub resources: &'static [&'static str],
    /// What may be done with them.
    pub verbs: &'static [&'static str],
    /// Where.
    pub scope: Scope,
    /// Which objects of these resources.
    pub names: Names,
    /// In which installations.
    pub when: When,
    /// What it is needed for, in one sentence without its full stop.
    pub why: &'static str,
}

/// Where a permission holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// In every namespace, and for what is in none: a rule of a `ClusterRole`.
    Cluster,
    /// In the namespace that the operator runs in: a rule of a `Role`.
    OperatorNamespace,
}

/// The objects that a permission is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Names {
    /// Whatever their name.
    Any,
    /// The `ServiceAccount` that may have tokens reviewed, and nothing else.
    Reviewer,
    /// The `MutatingWebhookConfiguration` of the same release. (`list` and `watch` need a field selector then.)
    WebhookConfiguration,
}

/// The installations that a permission is needed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// All.
    Always,
    /// Those in which the operator makes the webhook's certificate and writes its `caBundle`.
    OperatorTls,
    /// Those that run endpoints.
    Endpoints,
    /// Those that have cert-manager make certificates for endpoints.
    EndpointCertificates,
    /// Those that attach endpoints to Gateways.
    EndpointRoutes,
    /// Those with a stream to sidecars.
    Feed,
}

/// What the operator does while it runs.
pub const OPERATOR: &[Permission] = &[
    Permission {
        resources: &["apiaudiences", "applications", "customdomains", "tenants"],
        verbs: &["list", "watch"],
        why: "the resources that everything is made from",
        ..everywhere(GROUP)
    },
    Permission {
        resources: &[
            "apiaudiences/status",
            "applications/status",
            "customdomains/status",
            "tenants/status",
        ],
        verbs: &["patch"],
        why: "conditions, and what came of a resource",
        ..everywhere(GROUP)
    },
    Permission {
        resources: &["tenants"],
        verbs: &["patch"],
        why: "the finalizer that removes a tenant's Secrets from other namespaces before it goes",
        ..everywhere(GROUP)
    },
    Permission {
        resources: &["namespaces", "pods"],
        verbs: &["list", "watch"],
        why: "which namespaces opted in, by label or by a pod with a sidecar, and which of those pods run; only metadata is read",
        ..everywhere("")
    },
    Permission {
        resources: &["secrets"],
        verbs: &["get", "list", "watch"],
        why: "managed Secrets (watched by label, metadata only; RBAC knows no labels) and the keys that tenants bring along",
        ..everywhere("")
    },
    Permission {
        resources: &["secrets"],
        verbs: &["create", "delete", "update"],
        why: "keyrings, bundles, truths and claims; an admission policy refuses every Secret that is not labelled as managed",
        ..everywhere("")
    },
    Permission {
        resources: &["tokenreviews"],
        verbs: &["create"],
        when: When::Feed,
        why: "which pod a sidecar that asks for the stream belongs to; its token is for the operator alone",
        ..everywhere("authentication.k8s.io")
    },
    Permission {
        resources: &["deployments"],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        when: When::Endpoints,
        why: "the pods that serve tenants' endpoints; an admission policy refuses every other Deployment",
        ..everywhere("apps")
    },
    Permission {
        resources: &["persistentvolumeclaims"],
        verbs: &["create", "get", "list", "patch", "watch"],
        when: When::Endpoints,
        why: "what the embedded store of an endpoint is kept on, which goes with its Tenant alone",
        ..everywhere("")
    },
    Permission {
        resources: &["services"],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        when: When::Endpoints,
        why: "where an endpoint is found",
        ..everywhere("")
    },
    Permission {
        resources: &["ingresses", "networkpolicies"],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        when: When::Endpoints,
        why: "leading to an endpoint from outside, and closing all ports of its pods but those that are served",
        ..everywhere("networking.k8s.io")
    },
    Permission {
        resources: &["poddisruptionbudgets"],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        when: When::Endpoints,
        why: "draining nodes one pod of an endpoint at a time",
        ..everywhere("policy")
    },
    Permission {
        resources: &["events"],
        verbs: &["create"],
        why: "Events on the resources and on pods",
        ..everywhere("events.k8s.io")
    },
    Permission {
        resources: &["leases"],
        verbs: &["create", "get", "update"],
        scope: Scope::OperatorNamespace,
        why: "the Lease by which one of the replicas leads",
        ..everywhere("coordination.k8s.io")
    },
    Permission {
        resources: &["httproutes"],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        when: When::EndpointRoutes,
        why: "leading from Gateways to endpoints",
        ..everywhere("gateway.networking.k8s.io")
    },
    Permission {
        resources: &["certificates"],
        verbs: &["create", "delete", "get", "list", "patch", "watch"],
        when: When::EndpointCertificates,
        why: "having certificates made for the domains of endpoints",
        ..everywhere("cert-manager.io")
    },
    Permission {
        resources: &["serviceaccounts/token"],
        verbs: &["create"],
        scope: Scope::OperatorNamespace,
        names: Names::Reviewer,
        when: When::Endpoints,
        why: "a day's token for each endpoint, by which it asks whose token a workload shows; it is good for nothing else",
        ..everywhere("")
    },
    Permission {
        resources: &["mutatingwebhookconfigurations"],
        verbs: &["get", "list", "patch", "watch"],
        names: Names::WebhookConfiguration,
        when: When::OperatorTls,
        why: "the caBundle of its own webhook, which follows the certificate",
        ..everywhere("admissionregistration.k8s.io")
    },
];

/// What endpoints do: each has a token of the one `ServiceAccount` that may.
pub const REVIEWER: &[Permission] = &[Permission {
    resources: &["tokenreviews"],
    verbs: &["create"],
    when: When::Endpoints,
    why: "whose token a workload shows to its tenant's endpoint",
    ..everywhere("authentication.k8s.io")
}];

/// What `mintage-operator uninstall` does, as the hook that runs before the release is deleted.
pub const UNINSTALL: &[Permission] = &[
    Permission {
        resources: &["tenants"],
        verbs: &["list", "patch"],
        why: "taking the finalizer off, so that Tenants can be deleted when no operator is there any more",
        ..everywhere(GROUP)
    },
    Permission {
        resources: &["leases"],
        verbs: &["create", "get", "update"],
        scope: Scope::OperatorNamespace,
        why: "leading in the operator's place, so that it puts no finalizer back meanwhile",
        ..everywhere("coordination.k8s.io")
    },
];

/// What most rows share; a row names the rest.
const fn everywhere(group: &'static str) -> Permission {
    Permission {
        group,
        resources: &[],
        verbs: &[],
        scope: Scope::Cluster,
        names: Names::Any,
        when: When::Always,
        why: "",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Permission> {
        OPERATOR.iter().chain(REVIEWER).chain(UNINSTALL)
    }

    #[test]
    fn each_row_is_whole_and_has_no_wildcard() {
        for row in all() {
            assert!(!row.resources.is_empty(), "{row:?}");
            assert!(!row.verbs.is_empty(), "{row:?}");
            assert!(!row.why.is_empty() && !row.why.ends_with('.'), "{row:?}");
            assert!(
                row.resources.is_sorted() && row.verbs.is_sorted(),
                "{row:?}"
            );
            let names = row.resources.iter().chain(row.verbs).chain([&row.group]);
            assert!(!names.into_iter().any(|name| name.contains('*')), "{row:?}");
        }
    }

    #[test]
    fn nothing_is_allowed_twice() {
        for table in [OPERATOR, REVIEWER, UNINSTALL] {
            let mut seen = BTreeSet::new();
            for row in table {
                for resource in row.resources {
                    for verb in row.verbs {
                        assert!(seen.insert((row.group, resource, verb)), "{row:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn verbs_that_reach_further_than_they_look_are_absent() {
        let risky = ["bind", "deletecollection", "escalate", "impersonate"];
        for row in all() {
            assert!(
                !row.verbs.iter().any(|verb| risky.contains(verb)),
                "{row:?}"
            );
            // Creating pods or tokens would be running as anybody; the reviewer can do next to nothing.
            let made = row
                .verbs
                .iter()
                .any(|verb| ["create", "update", "patch"].contains(verb));
            let touchy = ["pods", "serviceaccounts/token", "clusterroles", "roles"];
            let touched = row.resources.iter().any(|name| touchy.contains(name));
            let is_reviewers = row.names == Names::Reviewer;
            assert!(!(made && touched) || is_reviewers, "{row:?}");
        }
    }

    #[test]
    fn only_status_and_finalizers_of_our_kinds_are_written() {
        for row in all().filter(|row| row.group == GROUP) {
            let written = row
                .verbs
                .iter()
                .any(|verb| !["list", "watch"].contains(verb));
            let fit = row
                .resources
                .iter()
                .all(|name| name.ends_with("/status") || *name == "tenants");
            assert!(!written || fit, "{row:?}");
        }
    }
}
