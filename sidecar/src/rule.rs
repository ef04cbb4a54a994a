//! The rules of the HTTP interface by name; those of tokens and requests for them are core's.

mintage_core::coded! {
    /// The rules for which a request is refused, whatever it asks for.
    pub enum Rule {
        /// The `ServiceAccount` token is not good.
        AssertionInvalid = "assertion-invalid",
        /// `ServiceAccount` tokens are not taken, or not in this way.
        AssertionNotTaken = "assertion-not-taken",
        /// Nobody can say at the moment whether the `ServiceAccount` token is good.
        AssertionUnreviewed = "assertion-unreviewed",
        /// `audience` and `resource` name different APIs.
        AudienceAndResource = "audience-and-resource",
        /// The API that was granted is not there any more.
        AudienceGone = "audience-gone",
        /// The query narrows to an audience that the pod does not accept.
        AudienceNotAccepted = "audience-not-accepted",
        /// The tenant has no key of the API's algorithm.
        AudienceNotSigned = "audience-not-signed",
        /// The pod does not say which audiences it accepts.
        AudienceNotChosen = "audience-not-chosen",
        /// There are several `Authorization` headers.
        AuthorizationRepeated = "authorization-repeated",
        /// The body broke off.
        BodyBroken = "body-broken",
        /// The body did not arrive in time.
        BodySlow = "body-slow",
        /// The body is too large.
        BodyTooLarge = "body-too-large",
        /// No bundle has arrived.
        BundleMissing = "bundle-missing",
        /// The bundle was not renewed in time.
        BundleTooOld = "bundle-too-old",
        /// There is no `client_id`.
        ClientMissing = "client-missing",
        /// The application has not shown who it is.
        ClientNotAuthenticated = "client-not-authenticated",
        /// `client_id` is another's.
        ClientNotOwn = "client-not-own",
        /// The application shows who it is in two ways.
        ClientTwice = "client-twice",
        /// The code is not good.
        CodeInvalid = "code-invalid",
        /// There is no code.
        CodeMissing = "code-missing",
        /// The code verifier is not the one that the code was asked with.
        CodeVerifierWrong = "code-verifier-wrong",
        /// The tenant's endpoint cannot be reached.
        EndpointAway = "endpoint-away",
        /// The tenant's endpoint gives no answer that can be used.
        EndpointMisbehaves = "endpoint-misbehaves",
        /// The tenant's endpoint refuses.
        EndpointRefused = "endpoint-refused",
        /// The pod has no token to show the tenant's endpoint.
        EndpointTokenMissing = "endpoint-token-missing",
        /// What the endpoint was told was not renewed in time.
        EndpointTooOld = "endpoint-too-old",
        /// The form is not one.
        FormMalformed = "form-malformed",
        /// There is no `grant_type`.
        GrantTypeMissing = "grant-type-missing",
        /// The application may not use the grant type.
        GrantTypeNotAllowed = "grant-type-not-allowed",
        /// The grant type is for users or applications.
        GrantTypeOfOthers = "grant-type-of-others",
        /// The grant type is none.
        GrantTypeUnknown = "grant-type-unknown",
        /// The `Host` is not the loopback.
        HostNotLoopback = "host-not-loopback",
        /// The `Host` is no issuer.
        HostUnknown = "host-unknown",
        /// The token lacks scopes that are needed.
        InsufficientScope = "insufficient-scope",
        /// The body is not one JSON object of strings.
        JsonMalformed = "json-malformed",
        /// The body is neither form nor JSON.
        MediaType = "media-type",
        /// The path takes other methods.
        Method = "method",
        /// A page in a browser sent the request.
        OriginRefused = "origin-refused",
        /// A parameter is there twice.
        ParameterRepeated = "parameter-repeated",
        /// There are too many parameters.
        ParametersTooMany = "parameters-too-many",
        /// There is no such path.
        Path = "path",
        /// Who asks is no proxy that the tenant trusts, or was not asked by HTTPS.
        ProxyNotTrusted = "proxy-not-trusted",
        /// The query has other parameters.
        QueryMalformed = "query-malformed",
        /// The `redirect_uri` is not the one that the code was sent to.
        RedirectUriDiffers = "redirect-uri-differs",
        /// The refresh token is not good.
        RefreshTokenInvalid = "refresh-token-invalid",
        /// There is no refresh token.
        RefreshTokenMissing = "refresh-token-missing",
        /// The resource is not what the user allowed.
        ResourceNotGranted = "resource-not-granted",
        /// Several resources are named.
        ResourceSeveral = "resource-several",
        /// More scopes are asked for than were granted.
        ScopeBroader = "scope-broader",
        /// The token could not be signed.
        SigningFailed = "signing-failed",
        /// What the endpoint remembers cannot be reached.
        StoreUnavailable = "store-unavailable",
        /// The token is not good here.
        TokenInvalid = "token-invalid",
        /// There is no token.
        TokenMissing = "token-missing",
        /// The token came in more than one way.
        TokenRepeated = "token-repeated",
        /// The address has tried too often.
        TooManyRequests = "too-many-requests",
        /// The user is blocked or gone.
        UserInactive = "user-inactive",
        /// The Secret with the user cannot be read.
        UserUnread = "user-unread",
    }
}
