//! Tokens that an API's own secret signs (HS256): whoever has the secrets can judge them, which is the tenant's endpoint.

use serde_json::Value;

use super::authentic::{check_parameters, read_claims, read_type};
use super::judge::check_times;
use super::{Claims, Rejection, Verifier};
use crate::jose::Compact;
use crate::world::AudienceAlg;
use crate::{Seconds, UnixTime};

/// The longest life of tokens that an API may choose.
const LONGEST: Seconds = 2_592_000;

impl Verifier {
    /// Judges such a token. `has_signed` is asked once, about the only audience that the token names, with what is signed and the
    /// signature: it says whether that API has a secret, and whether it signed. No key that is public is ever taken for a secret,
    /// and no secret is tried on another API's token (RFC 8725 section 3.1).
    pub fn check_secret(
        &self,
        token: &str,
        has_signed: impl FnOnce(&str, &[u8], &[u8]) -> bool,
        now: UnixTime,
    ) -> Result<Claims, Rejection> {
        let compact = Compact::parse(token)?;
        check_parameters(&compact.header)?;
        let alg = compact.header.get("alg").and_then(Value::as_str);
        if alg != Some(AudienceAlg::Hs256.as_str()) {
            return Err(Rejection::AlgNotAccepted);
        }
        // Nothing of it is believed before the signature but which secret that is checked with.
        let claims = read_claims(&compact.payload()?, read_type(&compact.header)?)?;
        let ([audience], false) = (claims.audiences.as_slice(), claims.audience_is_array) else {
            return Err(Rejection::Audience);
        };
        let input = compact.signing_input.as_bytes();
        if !has_signed(audience, input, &compact.signature) {
            return Err(Rejection::Signature);
        }
        check_times(&claims, LONGEST, now)?;
        self.check_issuer(&claims, now)?;
        Ok(claims)
    }
}
