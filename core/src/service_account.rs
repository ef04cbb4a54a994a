//! Tokens of `ServiceAccounts`: what can be seen of one, and whom the API server says it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jose::Compact;
use crate::verify::{take_audiences, take_time};
use crate::{Namespace, ObjectName, UnixTime, WorkloadId};

/// The longest one that is looked at, in bytes.
pub const MAX_LEN: usize = 16 * 1024;

/// Why one is not good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotGood {
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It has not the form of one.
    #[error("it is no ServiceAccount token")]
    Malformed,
    /// It is somebody else's, or nobody's pod.
    #[error("it belongs to no pod")]
    NoPod,
    /// The API server does not vouch for it.
    #[error("the API server does not know it, or its pod is gone")]
    Unknown,
}

/// The workload of a token that the API server vouches for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Its namespace and `ServiceAccount`.
    pub workload: WorkloadId,
    /// The UID of its pod.
    pub pod: String,
}

/// Finds what can be seen to be wrong with a token, before anybody is asked about it; when it expires. Its signature is the API
/// server's to check.
pub fn look(token: &str, audience: &str, now: UnixTime) -> Result<UnixTime, NotGood> {
    let malformed = |_| NotGood::Malformed;
    let compact = Compact::parse_within(token, MAX_LEN).map_err(malformed)?;
    let payload = compact.payload().map_err(malformed)?;
    let Ok(Value::Object(mut claims)) = crate::json::parse(&payload) else {
        return Err(NotGood::Malformed);
    };
    let audiences = take_audiences(&mut claims).map_err(|_| NotGood::Malformed)?;
    let expires_at = take_time(&mut claims, "exp").map_err(|_| NotGood::Malformed)?;
    let expires_at = expires_at.ok_or(NotGood::Malformed)?;
    if !audiences.iter().any(|one| one == audience) {
        return Err(NotGood::Audience);
    }
    if expires_at <= now {
        return Err(NotGood::Expired);
    }
    Ok(expires_at)
}

/// A `TokenReview` that is to be created (`authentication.k8s.io/v1`).
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    spec: Spec<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct Spec<'a> {
    token: &'a str,
    audiences: [&'a str; 1],
}

impl<'a> Review<'a> {
    /// Of a token for an audience.
    pub const fn of(token: &'a str, audience: &'a str) -> Self {
        Self {
            api_version: "authentication.k8s.io/v1",
            kind: "TokenReview",
            spec: Spec {
                token,
                audiences: [audience],
            },
        }
    }
}

/// The same as the API server gives it back.
#[derive(Clone, Debug, Deserialize)]
pub struct Reviewed {
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    user: User,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

impl Reviewed {
    /// Whose the token is.
    pub fn caller(&self, audience: &str) -> Result<Caller, NotGood> {
        let status = &self.status;
        if !status.authenticated {
            return Err(NotGood::Unknown);
        }
        // One that knows no audiences would have passed a token for any.
        if !status.audiences.iter().any(|one| one == audience) {
            return Err(NotGood::Audience);
        }
        let workload = workload(&status.user.username).ok_or(NotGood::NoPod)?;
        let pod = status
            .user
            .extra
            .get("authentication.kubernetes.io/pod-uid");
        match pod.map(Vec::as_slice) {
            Some([uid]) if !uid.is_empty() => Ok(Caller {
                workload,
                pod: uid.clone(),
            }),
            _ => Err(NotGood::NoPod),
        }
    }
}

fn workload(username: &str) -> Option<WorkloadId> {
    let name = username.strip_prefix("system:serviceaccount:")?;
    let (namespace, account) = name.split_once(':')?;
    let namespace = Namespace::parse(namespace).ok()?;
    Some(WorkloadId::new(namespace, ObjectName::parse(account).ok()?))
}
