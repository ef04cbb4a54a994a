//! Proof Key for Code Exchange (RFC 7636): the code is good only for who asked for it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::ident::InvalidName;
use crate::jose::BASE64URL;

/// A `code_challenge` of the method S256, the only one there is here: `plain` protects nobody who reads the request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Challenge(String);

impl Challenge {
    /// 43 characters of base64url: a SHA-256.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        match BASE64URL.decode(value) {
            Ok(hash) if hash.len() == 32 => Ok(Self(value.to_owned())),
            _ => Err(InvalidName::new(
                "code_challenge",
                value,
                "must be the base64url of a SHA-256 without padding, 43 characters",
            )),
        }
    }

    /// The challenge that a verifier meets.
    pub fn of(verifier: &str) -> Self {
        Self(BASE64URL.encode(digest(&SHA256, verifier.as_bytes())))
    }

    /// Whether a `code_verifier` is the one that the challenge was made from. It has 43 to 128 unreserved characters (section
    /// 4.1). Compared in constant time.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let well_formed = (43..=128).contains(&verifier.len())
            && verifier
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        let made = Self::of(verifier);
        well_formed && verify_slices_are_equal(made.0.as_bytes(), self.0.as_bytes()).is_ok()
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Challenge {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        Self::parse(&value)
    }
}

impl From<Challenge> for String {
    fn from(challenge: Challenge) -> Self {
        challenge.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_is_met() {
        let challenge = Challenge::parse(CHALLENGE).unwrap();
        assert!(challenge.is_met_by(VERIFIER));
        assert_eq!(Challenge::of(VERIFIER), challenge);
        for other in [
            "",
            CHALLENGE,
            &VERIFIER[1..],
            &VERIFIER.to_uppercase(),
            &format!("{VERIFIER} "),
            &"a".repeat(129),
        ] {
            assert!(!challenge.is_met_by(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_hash_is_no_challenge() {
        for text in [
            "",
            VERIFIER.split_at(20).0,
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=",
            &"A".repeat(86),
        ] {
            assert!(Challenge::parse(text).is_err(), "{text:?}");
        }
    }
}
