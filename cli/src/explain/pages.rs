//! Why a person sees an error page of a tenant's endpoint.

use mintage_sidecar::endpoint::pages::FailureCode;

use super::{Explained, Meaning};

const ANEW: &str = "Go back to the application and sign in anew.";

impl Explained for FailureCode {
    const EVENT: &'static str = "a page of a tenant's endpoint says what went wrong";

    #[expect(clippy::too_many_lines, reason = "one entry for each code")]
    fn explain(self) -> Meaning {
        match self {
            Self::CallbackMismatch => Meaning {
                means: "The redirect_uri is none of the application's, so nobody is sent there.",
                causes: &[
                    "spec.redirectUris of the Application does not have it byte for byte: scheme, port, path and a slash at the end count.",
                    "The application builds it from the host that it is reached by, and a proxy in front of it changed that.",
                    "Somebody tries to have a code sent elsewhere.",
                ],
                mend: "Add the address that the page's detail names to spec.redirectUris, or correct it in the application.",
            },
            Self::ConnectionFailed => Meaning {
                means: "The provider of a connection gave no answer by which somebody can be signed in; the page's detail is the code of the reason.",
                causes: &[
                    "The provider is away, or oidc.issuer of the connection is not its issuer.",
                    "The tenant is not the client that the provider knows.",
                ],
                mend: "Look up the reason, which is the page's detail and that of the log's line sign-in-refused, by mintage explain.",
            },
            Self::ConnectionUnusable => Meaning {
                means: "The Tenant declares the connection, and nobody can sign in by it as it is; the page's detail names it.",
                causes: &[
                    "Its Secret is not there, has no entry client_secret, or has one that is none.",
                    "oidc.issuer is not https, or has a query or fragment.",
                ],
                mend: "Look at the line endpoint-lacks of the endpoint's log: it names the connection and the mend. It works as soon as that is done.",
            },
            Self::CookiesMissing => Meaning {
                means: "The browser did not send the cookie of the sign-in that it goes on with.",
                causes: &[
                    "The page was opened in another browser, or in a private window, than the one that began.",
                    "The browser takes no cookies of this site, or they were deleted meanwhile.",
                    "The endpoint is reached by HTTP, and its cookies are for HTTPS alone.",
                    "A form or link of somebody else's browser was sent to this one.",
                ],
                mend: "Allow cookies for the tenant's domain, reach it by HTTPS, and sign in anew from the application.",
            },
            Self::Expired => Meaning {
                means: "The page belongs to a sign-in that is over.",
                causes: &[
                    "It was open for more than an hour, or the provider's own for more than 15 minutes.",
                    "It was answered already: somebody went back, reloaded, or kept it as a bookmark.",
                    "Another user has signed in with the same browser meanwhile.",
                    "It was made in another browser or at another domain, or its text was cut off on the way.",
                ],
                mend: ANEW,
            },
            Self::Internal => Meaning {
                means: "The endpoint could not do what it should; nothing was changed.",
                causes: &[
                    "The system gives no random numbers.",
                    "It is a fault of Mintage.",
                ],
                mend: "Try again; if it stays so, look for the page's request in the endpoint's log, and report it.",
            },
            Self::LogoutMismatch => Meaning {
                means: "The address to go to after signing out is none of the application's, so nobody is sent there.",
                causes: &[
                    "spec.logoutUris of the Application does not have it byte for byte.",
                    "Neither client_id nor id_token_hint says whose application it is.",
                ],
                mend: "Add the address that the page's detail names to spec.logoutUris, and send client_id or id_token_hint.",
            },
            Self::NoConnection => Meaning {
                means: "There is nothing to sign in with.",
                causes: &[
                    "The Tenant has no spec.login.connections.",
                    "The connection was taken out of the Tenant while somebody was signing in by it.",
                ],
                mend: "Declare a connection in spec.login.connections of the Tenant.",
            },
            Self::NotFound => Meaning {
                means: "The endpoint has no page at this path.",
                causes: &[
                    "The address was mistyped or cut off.",
                    "A client library asks for something that Mintage does not have, such as /oauth/device/code.",
                    "A provider sends browsers back to /login/callback/<connection>, and the Tenant has no such connection.",
                ],
                mend: "Look at what discovery lists, /.well-known/openid-configuration; at the provider, register the connection's own address.",
            },
            Self::RequestWrong => Meaning {
                means: "The browser was sent with a request by which nobody can be sent back; the page's detail says what is wrong.",
                causes: &[
                    "A parameter is missing, is there twice, or is malformed.",
                    "response_mode=web_message is asked for from an origin that spec.webOrigins of the Application does not have.",
                    "id_token_hint is no ID token of this tenant, or is another application's.",
                ],
                mend: "Correct what the page's detail names in the application.",
            },
            Self::TooMany => Meaning {
                means: "Too many answers of providers that came from this address within a minute were no good.",
                causes: &[
                    "Very many people share one address.",
                    "The proxy's own address counts, because spec.endpoint.trustedProxies does not have it.",
                    "A provider is away or refuses everybody.",
                    "Somebody makes answers of providers up.",
                ],
                mend: "Wait as the page says; name proxies in spec.endpoint.trustedProxies of the Tenant.",
            },
            Self::Unavailable => Meaning {
                means: "What the endpoint remembers cannot be reached, so nobody is signed in or out.",
                causes: &["The database is down, or its disk is full."],
                mend: "Look at the line store-failed of the endpoint's log; it goes on by itself once the store answers.",
            },
            Self::UnknownApplication => Meaning {
                means: "The tenant has no application of this client_id.",
                causes: &[
                    "client_id is misspelt, or of another tenant or domain.",
                    "The Application is not served, and its condition Ready says why.",
                    "The Application was deleted, or made anew: then it has another client_id.",
                    "The address to come back to was taken out of spec.redirectUris while somebody was signing in.",
                ],
                mend: "Take client_id from status.clientId of the Application, and ask at its tenant's domain.",
            },
        }
    }
}
