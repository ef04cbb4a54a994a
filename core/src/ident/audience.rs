use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::InvalidName;

/// The identifier of an API: the value of `aud` (RFC 7519 section 4.1.3). Compared byte for byte, never normalised.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(Arc<str>);

impl Identifier {
    /// The longest identifier, in bytes (Auth0's own bound).
    pub const MAX_LEN: usize = 600;

    /// 1…600 visible ASCII characters without `"`, `#` (RFC 8707: no fragment) and `\`.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        let fits = (1..=Self::MAX_LEN).contains(&value.len())
            && value
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'#' | b'\\'));
        if fits {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new(
                "identifier",
                value,
                "must be 1 to 600 visible ASCII characters without a fragment (#), a quote or a backslash",
            ))
        }
    }
}

string_type!(Identifier);
