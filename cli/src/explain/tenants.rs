//! Why a workload has no tenant.

use mintage_core::inject::Rule;

use super::{Explained, Meaning};

impl Explained for Rule {
    const EVENT: &'static str = "a workload has no tenant";

    fn explain(self) -> Meaning {
        match self {
            Self::Ambiguous => Meaning {
                means: "Several tenants admit the namespace, and nothing says which one is meant.",
                causes: &[
                    "Neither the pod nor its namespace has the annotation mintage.dev/tenant.",
                ],
                mend: "Annotate the namespace with mintage.dev/tenant: <namespace>/<name> (in dev: --tenant).",
            },
            Self::None => Meaning {
                means: "No tenant admits the namespace.",
                causes: &[
                    "Every tenant's spec.allowedNamespaces says Same, which is the default.",
                    "The namespace lacks the labels that a tenant selects by.",
                ],
                mend: "Label the namespace to fit the tenant's selector, or widen spec.allowedNamespaces of the Tenant.",
            },
            Self::NotAdmitted => Meaning {
                means: "The tenant that is named does not admit the namespace.",
                causes: &[
                    "spec.allowedNamespaces of the Tenant says Same, which is the default.",
                    "The namespace lacks the labels that the tenant selects by.",
                ],
                mend: "Label the namespace to fit the tenant's selector, or widen spec.allowedNamespaces of the Tenant.",
            },
            Self::NotFound => Meaning {
                means: "The tenant that is named does not exist.",
                causes: &[
                    "The annotation mintage.dev/tenant (in dev: --tenant) is misspelt; it is <namespace>/<name>.",
                    "The Tenant was deleted.",
                ],
                mend: "Correct the annotation, or create the Tenant.",
            },
        }
    }
}
