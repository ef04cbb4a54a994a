//! The rules of the HTTP interface by name; those of tokens and requests for them are core's.

mintage_core::coded! {
    /// The rules for which a request is refused, whatever it asks for.
    pub enum Rule {
        /// `audience` and `resource` name different APIs.
        AudienceAndResource = "audience-and-resource",
        /// The query narrows to an audience that the pod does not accept.
        AudienceNotAccepted = "audience-not-accepted",
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
        /// `client_id` is another's.
        ClientNotOwn = "client-not-own",
        /// The form is not one.
        FormMalformed = "form-malformed",
        /// There is no `grant_type`.
        GrantTypeMissing = "grant-type-missing",
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
        /// The query has other parameters.
        QueryMalformed = "query-malformed",
        /// Several resources are named.
        ResourceSeveral = "resource-several",
        /// The token could not be signed.
        SigningFailed = "signing-failed",
        /// There is no token.
        TokenMissing = "token-missing",
    }
}
