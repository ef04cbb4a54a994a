//! Names, each with a type of its own: what is parsed here is not checked again inside.

/// Gives a string newtype its usual traits; construction stays with the type's own `parse`.
macro_rules! string_type {
    ($type:ident) => {
        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::ident::InvalidName;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Self::parse(value)
            }
        }

        impl TryFrom<String> for $type {
            type Error = crate::ident::InvalidName;

            fn try_from(value: String) -> Result<Self, Self::Error> {
                Self::parse(&value)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

pub(crate) use string_type;

mod audience;
mod client;
mod domain;
mod key;
mod object;
mod scope;

pub use audience::Identifier;
pub use client::{ClientId, UserId};
pub use domain::{Domain, Issuer};
pub use key::{Kid, Uid};
pub use object::{Namespace, ObjectName, ObjectRef, TenantRef, WorkloadId};
pub use scope::{Scope, parse_scopes, write_scopes};

/// A name that does not have the form it must have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} {value:?} {must}")]
pub struct InvalidName {
    what: &'static str,
    value: String,
    must: &'static str,
}

impl InvalidName {
    pub(crate) fn new(what: &'static str, value: &str, must: &'static str) -> Self {
        // A hostile value must not fill a log line.
        let value = value.chars().take(80).collect();
        Self { what, value, must }
    }
}
