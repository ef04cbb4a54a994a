crate::coded! {
    /// Why a provider signs nobody in.
    pub enum Fault {
        /// The provider does not say when the user signed in, or it was longer ago than the application asked for.
        AuthTime = "provider-auth-time",
        /// The ID token is signed in another way than the provider says, or in none.
        IdTokenAlgorithm = "id-token-algorithm",
        /// The ID token is for another client.
        IdTokenAudience = "id-token-audience",
        /// The ID token has ended.
        IdTokenExpired = "id-token-expired",
        /// The ID token belongs to another access token or code.
        IdTokenHash = "id-token-hash",
        /// The ID token is another issuer's.
        IdTokenIssuer = "id-token-issuer",
        /// The provider has no such key.
        IdTokenKeyUnknown = "id-token-key-unknown",
        /// The text is no ID token.
        IdTokenMalformed = "id-token-malformed",
        /// The ID token answers another request.
        IdTokenNonce = "id-token-nonce",
        /// The signature of the ID token is not the provider's.
        IdTokenSignature = "id-token-signature",
        /// The ID token is of the future.
        IdTokenTooEarly = "id-token-too-early",
        /// An address of the provider is not one to go to.
        ProviderAddress = "provider-address",
        /// The provider knows no algorithm that is taken.
        ProviderAlgorithms = "provider-algorithms",
        /// The provider takes the secret in none of the ways that there are.
        ProviderClientAuth = "provider-client-auth",
        /// The provider takes neither the code nor the client.
        ProviderCodeRefused = "provider-code-refused",
        /// The discovery document is of another issuer.
        ProviderIssuer = "provider-issuer",
        /// The key set is none.
        ProviderKeys = "provider-keys",
        /// The discovery document is none.
        ProviderMetadata = "provider-metadata",
        /// The answer is another provider's.
        ProviderMixedUp = "provider-mixed-up",
        /// The provider leads elsewhere.
        ProviderRedirects = "provider-redirects",
        /// The provider signs nobody in.
        ProviderRefused = "provider-refused",
        /// The provider answers with an error.
        ProviderStatus = "provider-status",
        /// The provider answers with more than is read.
        ProviderTooLarge = "provider-too-large",
        /// The provider does not answer.
        ProviderUnreachable = "provider-unreachable",
        /// The provider's name of the user cannot be one.
        Subject = "provider-subject",
        /// What the provider says of the user is of somebody else, or cannot be read.
        UserInfo = "provider-userinfo",
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(crate::code::Coded::code(*self))
    }
}

impl std::error::Error for Fault {}
