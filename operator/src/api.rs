//! Writing to the API server: the one door through which everything goes that the leader changes.
//!
//! A write is made only while the Lease is held; it takes a slot, so that a burst does not flood the API server; it ends
//! within a time limit; it is counted. What went wrong is sorted by what is to be done about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, Resource};
use mintage_core::managed::FIELD_MANAGER;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::failpoint;

/// So many requests may be under way at once.
const SLOTS: usize = 16;

/// A request that took longer has failed: a connection that hangs must not hold a tenant up for ever.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Whether this process may write at this moment, and which turn of leadership it is.
pub trait Leadership: Send + Sync {
    /// Whether the Lease is held, judged anew at each call.
    fn is_held(&self) -> bool;

    /// Grows with each new leader: what a later leader has written an earlier one must not touch.
    fn epoch(&self) -> i32;

    /// Has the epoch rise above one that was met; whether the Lease is held then.
    fn raise_above(&self, met: i32) -> BoxFuture<'_, bool>;
}

impl Leadership for crate::lease::Leadership {
    fn is_held(&self) -> bool {
        Self::is_held(self)
    }

    fn epoch(&self) -> i32 {
        Self::epoch(self)
    }

    fn raise_above(&self, met: i32) -> BoxFuture<'_, bool> {
        Box::pin(Self::raise_above(self, met))
    }
}

/// Is told of each write and how it ended.
pub type CountWrite = Arc<dyn Fn(&'static str, &'static str) + Send + Sync>;

/// The door.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    leadership: Arc<dyn Leadership>,
    slots: Arc<Semaphore>,
    count: CountWrite,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The object is not as it was when it was read, or it is there already.
    #[error("somebody else changed it meanwhile")]
    Conflict,
    /// The namespace is being deleted or gone: nothing can be made in it, and nothing need be.
    #[error("the namespace is gone or going")]
    NamespaceGone,
    /// The object is not there.
    #[error("it is not there")]
    NotFound,
    /// A turn of leadership with this number, later than this one, wrote it.
    #[error("a later leader (epoch {0}) wrote it")]
    Later(i32),
    /// This process does not lead any more.
    #[error("the Lease is not held any more")]
    NotLeading,
    /// The API server refuses, and would again.
    #[error("the API server refuses: {0}")]
    Refused(String),
    /// It may work later.
    #[error("the API server cannot do it now: {0}")]
    Unavailable(String),
}

/// A Secret as it was written or read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    /// Which life of it.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
}

impl Version {
    /// Whether a version that the watch shows is news to whoever wrote this one: not if it is this one or came before.
    pub fn is_outdone_by(&self, seen: Option<&Self>) -> bool {
        let Some(seen) = seen else { return true };
        let number = |version: &Self| version.resource_version.parse::<u64>().ok();
        match (number(self), number(seen)) {
            (Some(mine), Some(seen_number)) if self.uid == seen.uid => seen_number > mine,
            _ => self != seen,
        }
    }
}

impl Writer {
    /// For one turn of leadership.
    pub fn new(client: Client, leadership: Arc<dyn Leadership>, count: CountWrite) -> Self {
        Self {
            client,
            leadership,
            slots: Arc::new(Semaphore::new(SLOTS)),
            count,
        }
    }

    /// The client, for reading.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The turn of leadership.
    pub fn epoch(&self) -> i32 {
        self.leadership.epoch()
    }

    /// Whether this process leads.
    pub fn leads(&self) -> bool {
        self.leadership.is_held()
    }

    /// Creates a Secret. Never takes over one that is there: that is a [`Failure::Conflict`].
    pub async fn create(&self, what: &'static str, secret: &Secret) -> Result<Version, Failure> {
        let api = self.secrets(secret);
        let params = as_manager();
        let written = self.write(what, api.create(&params, secret)).await?;
        version(&written)
    }

    /// Replaces a Secret whose metadata names the life and version that it replaces.
    pub async fn replace(&self, what: &'static str, secret: &Secret) -> Result<Version, Failure> {
        let api = self.secrets(secret);
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let params = as_manager();
        let written = self.write(what, api.replace(name, &params, secret)).await?;
        version(&written)
    }

