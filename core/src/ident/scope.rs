use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::InvalidName;

/// One scope token (RFC 6749 section 3.3).
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Arc<str>);

impl Scope {
    /// The longest scope, in bytes.
    pub const MAX_LEN: usize = 128;

    /// 1…128 characters of %x21 / %x23-5B / %x5D-7E.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        let fits = (1..=Self::MAX_LEN).contains(&value.len())
            && value
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        if fits {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new(
                "scope",
                value,
                "must be 1 to 128 visible ASCII characters without a quote or a backslash",
            ))
        }
    }
}

string_type!(Scope);

/// Reads a `scope` parameter or claim: scopes with single spaces between them; an empty text is no scope. The order
/// of first mention is kept and repetitions are dropped, since order and repetition mean nothing (RFC 6749 section 3.3).
pub fn parse_scopes(text: &str) -> Result<Vec<Scope>, InvalidName> {
    let mut scopes: Vec<Scope> = Vec::new();
    for part in text.split(' ').filter(|_| !text.is_empty()) {
        if part.is_empty() {
            let rule = "must have one space between any two, and none at the ends";
            return Err(InvalidName::new("scopes", text, rule));
        }
        let scope = Scope::parse(part)?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

/// Writes scopes as a `scope` value: single spaces between them.
pub fn write_scopes<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> String {
    let mut text = String::new();
    for scope in scopes {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(scope.as_str());
    }
    text
}
