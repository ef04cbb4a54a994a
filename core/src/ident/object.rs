use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::InvalidName;

/// RFC 1123 label: 1…63 of `a-z 0-9 -`, starting and ending with a letter or digit.
pub(super) fn is_dns_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

/// A namespace: an RFC 1123 label, so it has no dot and no slash, and joined names cannot collide.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// 1…63 characters of `a-z 0-9 -`.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        if is_dns_label(value) {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new(
                "namespace",
                value,
                "must be 1 to 63 characters of a-z 0-9 -",
            ))
        }
    }
}

string_type!(Namespace);

/// The name of an object or `ServiceAccount`: an RFC 1123 subdomain.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// 1…253 characters of `a-z 0-9 - .`.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        if value.len() <= 253 && value.split('.').all(is_dns_label) {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new(
                "name",
                value,
                "must be 1 to 253 characters of a-z 0-9 - .",
            ))
        }
    }
}

string_type!(ObjectName);

/// Defines a pair `namespace/name` with one spelling. Neither part can hold a slash, so the text has one reading.
macro_rules! pair_type {
    ($(#[$doc:meta])* $type:ident, $second:ident, $second_doc:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type {
            /// The namespace.
            pub namespace: Namespace,
            #[doc = $second_doc]
            pub $second: ObjectName,
        }

        impl $type {
            /// Joins the two parts.
            pub fn new(namespace: Namespace, $second: ObjectName) -> Self {
                Self { namespace, $second }
            }

            /// Reads `namespace/name`.
            pub fn parse(value: &str) -> Result<Self, InvalidName> {
                let (namespace, second) = value
                    .split_once('/')
                    .ok_or_else(|| InvalidName::new($what, value, concat!("must be written <namespace>/<", stringify!($second), ">")))?;
                Ok(Self { namespace: Namespace::parse(namespace)?, $second: ObjectName::parse(second)? })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.namespace, self.$second)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(value: &str) -> Result<Self, InvalidName> {
                Self::parse(value)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(value: String) -> Result<Self, InvalidName> {
                Self::parse(&value)
            }
        }

        impl From<$type> for String {
            fn from(pair: $type) -> Self {
                pair.to_string()
            }
        }
    };
}

pair_type!(
    /// A namespaced object of a kind known from the context.
    ObjectRef, name, "The object's name.", "reference"
);
pair_type!(
    /// A tenant.
    TenantRef, name, "The tenant's name.", "tenant"
);
pair_type!(
    /// A pod's identity. Its text is the `client_id` of the workload's tokens.
    WorkloadId, service_account, "The pod's `ServiceAccount`.", "workload"
);