    /// Deletes a Secret of which this is the last known version; one that is gone already is deleted, too.
    pub async fn delete(
        &self,
        what: &'static str,
        namespace: &str,
        name: &str,
        known: &Version,
    ) -> Result<(), Failure> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(known.uid.clone()),
                resource_version: Some(known.resource_version.clone()),
            }),
            ..DeleteParams::default()
        };
        match self.write(what, api.delete(name, &params)).await {
            Ok(_) | Err(Failure::NotFound | Failure::NamespaceGone) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Reads a Secret.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<Option<Secret>, Failure> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        self.ask(api.get_opt(name)).await
    }

    /// Applies a status. The one field manager owns all of it.
    pub async fn apply_status<K>(
        &self,
        what: &'static str,
        namespace: &str,
        name: &str,
        status: &serde_json::Value,
    ) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + fmt::Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(status);
        self.write(what, api.patch_status(name, &params, &patch))
            .await
    }

    /// Merges a change of metadata that names the version that it changes.
    pub async fn merge<K>(
        &self,
        what: &'static str,
        namespace: &str,
        name: &str,
        patch: &serde_json::Value,
    ) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + fmt::Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        self.write(what, api.patch(name, &params, &patch)).await
    }

    /// Applies an object of any kind. The one field manager owns what is in it.
    pub async fn apply_object(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
        body: &serde_json::Value,
    ) -> Result<DynamicObject, Failure> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, resource);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.write("endpoint", api.patch(name, &params, &Patch::Apply(body)))
            .await
    }

    /// Deletes a life of an object of any kind; one that is gone already is deleted, too.
    pub async fn remove(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), Failure> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, resource);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.write("endpoint", api.delete(name, &params)).await {
            // Another life of it is somebody else's.
            Ok(_) | Err(Failure::NotFound | Failure::NamespaceGone | Failure::Conflict) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Reads an object of any kind.
    pub async fn find(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, Failure> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, resource);
        self.ask(api.get_opt(name)).await
    }

    /// A token of a `ServiceAccount` for the API server, which lives so many seconds.
    pub async fn token(
        &self,
        namespace: &str,
        account: &str,
        life: i64,
    ) -> Result<String, Failure> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let spec = TokenRequestSpec {
            expiration_seconds: Some(life),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest {
            spec,
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let answer = self
            .ask(api.create_token_request(account, &params, &request))
            .await?;
        let none = || Failure::Refused("the API server gave no token".to_owned());
        Ok(answer.status.ok_or_else(none)?.token)
    }

    /// Sends a request that changes nothing.
    async fn ask<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        let answer = timeout(TIME_LIMIT, request).await;
        let answer =
            answer.map_err(|_| Failure::Unavailable("it did not answer in time".to_owned()))?;
        answer.map_err(|error| sort(&error))
    }

    fn secrets(&self, secret: &Secret) -> Api<Secret> {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn write<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failure> {
        let slot = self.slots.acquire().await;
        // After the wait, since that may be long: a process that was stopped past its Lease must not write.
        if !self.leadership.is_held() {
            return Err(Failure::NotLeading);
        }
        failpoint::before_write();
        let outcome = match timeout(TIME_LIMIT, request).await {
            Ok(outcome) => outcome.map_err(|error| sort(&error)),
            Err(_) => Err(Failure::Unavailable("it did not answer in time".to_owned())),
        };
        failpoint::after_write();
        drop(slot);
        (self.count)(
            what,
            outcome.as_ref().map_or_else(Failure::code, |_| "done"),
        );
        outcome
    }
}

impl Failure {
    /// The same, with what was tried.
    #[must_use]
    pub fn about(self, what: &str) -> Self {
        match self {
            Self::Refused(text) => Self::Refused(format!("{what}: {text}")),
            Self::Unavailable(text) => Self::Unavailable(format!("{what}: {text}")),
            failure => failure,
        }
    }

    /// Its name, for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::NamespaceGone => "namespace-gone",
            Self::Later(_) => "later",
            Self::NotFound => "not-found",
            Self::NotLeading => "not-leading",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// Says who writes.
fn as_manager() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// The life and version of a Secret that the API server sent.
pub fn version(secret: &Secret) -> Result<Version, Failure> {
    let meta = &secret.metadata;
    match (meta.uid.clone(), meta.resource_version.clone()) {
        (Some(uid), Some(resource_version)) => Ok(Version {
            uid,
            resource_version,
        }),
        _ => Err(Failure::Unavailable("the answer has no version".to_owned())),
    }
}

/// An error by what is to be done about it.
pub fn sort(error: &kube::Error) -> Failure {
    let kube::Error::Api(status) = error else {
        return Failure::Unavailable(shown(error));
    };
    let in_details = |what: &str| {
        status.details.as_ref().is_some_and(|details| {
            details.kind == what || details.causes.iter().any(|cause| cause.reason == what)
        })
    };
    match status.code {
        // Causes name it since Kubernetes 1.8; the namespace itself is the object that is not found.
        403 if in_details("NamespaceTerminating") => Failure::NamespaceGone,
        404 if in_details("namespaces") => Failure::NamespaceGone,
        404 => Failure::NotFound,
        409 => Failure::Conflict,
        408 | 429 | 500.. => Failure::Unavailable(status.message.clone()),
        _ => Failure::Refused(status.message.clone()),
    }
}

/// An error with its causes, in one line: kube's own text ends where the cause begins.
pub fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    // Its own text has all of the answer once more, in Rust's debug form.
    if let Some(kube::Error::Api(status)) = error.downcast_ref() {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Wrappers repeat what they wrap.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16, kind: &str, cause: &str) -> kube::Error {
        let status = serde_json::json!({
            "code": code,
            "details": {"kind": kind, "causes": [{"reason": cause}]},
        });
        let status: Status = serde_json::from_value(status).unwrap();
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn what_the_watch_shows_late_is_no_news() {
        let version = |uid: &str, resource_version: &str| Version {
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
        };
        let mine = version("a", "100");
        for (seen, news) in [
            (Some(version("a", "99")), false),
            (Some(version("a", "100")), false),
            (Some(version("a", "101")), true),
            (Some(version("b", "99")), true),
            (Some(version("a", "opaque")), true),
            (None, true),
        ] {
            assert_eq!(mine.is_outdone_by(seen.as_ref()), news, "{seen:?}");
        }
    }

    #[test]
    fn errors_are_sorted_by_what_is_to_be_done() {
        for (code, kind, cause, expected) in [
            (403, "secrets", "NamespaceTerminating", "namespace-gone"),
            (403, "secrets", "", "refused"),
            (404, "namespaces", "", "namespace-gone"),
            (404, "secrets", "", "not-found"),
            (409, "secrets", "", "conflict"),
            (422, "secrets", "", "refused"),
            (429, "", "", "unavailable"),
            (500, "", "", "unavailable"),
            (504, "", "", "unavailable"),
        ] {
            let sorted = sort(&answer(code, kind, cause));
            assert_eq!(sorted.code(), expected, "{code} {kind} {cause}");
        }
        assert_eq!(sort(&kube::Error::TlsRequired).code(), "unavailable");
    }
}
