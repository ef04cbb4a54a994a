//! Why a request for a token is refused.

use mintage_core::policy::Rule;

use super::{Explained, Meaning};

impl Explained for Rule {
    const EVENT: &'static str = "a request for a token is refused";

    fn explain(self) -> Meaning {
        match self {
            Self::AudienceForUsers => Meaning {
                means: "The audience stands for tokens of users, which a workload cannot have.",
                causes: &[
                    "The request names the tenant's own domain, its issuer or its /userinfo as the audience.",
                ],
                mend: "Ask for the identifier of the API that is to be called.",
            },
            Self::AudienceMissing => Meaning {
                means: "The request names no audience, and the tenant has no default one.",
                causes: &[
                    "The parameter audience was left out or is empty.",
                    "The tenant has no spec.defaultAudienceRef, or it names an ApiAudience that is not served.",
                ],
                mend: "Send audience=<identifier>, or set spec.defaultAudienceRef in the Tenant.",
            },
            Self::AudienceUnknown => Meaning {
                means: "The tenant has no served API of this identifier that grants anything to the namespace.",
                causes: &[
                    "The identifier is misspelt: a trailing slash or the case makes another one.",
                    "No workload of the namespace has a grant in the ApiAudience.",
                    "The ApiAudience is not served, and its condition Ready says why.",
                    "The ApiAudience belongs to another tenant than the workload.",
                ],
                mend: "Compare the identifier with spec.identifier, and add a grant to spec.grants; `mintage why grant` names the line.",
            },
            Self::DomainNotServed => Meaning {
                means: "The domain that the pod asks for is no issuer of its tenant.",
                causes: &[
                    "The annotation mintage.dev/domain (in dev: --domain) is misspelt or names another tenant's domain.",
                    "The CustomDomain is missing, not verified, or another object holds the domain.",
                ],
                mend: "Correct the annotation, or mend the CustomDomain; its condition Ready says what is missing.",
            },
            Self::DomainPending => Meaning {
                means: "The domain is not an issuer yet: validators are still being told of it.",
                causes: &[
                    "The CustomDomain was added or verified less than the propagation delay ago.",
                ],
                mend: "Try again after the seconds that the refusal names.",
            },
            Self::GrantMissing => Meaning {
                means: "The API exists, and this workload or application has no grant for it.",
                causes: &[
                    "spec.grants of the ApiAudience has no entry with this namespace and serviceAccount, or application.",
                    "The pod runs as another ServiceAccount than was thought, often as default.",
                    "The grant was taken back.",
                    "The API is the tenant's Management API, https://<domain>/api/v2/: it is no ApiAudience, and has no grants yet.",
                ],
                mend: "Add {workload: {namespace: …, serviceAccount: …}, scopes: […]}, or {application: {namespace: …, name: …}, scopes: […]}, to spec.grants of the ApiAudience.",
            },
            Self::GrantPending => Meaning {
                means: "The grant does not count yet: validators are still being told of it.",
                causes: &["The grant or the scope was added less than the propagation delay ago."],
                mend: "Try again after the seconds that the refusal names.",
            },
            Self::IssuanceCentral => Meaning {
                means: "The API's tokens are signed by the tenant's endpoint, and the sidecar knows of none.",
                causes: &[
                    "The ApiAudience says issuance: Central, and the Tenant has no endpoint.",
                    "The endpoint was enabled a moment ago, and the sidecar has not heard of it.",
                    "mintage dev signs Central tokens itself, but gives workloads none with HS256.",
                ],
                mend: "Set spec.endpoint.enabled: true in the Tenant, or issuance: Local if only workloads of the cluster validate the tokens.",
            },
            Self::IssuanceLocal => Meaning {
                means: "The API's tokens are signed by the sidecars of its workloads, and the tenant's endpoint was asked.",
                causes: &[
                    "A program asks the endpoint with its ServiceAccount token for an API whose ApiAudience says issuance: Local.",
                    "The API has just changed to issuance: Local, and the sidecar has not heard of it yet.",
                ],
                mend: "Ask the sidecar of the pod, or set issuance: Central in the ApiAudience.",
            },
            Self::KeyUnavailable => Meaning {
                means: "No key may sign for the API's algorithm at this moment.",
                causes: &[
                    "The namespace's keyring has not arrived in the pod yet.",
                    "The key that signed was revoked, and the next one is still being published.",
                ],
                mend: "Try again shortly; `mintage keys` shows when the next key signs.",
            },
            Self::ScopeMalformed => Meaning {
                means: "The parameter scope is not a list of scopes (RFC 6749 section 3.3).",
                causes: &[
                    "Scopes are separated by commas or by several spaces.",
                    "A scope has a quote, a backslash or a character beyond ASCII.",
                ],
                mend: "Send scopes with single spaces between them, as in scope=read:orders write:orders.",
            },
            Self::ScopeNotGranted => Meaning {
                means: "The workload has a grant for the API, and some of the scopes are not in it.",
                causes: &[
                    "The grant does not list the scope.",
                    "The grant lists a scope that spec.scopes of the ApiAudience does not declare; that grants nothing.",
                ],
                mend: "Declare the scope in spec.scopes and list it in the grant, or ask for less; without scope all that is granted is given.",
            },
        }
    }
}
