//! Why a provider of users signs nobody in.

use mintage_core::upstream::Fault;

use super::{Explained, Meaning};

const CLIENT: &str = "clientId or the Secret of the connection is another client's.";

const CLOCK: &str = "The clock of the endpoint or of the provider is wrong.";

const ISSUER: &str = "spec.login.connections[].oidc.issuer is not the issuer exactly as the provider writes it; a trailing slash counts.";

const FAULTY: &str = "The provider is faulty, or something on the way answers in its place.";

const PROVIDER: &str = "Ask whoever runs the provider; nobody was signed in.";

impl Explained for Fault {
    const EVENT: &'static str = "a provider of users signs nobody in";

    #[expect(clippy::too_many_lines, reason = "one entry for each code")]
    fn explain(self) -> Meaning {
        match self {
            Self::AuthTime => Meaning {
                means: "The application asked for a recent sign-in (prompt=login, max_age), and the provider did not show one.",
                causes: &[
                    "The provider sends no auth_time, as some do not whatever they are asked for.",
                    "The provider signed the user in by an older session of its own.",
                ],
                mend: "Have the provider send auth_time, or ask for prompt=select_account, which a session at the provider meets.",
            },
            Self::IdTokenAlgorithm => Meaning {
                means: "The ID token is signed by another algorithm than the provider names, or by none.",
                causes: &[
                    "The client is registered at the provider for HS256 or for unsigned ID tokens.",
                    FAULTY,
                ],
                mend: "Register the client for ID tokens signed with RS256, PS256, ES256 or EdDSA (RS384 and RS512 will do).",
            },
            Self::IdTokenAudience => Meaning {
                means: "The ID token is for another client.",
                causes: &[CLIENT, FAULTY],
                mend: "Correct clientId in the Tenant's connection.",
            },
            Self::IdTokenExpired => Meaning {
                means: "The ID token has ended more than a minute ago.",
                causes: &[CLOCK],
                mend: "Set the clocks by NTP.",
            },
            Self::IdTokenHash => Meaning {
                means: "The ID token's at_hash or c_hash is that of another access token or code.",
                causes: &[FAULTY],
                mend: PROVIDER,
            },
            Self::IdTokenIssuer => Meaning {
                means: "The ID token names another issuer than the discovery document.",
                causes: &[
                    "The provider serves many organisations, and its issuer is a pattern: name that of one of them.",
                    FAULTY,
                ],
                mend: "Name the issuer of one organisation in the Tenant's connection.",
            },
            Self::IdTokenKeyUnknown => Meaning {
                means: "The ID token is signed with a key that is not in the provider's key set.",
                causes: &[
                    "The provider changed its key within the last 30 seconds, and publishes it only now.",
                    FAULTY,
                ],
                mend: "Try again in half a minute; then ask whoever runs the provider.",
            },
            Self::IdTokenMalformed => Meaning {
                means: "The provider's answer to the code has no ID token that can be read.",
                causes: &[
                    "The provider speaks OAuth alone, and not OpenID Connect.",
                    "A required claim is missing, or the token has more than 32 KiB.",
                ],
                mend: "Use a provider of OpenID Connect; ask it for fewer claims if the token is huge.",
            },
            Self::IdTokenNonce => Meaning {
                means: "The ID token answers another request: its nonce is not the one that was sent.",
                causes: &[
                    "The provider leaves the nonce out.",
                    "Somebody passes the code of another sign-in on.",
                ],
                mend: PROVIDER,
            },
            Self::IdTokenSignature => Meaning {
                means: "The signature of the ID token is not that of the provider's key.",
                causes: &[FAULTY],
                mend: PROVIDER,
            },
            Self::IdTokenTooEarly => Meaning {
                means: "The ID token says that it is of the future, by more than a minute.",
                causes: &[CLOCK],
                mend: "Set the clocks by NTP.",
            },
            Self::ProviderAddress => Meaning {
                means: "The issuer, or an address that the discovery document names, is not one to go to.",
                causes: &[
                    "It is http and not of this machine, or http where the issuer is https.",
                    "It has a user, a fragment or dot segments, or is longer than 512 characters.",
                ],
                mend: "Serve the provider by https.",
            },
            Self::ProviderAlgorithms => Meaning {
                means: "The provider signs ID tokens with no algorithm that is taken.",
                causes: &[
                    "id_token_signing_alg_values_supported names none of RS256, RS384, RS512, PS256, ES256 and EdDSA.",
                ],
                mend: "Turn one of them on at the provider.",
            },
            Self::ProviderClientAuth => Meaning {
                means: "The provider takes a client secret neither by HTTP Basic nor in the form.",
                causes: &[
                    "token_endpoint_auth_methods_supported names other ways alone, such as private_key_jwt.",
                ],
                mend: "Allow client_secret_basic or client_secret_post at the provider, or leave clientSecretRef out for a public client.",
            },
            Self::ProviderCodeRefused => Meaning {
                means: "The provider gives no tokens for the code; the event provider-code-refused has its error.",
                causes: &[
                    "client_secret of the connection's Secret is wrong or has expired (invalid_client).",
                    CLIENT,
                    "The code lay for too long, or was used before (invalid_grant).",
                ],
                mend: "Compare clientId and the Secret with what the provider shows for the client.",
            },
            Self::ProviderIssuer => Meaning {
                means: "The document at the issuer's address is of another issuer.",
                causes: &[ISSUER],
                mend: "Write the issuer as the provider's discovery document has it.",
            },
            Self::ProviderKeys => Meaning {
                means: "The provider's key set has no key that can be used.",
                causes: &[
                    "It has keys for encryption or of other curves alone.",
                    FAULTY,
                ],
                mend: "Have the provider sign with RSA of 2048 bits or more, P-256 or Ed25519.",
            },
            Self::ProviderMetadata => Meaning {
                means: "There is no discovery document at the issuer's address, or it lacks something.",
                causes: &[ISSUER, FAULTY],
                mend: "Open <issuer>/.well-known/openid-configuration: it has to be JSON with the provider's addresses.",
            },
            Self::ProviderMixedUp => Meaning {
                means: "The answer is another provider's than the one that the browser was sent to.",
                causes: &[
                    "One of the tenant's providers passes requests on to another (a mix-up attack).",
                    "The provider says that its answers have the parameter iss, and leaves it out.",
                ],
                mend: "Take a provider that does this out of the Tenant; nothing was sent to it.",
            },
            Self::ProviderRedirects => Meaning {
                means: "The provider answers with a redirect, which is not followed.",
                causes: &["The issuer has moved, or a proxy asks for a sign-in of its own."],
                mend: "Name the issuer where it is now.",
            },
            Self::ProviderRefused => Meaning {
                means: "The provider sent the browser back with an error.",
                causes: &[
                    "The user turned back there, or may not use the client.",
                    "The client may not use the address to come back to, the scopes or the flow.",
                ],
                mend: "See the error in the event sign-in-refused, and the provider's own log.",
            },
            Self::ProviderStatus => Meaning {
                means: "The provider answers with another status than 200.",
                causes: &["It is down or restarts.", ISSUER],
                mend: "See the status in the event provider-status, and the provider's own log.",
            },
            Self::ProviderTooLarge => Meaning {
                means: "The provider answers with more than 256 KiB.",
                causes: &["Something else than the provider answers.", FAULTY],
                mend: "Name the provider's own issuer.",
            },
            Self::ProviderUnreachable => Meaning {
                means: "The provider gives no answer within 10 seconds.",
                causes: &[
                    "Its name is not found, or a network policy or firewall is in between; proxies are not asked.",
                    "Its certificate is of an authority that is not trusted (in dev: --provider-ca).",
                ],
                mend: "See the cause in the event provider-unreachable.",
            },
            Self::Subject => Meaning {
                means: "The provider's name of the user (sub) is not 1 to 255 ASCII characters.",
                causes: &["The provider writes names in other scripts, against the standard."],
                mend: "Have the provider send an identifier as sub.",
            },
            Self::UserInfo => Meaning {
                means: "What the provider says at its userinfo endpoint is of another user than the ID token, or cannot be read.",
                causes: &[
                    FAULTY,
                    "The provider signs or encrypts that answer for this client.",
                ],
                mend: "Have the provider answer with plain JSON, or put the profile in the ID token.",
            },
        }
    }
}
