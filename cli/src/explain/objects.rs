//! Why an object is not served: the reasons of the condition `Ready`.

use mintage_core::plan::Reason;

use super::{Explained, Meaning};

impl Explained for Reason {
    const EVENT: &'static str =
        "the condition Ready of a Tenant, ApiAudience, Application or CustomDomain";

    fn explain(self) -> Meaning {
        match self {
            Self::AlgorithmNotAllowed => Meaning {
                means: "A Central API needs a key that the tenant's public key set may not list.",
                causes: &[
                    "The ApiAudience says issuance: Central with ES256 or EdDSA, and the Tenant lists RSA keys only.",
                ],
                mend: "Set spec.jwks.allowNonRsa: true in the Tenant if every client reads such keys, or choose RS256 or PS256.",
            },
            Self::AlgorithmNotServed => Meaning {
                means: "The algorithm needs the tenant's endpoint, and the tenant has none.",
                causes: &["The ApiAudience says signingAlgorithm: HS256."],
                mend: "Set spec.endpoint.enabled: true in the Tenant, or choose RS256 or another algorithm with a key pair.",
            },
            Self::Conflict => Meaning {
                means: "Another object holds the domain or the identifier.",
                causes: &[
                    "Two Tenants or CustomDomains name the same domain; the older one has it.",
                    "Two ApiAudiences of a tenant have the same identifier; the older one has it.",
                    "The former holder is gone, and tokens under the name may still be alive.",
                ],
                mend: "Choose another name, or delete the holder that the message names and wait until its tokens have ended.",
            },
            Self::Deleting => Meaning {
                means: "The Tenant is being deleted, and goes as soon as what was made for it is removed.",
                causes: &[
                    "The Tenant was deleted, and no ApiAudience or CustomDomain refers to it any more.",
                ],
                mend: "There is nothing to do; to have the tenant again, create it anew.",
            },
            Self::InvalidAddress => Meaning {
                means: "An address of the Application means something else than it seems to, so none of it is used.",
                causes: &[
                    "A redirect URI has steps up (..), a port that is none, or a host that is not in lower case.",
                    "An app's own scheme stands in an Application that is not of type Native.",
                    "A web origin has a path, or names the default port.",
                ],
                mend: "Write the address as the application itself sends it; the message names the one that is wrong.",
            },
            Self::NamespaceNotAllowed => Meaning {
                means: "The tenant does not admit the namespace of the ApiAudience or Application.",
                causes: &[
                    "spec.allowedNamespaces of the Tenant says Same, which is the default.",
                    "The namespace lacks the labels that the tenant selects by.",
                ],
                mend: "Label the namespace to fit the tenant's selector, or widen spec.allowedNamespaces of the Tenant.",
            },
            Self::NoEndpoint => Meaning {
                means: "The tenant has no endpoint, where users sign in and applications get tokens.",
                causes: &["spec.endpoint.enabled of the Tenant is not true."],
                mend: "Set spec.endpoint.enabled: true in the Tenant.",
            },
            Self::NotVerified => Meaning {
                means: "It has not been shown that the domain is the tenant's.",
                causes: &[
                    "The DNS record or the file that status.challenge asks for is not there yet.",
                ],
                mend: "Publish what status.challenge of the CustomDomain says, and wait for the next look.",
            },
            Self::Reserved => Meaning {
                means: "The identifier belongs to the tenant itself.",
                causes: &[
                    "It is an issuer of the tenant, or its /userinfo or /api/v2/ on one of its domains.",
                ],
                mend: "Choose another identifier, such as the URL of the API.",
            },
            Self::Served => Meaning {
                means: "All is well: the object is served.",
                causes: &["The object is valid and nothing else holds its name."],
                mend: "There is nothing to do.",
            },
            Self::TenantNotFound => Meaning {
                means: "The tenant that tenantRef names does not exist.",
                causes: &[
                    "The name or the namespace in spec.tenantRef is misspelt.",
                    "The Tenant has not been created, or was deleted.",
                ],
                mend: "Create the Tenant, or create the object anew with another tenantRef, which cannot be changed.",
            },
            Self::TenantNotServed => Meaning {
                means: "The tenant exists and is not served itself.",
                causes: &[
                    "The condition Ready of the Tenant is False, most likely with the reason Conflict.",
                ],
                mend: "Mend the Tenant first.",
            },
        }
    }
}
