//! Keys and signatures: JWK (RFC 7517), thumbprints (RFC 7638), compact JWS (RFC 7515).
//!
//! A key has exactly one algorithm, from the moment it is parsed: what a token's header says can only agree with it or
//! be refused, so algorithm confusion has nowhere to happen.

mod jwk;
mod jws;
mod private;
mod public;
mod roca;

pub use jwk::{InvalidJwk, Jwk, Material};
pub use jws::{Compact, InvalidCompact, MAX_TOKEN_LEN, encode_segment};
pub use private::{InvalidPrivateKey, Pkcs8, PrivateKey, SigningFailed};
pub use public::PublicKey;

use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// base64url without padding; padding and non-zero trailing bits are refused, so one byte string has one spelling.
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);
