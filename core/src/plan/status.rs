//! How each object fares, in the words of a `Ready` condition.

use std::fmt;

use serde::Serialize;

use crate::ObjectRef;
use crate::code::Coded as _;
use crate::ownership::{Kind, Object};

/// How an object fares: its `Ready` condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The object.
    pub object: Object,
    /// Why it is as it is.
    pub reason: Reason,
    /// In words, with the mend.
    pub message: String,
    /// What an admin should know although the object is served.
    pub notes: Vec<String>,
}

crate::coded! {
    /// The reasons of a `Ready` condition.
    #[derive(Serialize)]
    pub enum Reason {
        /// A Central audience needs a key that the tenant's key set may not list.
        AlgorithmNotAllowed = "AlgorithmNotAllowed",
        /// Only the tenant endpoint can serve this algorithm.
        AlgorithmNotServed = "AlgorithmNotServed",
        /// Another object holds the name.
        Conflict = "Conflict",
        /// The tenant is being deleted, and nothing refers to it any more.
        Deleting = "Deleting",
        /// An address of the application cannot be used.
        InvalidAddress = "InvalidAddress",
        /// The tenant does not admit the namespace.
        NamespaceNotAllowed = "NamespaceNotAllowed",
        /// The tenant has no endpoint.
        NoEndpoint = "NoEndpoint",
        /// Control over the domain has not been shown.
        NotVerified = "NotVerified",
        /// The identifier belongs to the tenant itself.
        Reserved = "Reserved",
        /// It is served.
        Served = "Served",
        /// The tenant does not exist.
        TenantNotFound = "TenantNotFound",
        /// The tenant exists and is not served itself.
        TenantNotServed = "TenantNotServed",
    }
}

impl Reason {
    /// Whether `Ready` is `True`.
    pub fn is_ready(self) -> bool {
        self == Self::Served
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// How many things a text names.
const NAMED: usize = 5;

/// Names the first few of many, for texts.
pub(super) fn few(all: &[impl fmt::Display]) -> String {
    let named: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}

/// Whether an object is served, and if not why.
pub(super) type Verdict<T = ()> = Result<T, (Reason, String)>;

/// The statuses, as they are found.
#[derive(Default)]
pub(super) struct Report(pub Vec<Status>);

impl Report {
    /// Adds an object's status; whether it is served.
    pub fn add<T>(
        &mut self,
        kind: Kind,
        at: &ObjectRef,
        verdict: &Verdict<T>,
        notes: Vec<String>,
    ) -> bool {
        let (reason, message) = match verdict {
            Ok(_) => (Reason::Served, "Served".to_owned()),
            Err((reason, message)) => (*reason, message.clone()),
        };
        let at = at.clone();
        self.0.push(Status {
            object: Object { kind, at },
            reason,
            message,
            notes,
        });
        reason.is_ready()
    }
}
