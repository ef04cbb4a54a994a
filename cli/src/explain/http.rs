//! Why the workload API, or a tenant's endpoint, does not take a request.

use mintage_sidecar::rule::Rule;

use super::{Explained, Meaning};

const CLIENT: &str = "The client library is set up in another way.";

impl Explained for Rule {
    const EVENT: &'static str =
        "a request to the workload API or to a tenant's endpoint is refused";

    #[expect(clippy::too_many_lines, reason = "one entry for each code")]
    fn explain(self) -> Meaning {
        match self {
            Self::AssertionInvalid => Meaning {
                means: "The ServiceAccount token that a workload shows the tenant's endpoint is not good there.",
                causes: &[
                    "Its audience is not the issuer that is asked, to the byte: the tenant's own, or that of a custom domain.",
                    "It has expired, or is of another cluster.",
                    "Its pod is gone, or it was made for no pod.",
                ],
                mend: "Show a projected token of the running pod whose audience is https://<domain>/ of the endpoint; an injected sidecar does.",
            },
            Self::AssertionNotTaken => Meaning {
                means: "The tenant's endpoint takes no ServiceAccount tokens, or not in this way.",
                causes: &[
                    "The endpoint runs without --token-reviews, as in mintage dev.",
                    "client_assertion_type is missing, or another than for a JWT.",
                ],
                mend: "Start the endpoint with --token-reviews, and send client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
            },
            Self::AssertionUnreviewed => Meaning {
                means: "The tenant's endpoint cannot have a ServiceAccount token reviewed at the moment.",
                causes: &[
                    "The API server does not answer.",
                    "The endpoint's own ServiceAccount may not create tokenreviews.",
                    "Very many pods ask for the first time at once.",
                ],
                mend: "Try again shortly; if it stays so, the line token-review-failed of the endpoint's log has the reason.",
            },
            Self::AudienceAndResource => Meaning {
                means: "The parameters audience and resource name different APIs.",
                causes: &["The client library adds a resource of its own."],
                mend: "Send one of them.",
            },
            Self::AudienceGone => Meaning {
                means: "The API that a user let an application use is not there any more.",
                causes: &["Its ApiAudience was deleted or moved to another tenant."],
                mend: "Declare the ApiAudience again, or have the user sign in once more.",
            },
            Self::AudienceNotSigned => Meaning {
                means: "Workloads get tokens of this API by their sidecars; applications and users get none, since the tenant has no key of its algorithm.",
                causes: &[
                    "The ApiAudience has ES256 or EdDSA, and the Tenant allows RSA keys alone.",
                ],
                mend: "Set spec.jwks.allowNonRsa: true in the Tenant, or signingAlgorithm: RS256 in the ApiAudience.",
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
            Self::ClientMissing => Meaning {
                means: "The application does not say who it is.",
                causes: &["client_id is missing at the token endpoint."],
                mend: "Send client_id, in the form or as the user of HTTP Basic; it is in status.clientId of the Application.",
            },
            Self::ClientNotAuthenticated => Meaning {
                means: "The application has not shown that it is the one it says.",
                causes: &[
                    "client_id or client_secret is misspelt, or of another tenant.",
                    "The secret is sent in the form, and spec.tokenEndpointAuthMethod asks for HTTP Basic, or the other way round.",
                    "An application without a secret sends one.",
                    "The Application is gone, or not served.",
                ],
                mend: "Take CLIENT_ID and CLIENT_SECRET from the Application's Secret (in dev: the file in clients/ of the state folder), and send them as spec.tokenEndpointAuthMethod says.",
            },
            Self::ClientNotOwn => Meaning {
                means: "The client_id that was sent is not the pod's own.",
                causes: &[
                    "The application is set up with the client_id of another identity provider.",
                    "The pod runs as another ServiceAccount than was thought.",
                ],
                mend: "Leave client_id out, or send <namespace>/<serviceaccount> of the pod; a secret is never needed.",
            },
            Self::ClientTwice => Meaning {
                means: "The application shows who it is in two ways at once.",
                causes: &[
                    "A client assertion is sent beside a secret or an Authorization header.",
                    "The library sends HTTP Basic, and the secret in the form as well.",
                    "client_id differs between the header and the form.",
                ],
                mend: "Let the library use one of client_secret_basic and client_secret_post.",
            },
            Self::CodeInvalid => Meaning {
                means: "The authorization code is not good.",
                causes: &[
                    "It was redeemed before; then the refresh tokens that came of it are revoked, too.",
                    "It is older than a minute.",
                    "It is of another application, or of another domain of the tenant.",
                ],
                mend: "Have the user sign in again, and redeem each code once, at the issuer that gave it.",
            },
            Self::CodeMissing => Meaning {
                means: "There is no authorization code.",
                causes: &["The application redeems the answer to a request that was refused."],
                mend: "Look at error and error_description of the answer, and send code.",
            },
            Self::CodeVerifierWrong => Meaning {
                means: "The request for tokens does not come from who asked for the code (PKCE).",
                causes: &[
                    "The application lost its code_verifier between the two requests, as when two tabs sign in at once.",
                    "code_verifier is sent without a code_challenge before it, or the other way round.",
                    "Somebody tries a code that they caught.",
                ],
                mend: "Keep code_verifier with state until the answer is there, and use S256.",
            },
            Self::EndpointAway => Meaning {
                means: "The tenant's endpoint, which signs the API's tokens, cannot be reached, and no token that it gave before lives.",
                causes: &[
                    "The endpoint's pods do not run, or are not ready.",
                    "A NetworkPolicy keeps the pod from the endpoint's Service in the tenant's namespace.",
                    "Its certificate is not for the domain, or of an authority that sidecars do not trust.",
                ],
                mend: "Read the reason in the refusal; look at the endpoint's pods, allow egress to its Service, and for an authority of your own set spec.endpoint.caBundle of the Tenant.",
            },
            Self::EndpointMisbehaves => Meaning {
                means: "What answers in the place of the tenant's endpoint gives no token that was ordered.",
                causes: &[
                    "Something else answers by the Service of the endpoint: a proxy's page, a redirect.",
                    "The endpoint signs with a key that the sidecar has not heard of.",
                ],
                mend: "Read the reason in the refusal, and look at what the Service of the endpoint selects.",
            },
            Self::EndpointRefused => Meaning {
                means: "The tenant's endpoint refuses the token; its own words stand before this code, with its rule.",
                causes: &[
                    "The endpoint knows of a change that the sidecar has not heard of, or the other way round.",
                    "The endpoint does not take the pod's ServiceAccount token.",
                ],
                mend: "Look up the rule in the endpoint's words; if it has just changed, try again in a minute.",
            },
            Self::EndpointTokenMissing => Meaning {
                means: "The pod has no ServiceAccount token to show the tenant's endpoint.",
                causes: &["The pod was made before its tenant had an endpoint."],
                mend: "Make the pod anew; the condition SidecarsCurrent of the Tenant names such pods.",
            },
            Self::EndpointTooOld => Meaning {
                means: "What the operator told the endpoint was not renewed in time, so nothing is answered.",
                causes: &[
                    "No operator has been running for as long as spec.maxBundleAge of the Tenant says.",
                    "The Secrets of the endpoint do not reach its pod.",
                ],
                mend: "Look at the operator's log, and at the events of the endpoint's pod.",
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
            Self::GrantTypeNotAllowed => Meaning {
                means: "The application may not use this grant type.",
                causes: &[
                    "spec.grantTypes of the Application does not have it.",
                    "It is one that Mintage does not have, such as password.",
                ],
                mend: "Add it to spec.grantTypes if it is authorization_code, refresh_token or client_credentials.",
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
            Self::ProxyNotTrusted => Meaning {
                means: "The port without TLS answers proxies alone that the tenant trusts and that were asked by HTTPS.",
                causes: &[
                    "The proxy's address is in no network of spec.endpoint.trustedProxies.",
                    "The proxy was asked by HTTP, or does not send X-Forwarded-Proto.",
                ],
                mend: "Add the proxy's network to spec.endpoint.trustedProxies of the Tenant, and let it redirect HTTP to HTTPS.",
            },
            Self::QueryMalformed => Meaning {
                means: "The query of /validate takes audience, up to 16 times, and scope, once.",
                causes: &["A proxy passes on the query of its own client."],
                mend: "Let the proxy ask with a query of its own.",
            },
            Self::RedirectUriDiffers => Meaning {
                means: "The redirect_uri at the token endpoint is not the one that the code was sent to.",
                causes: &[
                    "The application builds it from the host that it is reached by, and that differs.",
                ],
                mend: "Send the same redirect_uri in both requests, byte for byte.",
            },
            Self::RefreshTokenInvalid => Meaning {
                means: "The refresh token is not good.",
                causes: &[
                    "It was used before: each use gives a new one, and one that comes back ends them all.",
                    "It has ended, or was revoked.",
                    "It is of another application, or of another domain of the tenant.",
                    "The API does not allow offline access any more.",
                ],
                mend: "Have the user sign in again; keep the newest refresh token, and let one part of the application refresh.",
            },
            Self::RefreshTokenMissing => Meaning {
                means: "There is no refresh token.",
                causes: &[
                    "The application never got one: it did not ask for offline_access, or the API does not allow it.",
                ],
                mend: "Ask for the scope offline_access, and set allowOfflineAccess: true in the ApiAudience.",
            },
            Self::ResourceNotGranted => Meaning {
                means: "A code or refresh token is for one API, and resource names another.",
                causes: &[
                    "The application refreshes for an API that the user did not sign in for.",
                ],
                mend: "Leave resource out; for another API, send the user to /authorize with its identifier.",
            },
            Self::ResourceSeveral => Meaning {
                means: "The request names several resources; a token is for one API.",
                causes: &[CLIENT],
                mend: "Ask for one token for each API.",
            },
            Self::ScopeBroader => Meaning {
                means: "More scopes are asked for than the user allowed.",
                causes: &["The application asks for further scopes when it refreshes."],
                mend: "Leave scope out when refreshing; for further scopes, send the user to /authorize.",
            },
            Self::SigningFailed => Meaning {
                means: "The token could not be signed.",
                causes: &["The system gives no random numbers, or the key is damaged in memory."],
                mend: "Try again; restart the pod if it stays so, and report it.",
            },
            Self::StoreUnavailable => Meaning {
                means: "What the endpoint remembers cannot be reached, so it gives nothing out.",
                causes: &["The database is down, or its disk is full."],
                mend: "Look at the line store-failed of the endpoint's log; it goes on by itself once the store answers.",
            },
            Self::TokenInvalid => Meaning {
                means: "The access token is not good at /userinfo.",
                causes: &[
                    "It has ended, or is of another tenant.",
                    "It is for an API alone: openid was not asked for, or the API's algorithm is not RS256.",
                ],
                mend: "Ask for the scope openid, and send the access token as it was given.",
            },
            Self::TokenMissing => Meaning {
                means: "There is no token in the request.",
                causes: &[
                    "/validate: there is no header Authorization: Bearer …, or the proxy does not pass it on.",
                    "/introspect: there is no parameter token.",
                    "/userinfo: there is no header Authorization: Bearer …, and no access_token.",
                ],
                mend: "Send the token in its place.",
            },
            Self::TokenRepeated => Meaning {
                means: "The request to /userinfo has more than one token.",
                causes: &["The client sends it in the header and as access_token, too."],
                mend: "Send it once, as Authorization: Bearer <access token>.",
            },
            Self::TooManyRequests => Meaning {
                means: "Too much from this address has failed for which the tenant's endpoint had to ask the API server.",
                causes: &[
                    "A pod sends a ServiceAccount token that the API server refuses, again and again.",
                    "The API server is away, and very many pods share one address.",
                    "Somebody tries tokens.",
                ],
                mend: "Wait as Retry-After says. The lines token-refused of the endpoint's log, with this address, say what was wrong with those before.",
            },
            Self::UserInactive => Meaning {
                means: "The user may not be acted for any more.",
                causes: &[
                    "The user is blocked, or was taken out of the Secret of users.",
                    "The user's connection was taken out of the Tenant, or its provider is another one now.",
                ],
                mend: "Take blocked out of the user's entry, or put the connection back, if that is what is wanted.",
            },
            Self::UserUnread => Meaning {
                means: "Nobody can say whether the user is still there, so nothing was given out, and nothing was taken away.",
                causes: &[
                    "The Secret of the user's connection is not there, or kubelet has not brought it yet.",
                    "The user's entry in it is not as `mintage users add` writes one.",
                ],
                mend: "Look at the line endpoint-lacks of the endpoint's log: it names the Secret and the entry. Then ask again.",
            },
        }
    }
}
