use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::InvalidName;

/// A key's name: the RFC 7638 thumbprint of its JWK, base64url, 43 characters. Parsing takes any short name of the
/// base64url alphabet, because a `kid` is only ever looked up among the keys of one tenant.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kid(Arc<str>);

impl Kid {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// 1…64 characters of `A-Z a-z 0-9 - _`.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        let fits = (1..=Self::MAX_LEN).contains(&value.len())
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if fits {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new(
                "kid",
                value,
                "must be 1 to 64 characters of A-Z a-z 0-9 - _",
            ))
        }
    }
}

string_type!(Kid);

/// The identity of one life of an object (`metadata.uid`): a deleted and recreated object has another.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(Arc<str>);

impl Uid {
    /// 1…512 visible ASCII characters.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        if (1..=512).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new(
                "uid",
                value,
                "must be 1 to 512 visible ASCII characters",
            ))
        }
    }
}

string_type!(Uid);
