//! Each library's own words for its refusals: error classes, codes, or a part of the text where one code stands for all.

/// For each kind of bad token the words one of which its refusal has.
pub struct Words {
    pub signature: &'static [&'static str],
    /// The header says `alg: none`, and there is no signature.
    pub none: &'static [&'static str],
    /// The header says `alg: HS256`, as if the public key were the secret.
    pub hmac: &'static [&'static str],
    pub unknown_key: &'static [&'static str],
    pub issuer: &'static [&'static str],
    pub audience: &'static [&'static str],
    pub expired: &'static [&'static str],
    /// The header's `typ` is not that of an access token (RFC 9068 section 4).
    pub typ: &'static [&'static str],
}

pub const PYJWT: Words = Words {
    signature: &["InvalidSignatureError"],
    none: &["InvalidAlgorithmError"],
    hmac: &["InvalidAlgorithmError"],
    unknown_key: &["PyJWKClientError"],
    issuer: &["InvalidIssuerError"],
    audience: &["InvalidAudienceError"],
    expired: &["ExpiredSignatureError"],
    typ: &["WrongType"],
};

pub const AUTHLIB: Words = Words {
    signature: &["bad_signature"],
    none: &["unsupported_algorithm"],
    hmac: &["unsupported_algorithm", "invalid_key_id"],
    unknown_key: &["invalid_key_id"],
    issuer: &["Invalid claim: 'iss'"],
    audience: &["Invalid claim: 'aud'"],
    expired: &["expired_token"],
    typ: &["Invalid claim: 'typ'"],
};

pub const JOSE: Words = Words {
    signature: &["ERR_JWS_SIGNATURE_VERIFICATION_FAILED"],
    none: &["ERR_JOSE_ALG_NOT_ALLOWED"],
    hmac: &["ERR_JOSE_ALG_NOT_ALLOWED"],
    unknown_key: &["ERR_JWKS_NO_MATCHING_KEY"],
    issuer: &["unexpected \"iss\" claim value"],
    audience: &["unexpected \"aud\" claim value"],
    expired: &["ERR_JWT_EXPIRED"],
    typ: &["unexpected \"typ\" JWT header value"],
};

/// The code is always `invalid_token`.
pub const EXPRESS: Words = Words {
    signature: &["signature verification failed"],
    none: &[
        "Unsupported \"alg\" value for a JSON Web Key Set",
        "Unsupported algorithm \"none\"",
    ],
    hmac: &[
        "Unsupported \"alg\" value for a JSON Web Key Set",
        "Unsupported algorithm \"HS256\"",
    ],
    unknown_key: &["no applicable key found in the JSON Web Key Set"],
    issuer: &["Unexpected 'iss' value"],
    audience: &["Unexpected 'aud' value"],
    expired: &["\"exp\" claim timestamp check failed"],
    typ: &["Unexpected 'typ' value"],
};

/// Most errors have only a text.
pub const GO_OIDC: Words = Words {
    signature: &["failed to verify signature"],
    none: &["unexpected signature algorithm \"none\""],
    hmac: &["unexpected signature algorithm \"HS256\""],
    unknown_key: &["failed to verify signature"],
    issuer: &["issued by a different provider"],
    audience: &["expected audience"],
    expired: &["TokenExpiredError"],
    typ: &["wrongType"],
};

/// The status is always 401, and the errors have only a text.
pub const GO_JWT_MIDDLEWARE: Words = Words {
    signature: &["error in cryptographic primitive"],
    none: &["signing method is invalid"],
    hmac: &["signing method is invalid"],
    unknown_key: &["unsupported key type/format"],
    issuer: &["invalid issuer claim (iss)"],
    audience: &["invalid audience claim (aud)"],
    expired: &["token is expired (exp)"],
    typ: &["jwt invalid: typ is"],
};

pub const NIMBUS: Words = Words {
    signature: &["Invalid signature"],
    none: &["Unsecured (plain) JWTs are rejected"],
    hmac: &["Another algorithm expected, or no matching key(s) found"],
    unknown_key: &["no matching key(s) found"],
    issuer: &["JWT iss claim"],
    audience: &["JWT aud claim rejected"],
    expired: &["ExpiredJWTException"],
    typ: &["JOSE header typ (type) JWT not allowed"],
};

/// Its decoder is built on Nimbus.
pub const SPRING: Words = Words {
    signature: &["Invalid signature"],
    none: &["Unsupported algorithm of none"],
    hmac: &["Another algorithm expected, or no matching key(s) found"],
    unknown_key: &["no matching key(s) found"],
    issuer: &["The iss claim is not valid"],
    audience: &["The aud claim is not valid"],
    expired: &["Jwt expired at"],
    typ: &["the given typ value needs to be one of [at+jwt]"],
};

pub const JSONWEBTOKEN: Words = Words {
    signature: &["InvalidSignature"],
    none: &["unknown variant `none`"],
    hmac: &["InvalidAlgorithm"],
    unknown_key: &["UnknownKey"],
    issuer: &["InvalidIssuer"],
    audience: &["InvalidAudience"],
    expired: &["ExpiredSignature"],
    typ: &["WrongType"],
};
