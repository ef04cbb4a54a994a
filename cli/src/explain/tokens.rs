//! Why a token is refused.

use mintage_core::verify::Rule;

use super::{Explained, Meaning};

const FORGED: &str = "Somebody tries to forge a token.";
const NOT_OURS: &str = "The token comes from another issuer or library.";

impl Explained for Rule {
    const EVENT: &'static str = "a token is refused";

    #[expect(clippy::too_many_lines, reason = "one entry for each code")]
    fn explain(self) -> Meaning {
        match self {
            Self::AlgNotAccepted => Meaning {
                means: "The header's alg is none that Mintage signs with.",
                causes: &[NOT_OURS, "The token says alg: none or HS256."],
                mend: "Send a token that was made for this API: `mintage token -a <identifier>`.",
            },
            Self::AlgNotOfAudience => Meaning {
                means: "The API's tokens are not signed with this algorithm.",
                causes: &[
                    "signingAlgorithm of the ApiAudience was changed, and the last token under the former one has ended.",
                    FORGED,
                ],
                mend: "Get a new token; correct signingAlgorithm if the change was not meant.",
            },
            Self::AlgOfKey => Meaning {
                means: "The header's alg is not the algorithm of the key that kid names.",
                causes: &[FORGED, "A tool rewrote the header."],
                mend: "Send the token as it was issued.",
            },
            Self::Audience => Meaning {
                means: "The token is for another API than this pod accepts.",
                causes: &[
                    "The caller asked for another audience.",
                    "The annotation mintage.dev/accept-audiences (in dev: --accept) does not name the ApiAudience.",
                    "The ApiAudience is not served any more.",
                ],
                mend: "Let the caller ask for the identifier of this API, or name the ApiAudience in mintage.dev/accept-audiences.",
            },
            Self::Claim => Meaning {
                means: "A claim that every access token has is missing or has the wrong form.",
                causes: &[
                    NOT_OURS,
                    "An ID token was sent in the place of an access token.",
                ],
                mend: "Send an access token; `mintage decode` shows what the token says.",
            },
            Self::Constrained => Meaning {
                means: "The token is bound to a key or certificate (cnf), which a bearer cannot prove.",
                causes: &[NOT_OURS],
                mend: "Send a bearer token.",
            },
            Self::Expired => Meaning {
                means: "The token has ended (exp), counted with 30 s of leeway.",
                causes: &[
                    "The caller keeps a token longer than expires_in says.",
                    "A clock is wrong.",
                ],
                mend: "Get a new token; ask for one before each call, which costs little.",
            },
            Self::HeaderParameter => Meaning {
                means: "The header has a parameter other than alg, typ and kid.",
                causes: &[
                    NOT_OURS,
                    "Somebody tries to bring a key of his own (jwk, jku, x5u, x5c).",
                ],
                mend: "Send the token as it was issued.",
            },
            Self::IssuedInFuture => Meaning {
                means: "The token says that it was issued in the future (iat), beyond 30 s of leeway.",
                causes: &[
                    "The clock of the issuer's node is ahead, or that of the validator's is behind.",
                ],
                mend: "Let both nodes take their time from NTP.",
            },
            Self::Issuer => Meaning {
                means: "The token's iss is no issuer of this pod's tenant.",
                causes: &[
                    "Caller and API belong to different tenants.",
                    "The CustomDomain that the token names as its issuer was deleted.",
                ],
                mend: "Give both the same tenant (mintage.dev/tenant), and compare iss with spec.domain of the Tenant.",
            },
            Self::KeyNotActive => Meaning {
                means: "The token's key does not sign yet.",
                causes: &[
                    "The clock of the issuer's node is ahead by more than 30 s, or that of the validator's is behind.",
                ],
                mend: "Let both nodes take their time from NTP.",
            },
            Self::KeyRemoved => Meaning {
                means: "The token's key is past its life: every token under it has ended.",
                causes: &["The token is old.", "A clock is wrong."],
                mend: "Get a new token.",
            },
            Self::KeyRevoked => Meaning {
                means: "The token's key was revoked, and every token under it is refused for good.",
                causes: &[
                    "An admin named the key in mintage.dev/revoke-key, or ran `mintage keys revoke`.",
                ],
                mend: "Get a new token; it is signed by the next key.",
            },
            Self::KeyUnknown => Meaning {
                means: "The header has no kid, or one that this namespace has not been told of.",
                causes: &[
                    "Caller and API belong to different tenants, or to different runs of `mintage dev`.",
                    "The caller's namespace was granted no API of this namespace.",
                    "The state in .mintage was deleted after the token was made.",
                    "The news of a new key has not arrived: the propagation delay is too short.",
                ],
                mend: "Get a new token; `mintage why token` says whose key it is, and `mintage keys` lists the keys.",
            },
            Self::Lifetime => Meaning {
                means: "The token lives longer than any that was ever issued under its key.",
                causes: &[FORGED],
                mend: "Send the token as it was issued; revoke the key if it can have been stolen.",
            },
            Self::Malformed => Meaning {
                means: "This is no signed token: three parts of base64url with dots between them.",
                causes: &[
                    "The token was cut off, quoted or broken into lines.",
                    "An opaque token was sent.",
                ],
                mend: "Send the access_token of the answer as it is.",
            },
            Self::NotYetValid => Meaning {
                means: "The token is not good yet (nbf), beyond 30 s of leeway.",
                causes: &["A clock is wrong.", NOT_OURS],
                mend: "Let both nodes take their time from NTP.",
            },
            Self::OutOfBoundsAudience => Meaning {
                means: "The namespace whose key signed was not granted this audience, or not to sign for it.",
                causes: &[
                    "The grant was taken back, and its last token has ended or mintage.dev/revoke-now is set.",
                    "The API changed to issuance: Central.",
                    "The namespace's key was stolen and is used for another API.",
                ],
                mend: "Compare spec.grants of the ApiAudience; if nobody took a grant back, revoke the key and look into that namespace.",
            },
            Self::OutOfBoundsClaims => Meaning {
                means: "The token has claims that tokens of workloads never have.",
                causes: &["A namespace's key was stolen and is used to forge tokens."],
                mend: "Revoke the key and look into the namespace that it belongs to.",
            },
            Self::OutOfBoundsClient => Meaning {
                means: "The token speaks for a client of another namespace than the key's.",
                causes: &["A namespace's key was stolen and is used to forge tokens."],
                mend: "Revoke the key and look into the namespace that it belongs to.",
            },
            Self::OutOfBoundsScope => Meaning {
                means: "The token has a scope that was not granted to the namespace whose key signed.",
                causes: &[
                    "The scope was taken back, and its last token has ended or mintage.dev/revoke-now is set.",
                    "A namespace's key was stolen and is used to forge tokens.",
                ],
                mend: "Get a new token; if nobody took a scope back, revoke the key and look into that namespace.",
            },
            Self::OutOfBoundsSubject => Meaning {
                means: "The token speaks for a user, and it was signed by a namespace's key.",
                causes: &["A namespace's key was stolen and is used to forge tokens."],
                mend: "Revoke the key and look into the namespace that it belongs to.",
            },
            Self::Signature => Meaning {
                means: "The signature is not the key's over this header and these claims.",
                causes: &["The token was changed on its way.", FORGED],
                mend: "Send the token as it was issued.",
            },
            Self::Type => Meaning {
                means: "The header's typ is neither JWT nor at+jwt.",
                causes: &[NOT_OURS, "An ID token or a logout token was sent."],
                mend: "Send an access token.",
            },
        }
    }
}
