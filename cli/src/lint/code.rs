//! The findings by name.

use mintage_core::plan::Reason;
use serde::Serialize;

mintage_core::coded! {
    /// What `mintage lint` finds.
    pub enum Code {
        /// Several ApiAudiences, and no pod says that it is this one.
        AcceptMissing = "accept-missing",
        /// A pod accepts an ApiAudience that is not there.
        AcceptUnknown = "accept-unknown",
        /// [`Reason::InvalidAddress`].
        AddressInvalid = "address-invalid",
        /// [`Reason::AlgorithmNotAllowed`].
        AlgorithmNotAllowed = "algorithm-not-allowed",
        /// [`Reason::AlgorithmNotServed`].
        AlgorithmNotServed = "algorithm-not-served",
        /// An ApiAudience grants nothing to anybody, and users get no tokens for it.
        AudienceWithoutGrants = "audience-without-grants",
        /// `caBundle` without a certificate.
        CaBundleEmpty = "ca-bundle-empty",
        /// Nobody can sign in by a connection.
        ConnectionBroken = "connection-broken",
        /// Applications sign users in, and there is no connection.
        ConnectionMissing = "connection-missing",
        /// `defaultAudienceRef` names nothing.
        DefaultAudienceNotFound = "default-audience-not-found",
        /// `defaultAudienceRef` names another tenant's.
        DefaultAudienceOfOther = "default-audience-of-other-tenant",
        /// Outsiders cannot reach the domain.
        DomainNotPublic = "domain-not-public",
        /// A CustomDomain repeats its tenant's domain.
        DomainOfTenant = "domain-of-tenant",
        /// Nothing shows that the domain is the tenant's.
        DomainUnproven = "domain-unproven",
        /// [`Reason::NoEndpoint`].
        EndpointMissing = "endpoint-missing",
        /// A field that is written and changes nothing.
        FieldWithoutEffect = "field-without-effect",
        /// `firstParty` in another namespace than the tenant's.
        FirstPartyElsewhere = "first-party-elsewhere",
        /// Two grants to one workload or application.
        GrantDuplicate = "grant-duplicate",
        /// The tenant does not admit the grantee's namespace.
        GrantNamespaceNotAllowed = "grant-namespace-not-allowed",
        /// The grant has scopes that are not declared.
        GrantScopeUndeclared = "grant-scope-undeclared",
        /// The grantee does not exist.
        GrantToNobody = "grant-to-nobody",
        /// The grantee is no application of the tenant.
        GrantToUnknownApplication = "grant-to-unknown-application",
        /// Two identifiers that people take for one.
        IdentifierLookAlike = "identifier-look-alike",
        /// [`Reason::Reserved`].
        IdentifierReserved = "identifier-reserved",
        /// Keys that are read in a cluster only.
        KeySecretElsewhere = "key-secret-elsewhere",
        /// Tokens live longer than data.
        LifetimeBeyondBundleAge = "lifetime-beyond-bundle-age",
        /// Tokens live longer than keys sign.
        LifetimeBeyondRotation = "lifetime-beyond-rotation",
        /// [`Reason::Conflict`].
        NameConflict = "name-conflict",
        /// [`Reason::NamespaceNotAllowed`].
        NamespaceNotAllowed = "namespace-not-allowed",
        /// The folder does not say whether a namespace opts in.
        NamespaceElsewhere = "namespace-elsewhere",
        /// Workloads with grants have no sidecar.
        NamespaceNotOptedIn = "namespace-not-opted-in",
        /// A pod asks for a domain that its tenant does not have.
        PodDomainUnknown = "pod-domain-unknown",
        /// A pod with a sidecar has no tenant.
        PodWithoutTenant = "pod-without-tenant",
        /// Keys sign before volumes are renewed.
        PropagationDelayShort = "propagation-delay-short",
        /// An address that is likely to be meant otherwise.
        RedirectUriDoubtful = "redirect-uri-doubtful",
        /// Refresh tokens without a sign-in that gives them.
        RefreshWithoutSignIn = "refresh-without-sign-in",
        /// What is to be revoked is no key.
        RevokeKeyUnreadable = "revoke-key-unreadable",
        /// A one-off annotation was left behind.
        RevokeNowLeft = "revoke-now-left",
        /// Keys change more than once while data may stay as it is.
        RotationWithinBundleAge = "rotation-within-bundle-age",
        /// A scope of an API that speaks of users elsewhere.
        ScopeReserved = "scope-reserved",
        /// Nobody is granted the scope.
        ScopeUnused = "scope-unused",
        /// A Secret that the folder does not have.
        SecretElsewhere = "secret-elsewhere",
        /// No namespace has the labels.
        SelectorMatchesNothing = "selector-matches-nothing",
        /// What the status of the object will note.
        StatusNote = "status-note",
        /// [`Reason::TenantNotFound`].
        TenantMissing = "tenant-missing",
        /// [`Reason::TenantNotServed`].
        TenantUnserved = "tenant-unserved",
        /// An entry of a Secret of users that is none.
        UserUnreadable = "user-unreadable",
        /// A life for browsers that is cut to the other one.
        WebLifetimeClamped = "web-lifetime-clamped",
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Something that is written does not work.
    Error,
    /// It works, and may not be what was meant.
    Warning,
    /// The folder alone does not say whether it works.
    Note,
}

impl Code {
    /// How bad it is.
    pub fn level(self) -> Level {
        match self {
            Self::AcceptUnknown
            | Self::AddressInvalid
            | Self::AlgorithmNotAllowed
            | Self::AlgorithmNotServed
            | Self::CaBundleEmpty
            | Self::ConnectionBroken
            | Self::DefaultAudienceNotFound
            | Self::DefaultAudienceOfOther
            | Self::DomainOfTenant
            | Self::EndpointMissing
            | Self::GrantNamespaceNotAllowed
            | Self::GrantScopeUndeclared
            | Self::IdentifierReserved
            | Self::NameConflict
            | Self::NamespaceNotAllowed
            | Self::PodDomainUnknown
            | Self::PodWithoutTenant
            | Self::RefreshWithoutSignIn
            | Self::RevokeKeyUnreadable
            | Self::TenantMissing
            | Self::TenantUnserved
            | Self::UserUnreadable => Level::Error,
            Self::AcceptMissing
            | Self::AudienceWithoutGrants
            | Self::ConnectionMissing
            | Self::DomainNotPublic
            | Self::DomainUnproven
            | Self::FieldWithoutEffect
            | Self::FirstPartyElsewhere
            | Self::GrantDuplicate
            | Self::GrantToNobody
            | Self::GrantToUnknownApplication
            | Self::IdentifierLookAlike
            | Self::LifetimeBeyondBundleAge
            | Self::LifetimeBeyondRotation
            | Self::NamespaceNotOptedIn
            | Self::PropagationDelayShort
            | Self::RedirectUriDoubtful
            | Self::RevokeNowLeft
            | Self::RotationWithinBundleAge
            | Self::ScopeReserved
            | Self::ScopeUnused
            | Self::SelectorMatchesNothing
            | Self::StatusNote
            | Self::WebLifetimeClamped => Level::Warning,
            Self::KeySecretElsewhere | Self::NamespaceElsewhere | Self::SecretElsewhere => {
                Level::Note
            }
        }
    }

    /// The finding of an object that is not served.
    pub fn of_reason(reason: Reason) -> Option<Self> {
        match reason {
            Reason::AlgorithmNotAllowed => Some(Self::AlgorithmNotAllowed),
            Reason::AlgorithmNotServed => Some(Self::AlgorithmNotServed),
            Reason::Conflict => Some(Self::NameConflict),
            Reason::InvalidAddress => Some(Self::AddressInvalid),
            Reason::NamespaceNotAllowed => Some(Self::NamespaceNotAllowed),
            Reason::NoEndpoint => Some(Self::EndpointMissing),
            Reason::Reserved => Some(Self::IdentifierReserved),
            Reason::TenantNotFound => Some(Self::TenantMissing),
            Reason::TenantNotServed => Some(Self::TenantUnserved),
            // A folder has nobody to ask about a domain: there the admin's word counts. And nothing in it is on its way out.
            Reason::Deleting | Reason::NotVerified | Reason::Served => None,
        }
    }
}
