use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::InvalidName;

/// The `client_id` of an application (RFC 6749 section 2.2). It has no slash, so it is never a workload's
/// (`namespace/serviceaccount`).
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(Arc<str>);

impl ClientId {
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
                "client_id",
                value,
                "must be 1 to 64 characters of A-Z a-z 0-9 - _",
            ))
        }
    }
}

string_type!(ClientId);

/// A user of a tenant, as `sub` names them: `<connection>|<name>`, where the name is the connection's own and never changes.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Arc<str>);

impl UserId {
    /// The longest name, in bytes (OpenID Connect Core section 2 allows 255).
    pub const MAX_LEN: usize = 255;

    /// `<connection>|<name>`: 3…255 visible ASCII characters without a quote or a backslash, with something on either side of
    /// the first bar. A connection's name has no bar, so the text has one reading.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        let plain = value.len() <= Self::MAX_LEN
            && value
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        let whole = value
            .split_once('|')
            .is_some_and(|(connection, name)| !connection.is_empty() && !name.is_empty());
        if plain && whole {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new(
                "user",
                value,
                "must be <connection>|<name> of at most 255 visible ASCII characters without a quote or a backslash",
            ))
        }
    }

    /// The connection that the user comes from.
    pub fn connection(&self) -> &str {
        self.0
            .split_once('|')
            .map_or("", |(connection, _)| connection)
    }
}

string_type!(UserId);
