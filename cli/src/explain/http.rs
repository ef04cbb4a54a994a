//! Why the workload API does not take a request, whatever it asks for.

use mintage_sidecar::rule::Rule;

use super::{Explained, Meaning};

const CLIENT: &str = "The client library is set up in another way.";

impl Explained for Rule {
    const EVENT: &'static str = "a request to the workload API is refused";

    #[expect(clippy::too_many_lines, reason = "one entry for each code")]
    fn explain(self) -> Meaning {
        match self {
            Self::AudienceAndResource => Meaning {
                means: "The parameters audience and resource name different APIs.",
                causes: &["The client library adds a resource of its own."],
                mend: "Send one of them.",
            },
            Self::AudienceNotAccepted => Meaning {
                means: "The query narrows /validate to an audience that the pod does not accept.",
                causes: &[
                    "?audience= of the proxy's forward-auth rule is misspelt.",
                    "The annotation mintage.dev/accept-audiences does not name that ApiAudience.",
                ],
                mend: "Correct the query, or name the ApiAudience in mintage.dev/accept-audiences.",
            },
            Self::AudienceNotChosen => Meaning {
                means: "It is not clear which APIs the pod is, so it can accept no token.",
                causes: &[
                    "The namespace has several ApiAudiences, and the pod has no annotation mintage.dev/accept-audiences.",
                    "The annotation names an ApiAudience that is not there or not served.",
                    "The namespace has no ApiAudience.",
                ],
                mend: "Name the ApiAudiences of the namespace that the pod is in mintage.dev/accept-audiences (in dev: --accept).",
            },
            Self::AuthorizationRepeated => Meaning {
                means: "There are several Authorization headers.",
                causes: &["A proxy adds one to that of the client."],
                mend: "Let the proxy replace the header.",
            },
            Self::BodyBroken => Meaning {
                means: "The body could not be read to its end.",
                causes: &["The client closed the connection, or its Content-Length is wrong."],
                mend: "Send the whole body.",
            },
            Self::BodySlow => Meaning {
                means: "The body did not arrive within 10 s.",
                causes: &["The client announces more than it sends."],
                mend: "Send the whole body at once.",
            },
            Self::BodyTooLarge => Meaning {
                means: "The body is larger than 64 KiB.",
                causes: &["Something else than a request for a token was sent."],
                mend: "Send the parameters of the request only.",
            },
            Self::BundleMissing => Meaning {
                means: "The sidecar has not been told anything yet.",
                causes: &[
                    "The pod has just started.",
                    "The namespace is not opted in, or the tenant does not admit it.",
                ],
                mend: "Try again shortly; if it stays so, look at the sidecar's log and at the events of the pod.",
            },
            Self::BundleTooOld => Meaning {
                means: "The sidecar's data was not confirmed for longer than maxBundleAge of the tenant, so it fails closed.",
                causes: &[
                    "The operator does not run.",
                    "The kubelet of the node does not renew the pod's volume.",
                ],
                mend: "Bring the operator back; sidecars go on as soon as their volume is renewed.",
            },
            Self::ClientNotOwn => Meaning {
                means: "The client_id that was sent is not the pod's own.",
                causes: &[
                    "The application is set up with the client_id of another identity provider.",
                    "The pod runs as another ServiceAccount than was thought.",
                ],
                mend: "Leave client_id out, or send <namespace>/<serviceaccount> of the pod; a secret is never needed.",
            },
            Self::FormMalformed => Meaning {
                means: "The form is malformed or not UTF-8.",
                causes: &["A value with a percent sign was not encoded."],
                mend: "Encode the values, as in curl --data-urlencode.",
            },
            Self::GrantTypeMissing => Meaning {
                means: "There is no parameter grant_type.",
                causes: &["It was left out.", "The body was sent in the query."],
                mend: "Send grant_type=client_credentials in the body.",
            },
            Self::GrantTypeOfOthers => Meaning {
                means: "The grant type is for users or applications, not for workloads.",
                causes: &[CLIENT],
                mend: "Send grant_type=client_credentials.",
            },
            Self::GrantTypeUnknown => Meaning {
                means: "There is no such grant type.",
                causes: &["It is misspelt."],
                mend: "Send grant_type=client_credentials.",
            },
            Self::HostNotLoopback => Meaning {
                means: "The request names another host than the loopback, as a page that rebinds DNS would.",
                causes: &[
                    "The client reaches the sidecar by another name than 127.0.0.1, [::1] or localhost.",
                    "A proxy passes on the Host of its own client.",
                ],
                mend: "Use MINTAGE_URL as it is; let a proxy set the Host to that of the sidecar.",
            },
            Self::HostUnknown => Meaning {
                means: "No issuer has the host name that was asked.",
                causes: &[
                    "The request was sent by address, or by a domain that no Tenant or CustomDomain has.",
                ],
                mend: "Ask by the domain of a tenant; with curl: --connect-to.",
            },
            Self::InsufficientScope => Meaning {
                means: "The token is good and does not have every scope that is needed.",
                causes: &[
                    "The caller asked for fewer scopes.",
                    "The caller's grant does not list the scope.",
                ],
                mend: "Let the caller ask for the scope; `mintage why grant` says whether it would get it.",
            },
            Self::JsonMalformed => Meaning {
                means: "The body is not one JSON object whose members are strings.",
                causes: &["A member is a list or a number, or is there twice."],
                mend: "Send each parameter once, as a string; scopes with spaces between them.",
            },
            Self::MediaType => Meaning {
                means: "The body is neither a form nor JSON.",
                causes: &["The header Content-Type is missing or names another type."],
                mend: "Send Content-Type: application/x-www-form-urlencoded or application/json.",
            },
            Self::Method => Meaning {
                means: "The path does not take this method; no GET gives a token.",
                causes: &["POST was meant, and GET was sent."],
                mend: "Use the method that the answer's header Allow names.",
            },
            Self::OriginRefused => Meaning {
                means: "A page in a browser sent the request.",
                causes: &[
                    "A page on this machine tries to reach the workload API, which is for the application in the pod.",
                ],
                mend: "Let the application's own server ask for the token.",
            },
            Self::ParameterRepeated => Meaning {
                means: "A parameter is there twice (RFC 6749 section 3.2).",
                causes: &["The client library adds a parameter that was given already."],
                mend: "Send each parameter once.",
            },
            Self::ParametersTooMany => Meaning {
                means: "There are more parameters than any request has.",
                causes: &["Something else than a request for a token was sent."],
                mend: "Send the parameters of the request only.",
            },
            Self::Path => Meaning {
                means: "There is nothing at this path.",
                causes: &["The base URL of the client library ends with a path."],
                mend: "Set the base URL to MINTAGE_URL as it is.",
            },
            Self::QueryMalformed => Meaning {
                means: "The query of /validate takes audience, up to 16 times, and scope, once.",
                causes: &["A proxy passes on the query of its own client."],
                mend: "Let the proxy ask with a query of its own.",
            },
            Self::ResourceSeveral => Meaning {
                means: "The request names several resources; a token is for one API.",
                causes: &[CLIENT],
                mend: "Ask for one token for each API.",
            },
            Self::SigningFailed => Meaning {
                means: "The token could not be signed.",
                causes: &["The system gives no random numbers, or the key is damaged in memory."],
                mend: "Try again; restart the pod if it stays so, and report it.",
            },
            Self::TokenMissing => Meaning {
                means: "There is no token in the request.",
                causes: &[
                    "/validate: there is no header Authorization: Bearer …, or the proxy does not pass it on.",
                    "/introspect: there is no parameter token.",
                ],
                mend: "Send the token in its place.",
            },
        }
    }
}
