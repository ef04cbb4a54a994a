//! The findings, explained.

use super::Code;
use crate::explain::{Explained, Meaning};

impl Explained for Code {
    const EVENT: &'static str = "a finding of `mintage lint`";

    #[expect(clippy::too_many_lines, reason = "one entry for each code")]
    fn explain(self) -> Meaning {
        match self {
            Self::AcceptMissing => Meaning {
                means: "No pod of the namespace says that it is this API, and with several APIs none is accepted without a word.",
                causes: &[
                    "The second ApiAudience of a namespace was added, and its pods have no annotation mintage.dev/accept-audiences.",
                ],
                mend: "Name the ApiAudience in mintage.dev/accept-audiences of the pods that are this API.",
            },
            Self::AcceptUnknown => Meaning {
                means: "A pod accepts an ApiAudience that its namespace does not have under its tenant.",
                causes: &[
                    "The name in mintage.dev/accept-audiences is misspelt; it is the name of the object, not the identifier.",
                    "The ApiAudience is in another namespace or of another tenant.",
                ],
                mend: "Correct the annotation.",
            },
            Self::AddressInvalid => Meaning {
                means: "An address of the Application means something else than it seems to, so none of it is used.",
                causes: &[
                    "A redirect URI has steps up (..), a port that is none, or an app's own scheme in an Application that is not Native.",
                ],
                mend: "Write the address as the application itself sends it.",
            },
            Self::AlgorithmNotAllowed => Meaning {
                means: "A Central API needs a key that the tenant's public key set may not list.",
                causes: &[
                    "issuance: Central stands with ES256 or EdDSA, and the Tenant has no jwks.allowNonRsa.",
                ],
                mend: "Set spec.jwks.allowNonRsa: true in the Tenant if every client reads such keys, or choose RS256 or PS256.",
            },
            Self::AlgorithmNotServed => Meaning {
                means: "The algorithm needs the tenant's endpoint, and the tenant has none.",
                causes: &["signingAlgorithm is HS256."],
                mend: "Set spec.endpoint.enabled: true in the Tenant, or choose RS256 or another algorithm with a key pair.",
            },
            Self::AudienceWithoutGrants => Meaning {
                means: "Nobody can get a token for the API.",
                causes: &[
                    "spec.grants is empty, and no Application of the tenant signs users in, whose tokens need no grant.",
                ],
                mend: "Add a grant to spec.grants, declare the Application that users sign in at, or take the ApiAudience out.",
            },
            Self::CaBundleEmpty => Meaning {
                means: "Sidecars trust the authorities of caBundle alone when they ask the tenant's endpoint, and there is none in it.",
                causes: &[
                    "A key or a certificate request was pasted, a file's name, or a certificate that was cut off.",
                ],
                mend: "Put the authority's certificate in, as PEM: from BEGIN CERTIFICATE to END CERTIFICATE.",
            },
            Self::ConnectionBroken => Meaning {
                means: "Nobody can sign in by the connection.",
                causes: &[
                    "The issuer is not https, has a query, or is the address of the discovery document.",
                    "The Secret that clientSecretRef names has no entry client_secret, or one that is no such secret.",
                ],
                mend: "Write the issuer as the provider's discovery document does, and the provider's secret under client_secret.",
            },
            Self::ConnectionMissing => Meaning {
                means: "The tenant has applications that sign users in, and its users sign in nowhere.",
                causes: &["spec.login.connections of the Tenant is empty."],
                mend: "Add a connection: users in a Secret (users.secretRef), or a provider (oidc).",
            },
            Self::DefaultAudienceNotFound => Meaning {
                means: "The tenant's default audience does not exist.",
                causes: &[
                    "defaultAudienceRef is misspelt, or its ApiAudience is declared elsewhere.",
                ],
                mend: "Correct the reference, or take it out.",
            },
            Self::DefaultAudienceOfOther => Meaning {
                means: "The tenant's default audience belongs to another tenant.",
                causes: &["defaultAudienceRef names an ApiAudience whose tenantRef is another."],
                mend: "Name an ApiAudience of this tenant.",
            },
            Self::DomainNotPublic => Meaning {
                means: "Clients elsewhere cannot reach the domain, or reach another one.",
                causes: &[
                    "The domain is under .localhost, or has no dot, or is under a name that is kept for tests.",
                ],
                mend: "Choose a public name; without --production, .localhost is taken to be meant.",
            },
            Self::DomainOfTenant => Meaning {
                means: "The CustomDomain repeats its tenant's own domain.",
                causes: &["The tenant's domain was thought to need a CustomDomain as well."],
                mend: "Take the CustomDomain out, or name another domain in it.",
            },
            Self::DomainUnproven => Meaning {
                means: "Nothing shows that the domain is the tenant's.",
                causes: &["spec.verification.method is None."],
                mend: "Choose DnsTxt or HttpWellKnown; None counts only where the operator is told to allow it.",
            },
            Self::EndpointMissing => Meaning {
                means: "The tenant has no endpoint, where users sign in and applications get tokens.",
                causes: &["spec.endpoint.enabled of the Tenant is not true."],
                mend: "Set spec.endpoint.enabled: true in the Tenant.",
            },
            Self::FieldWithoutEffect => Meaning {
                means: "The field is written, and nothing goes by it.",
                causes: &[
                    "redirectUris at a Machine, clientSecret at what keeps no secret, leeway with Reusable.",
                    "An idleLifetime that is longer than lifetime.",
                ],
                mend: "Take the field out, or change what it depends on, as the finding says.",
            },
            Self::FirstPartyElsewhere => Meaning {
                means: "firstParty counts in the tenant's own namespace only, so the application's users are asked before it gets tokens.",
                causes: &["The Application is in another namespace than its Tenant."],
                mend: "Move the Application into the tenant's namespace, or take firstParty out.",
            },
            Self::GrantDuplicate => Meaning {
                means: "Two grants are to the same client; what counts is both together.",
                causes: &["A grant was added where one was there."],
                mend: "Put the scopes into one grant, so that taking one back takes all back.",
            },
            Self::GrantNamespaceNotAllowed => Meaning {
                means: "The grant is to a workload of a namespace that the tenant does not admit, so it grants nothing.",
                causes: &[
                    "allowedNamespaces of the Tenant says Same, which is the default.",
                    "The namespace lacks the labels that the tenant selects by.",
                ],
                mend: "Widen spec.allowedNamespaces of the Tenant, or label the namespace.",
            },
            Self::GrantScopeUndeclared => Meaning {
                means: "The grant lists scopes that the API does not declare; they grant nothing.",
                causes: &["The scope is misspelt in the grant, or missing in spec.scopes."],
                mend: "Declare the scope in spec.scopes, or correct its name in the grant.",
            },
            Self::GrantToUnknownApplication => Meaning {
                means: "The grant is to an Application that the tenant does not serve.",
                causes: &[
                    "The namespace or the name is misspelt.",
                    "The Application is of another tenant, or its tenant has no endpoint.",
                ],
                mend: "Correct the name, declare the Application, or take the grant out.",
            },
            Self::GrantToNobody => Meaning {
                means: "The grant is to a workload that the folder does not have.",
                causes: &[
                    "The namespace or the serviceAccount is misspelt.",
                    "The workload was renamed or taken out, and its grant was left.",
                ],
                mend: "Correct the name, declare the workload, or take the grant out: whoever creates it later has the grant.",
            },
            Self::IdentifierLookAlike => Meaning {
                means: "Two APIs of a tenant have identifiers that differ in case or by a slash only.",
                causes: &["The same API was declared twice, by two spellings."],
                mend: "Keep one of them.",
            },
            Self::IdentifierReserved => Meaning {
                means: "The identifier belongs to the tenant itself.",
                causes: &[
                    "It is an issuer of the tenant, or its /userinfo or /api/v2/ on one of its domains.",
                ],
                mend: "Choose another identifier, such as the URL of the API.",
            },
            Self::KeySecretElsewhere => Meaning {
                means: "The tenant's keys are in a Secret of the cluster; mintage dev does not read it, and makes keys itself.",
                causes: &["signing.keySecretRef is set."],
                mend: "Nothing: it is as it should be in a cluster.",
            },
            Self::LifetimeBeyondBundleAge => Meaning {
                means: "Tokens live longer than a sidecar works without news.",
                causes: &[
                    "tokenLifetimeSeconds of the ApiAudience is longer than maxBundleAge of the Tenant.",
                ],
                mend: "Shorten tokenLifetimeSeconds: a token costs little, and a grant that is taken back holds until the last one ends.",
            },
            Self::LifetimeBeyondRotation => Meaning {
                means: "Tokens live longer than a key signs.",
                causes: &[
                    "tokenLifetimeSeconds of the ApiAudience is longer than signing.rotationPeriod of the Tenant.",
                ],
                mend: "Shorten tokenLifetimeSeconds, or lengthen rotationPeriod.",
            },
            Self::NameConflict => Meaning {
                means: "Another object of the folder has the domain or the identifier.",
                causes: &["It was copied from another manifest."],
                mend: "Choose another name.",
            },
            Self::NamespaceElsewhere => Meaning {
                means: "The folder does not have the namespace, so nobody can say whether its pods get a sidecar.",
                causes: &["The namespaces are declared elsewhere."],
                mend: "See that the namespace has the label mintage.dev/injection: enabled; lint the folder together with its namespaces to be sure.",
            },
            Self::NamespaceNotAllowed => Meaning {
                means: "The tenant does not admit the namespace of the ApiAudience.",
                causes: &[
                    "allowedNamespaces of the Tenant says Same, which is the default.",
                    "The namespace lacks the labels that the tenant selects by.",
                ],
                mend: "Widen spec.allowedNamespaces of the Tenant, or label the namespace.",
            },
            Self::NamespaceNotOptedIn => Meaning {
                means: "Workloads of the namespace have grants, and none of its pods gets a sidecar to ask.",
                causes: &[
                    "The namespace has no label mintage.dev/injection: enabled, and no pod has mintage.dev/inject.",
                ],
                mend: "Label the namespace with mintage.dev/injection: enabled.",
            },
            Self::PodDomainUnknown => Meaning {
                means: "A pod asks for a domain that its tenant does not have.",
                causes: &[
                    "The annotation mintage.dev/domain is misspelt, or the CustomDomain is missing.",
                ],
                mend: "Correct the annotation, or add a CustomDomain.",
            },
            Self::PodWithoutTenant => Meaning {
                means: "A pod gets a sidecar and has no tenant.",
                causes: &[
                    "No tenant admits its namespace.",
                    "Several do, and mintage.dev/tenant names none.",
                ],
                mend: "Annotate the namespace with mintage.dev/tenant, or widen spec.allowedNamespaces of the Tenant.",
            },
            Self::PropagationDelayShort => Meaning {
                means: "Keys may sign before the pods have heard of them.",
                causes: &[
                    "signing.propagationDelay is shorter than the two minutes that a kubelet may take to renew a volume.",
                ],
                mend: "Choose 2m or more; the default of 5m is good.",
            },
            Self::RedirectUriDoubtful => Meaning {
                means: "The address is one that users can come back to, and likely not the one that is meant.",
                causes: &[
                    "It has a *: addresses are compared byte for byte.",
                    "Its query has a parameter code, state, error or iss, which the answer has as well.",
                ],
                mend: "List each address as the application sends it; give the parameter another name.",
            },
            Self::RefreshWithoutSignIn => Meaning {
                means: "The application may use refresh tokens, and no grant that gives it one.",
                causes: &["grantTypes is [refresh_token]."],
                mend: "Add authorization_code, or leave grantTypes out.",
            },
            Self::RevokeKeyUnreadable => Meaning {
                means: "The annotation mintage.dev/revoke-key asks to refuse what cannot be a key, so nothing is refused.",
                causes: &[
                    "A whole token, a name with spaces or a file's name stands where the kid of a key is to stand.",
                ],
                mend: "Write the kid as `mintage decode <token>` or `mintage keys` shows it; several with commas between them.",
            },
            Self::RevokeNowLeft => Meaning {
                means: "The annotation mintage.dev/revoke-now was left behind.",
                causes: &["A grant was taken back in a hurry."],
                mend: "Take the annotation out once the tokens in question are refused.",
            },
            Self::RotationWithinBundleAge => Meaning {
                means: "Keys change more than once while a sidecar may go without news.",
                causes: &["signing.rotationPeriod is shorter than maxBundleAge."],
                mend: "Lengthen rotationPeriod, or shorten maxBundleAge.",
            },
            Self::ScopeReserved => Meaning {
                means: "The API declares a scope that OpenID Connect has, too: an application of users that asks for one of the two gets both.",
                causes: &[
                    "A scope is called openid, profile, email, address, phone or offline_access.",
                ],
                mend: "Give the scope another name; for refresh tokens set allowOfflineAccess in place of the scope.",
            },
            Self::ScopeUnused => Meaning {
                means: "Nobody is granted the scope.",
                causes: &[
                    "The scope was declared and not granted yet, or its last grant was taken back.",
                ],
                mend: "Grant it, or take it out of spec.scopes.",
            },
            Self::SecretElsewhere => Meaning {
                means: "The folder does not have the Secret of a connection; until there is one nobody signs in by the connection.",
                causes: &[
                    "The Secret is made in the cluster, by hand or by another program, as is right for secrets of providers.",
                    "Its name or namespace is misspelt: it has to be in the tenant's namespace.",
                ],
                mend: "See that it is in the cluster; for mintage dev put it into the folder, users by `mintage users add`.",
            },
            Self::SelectorMatchesNothing => Meaning {
                means: "The tenant selects namespaces by labels that none of the folder has.",
                causes: &["A label is misspelt, in the selector or in the namespaces."],
                mend: "Label the namespaces, or correct the selector.",
            },
            Self::StatusNote => Meaning {
                means: "The object is served, and its status will note this.",
                causes: &["It depends on what the finding names."],
                mend: "Do what the finding says.",
            },
            Self::TenantMissing => Meaning {
                means: "The tenant that tenantRef names is not in the folder.",
                causes: &[
                    "The name or the namespace in tenantRef is misspelt, or the Tenant is declared elsewhere.",
                ],
                mend: "Correct tenantRef, or lint the folder together with its Tenant.",
            },
            Self::TenantUnserved => Meaning {
                means: "The tenant is not served itself, and so nothing of it is.",
                causes: &["The Tenant has a finding of its own, most likely name-conflict."],
                mend: "Mend the Tenant first.",
            },
            Self::UserUnreadable => Meaning {
                means: "An entry of a Secret of users is no user, so nobody signs in by it.",
                causes: &[
                    "The hash is of another kind than argon2id, or costs too much to check.",
                    "It was written by hand.",
                    "Two entries have the same e-mail address.",
                ],
                mend: "Make it with `mintage users add`, or take it out.",
            },
            Self::WebLifetimeClamped => Meaning {
                means: "Tokens for browsers live no longer than tokenLifetimeSeconds, whatever is written.",
                causes: &["tokenLifetimeForWebSeconds is the greater of the two."],
                mend: "Lower tokenLifetimeForWebSeconds, or raise tokenLifetimeSeconds.",
            },
        }
    }
}
