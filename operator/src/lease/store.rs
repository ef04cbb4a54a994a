//! The Lease at the API server.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use mintage_core::managed::FIELD_MANAGER;
use tokio::time::Instant;

use super::candidate::{Answer, Record, Request, Stored, Wall};

/// The Lease's name.
pub const NAME: &str = "mintage-operator";

/// The same complaint is made so often at most.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// Where a Lease is kept.
pub trait Store: Send + Sync + 'static {
    /// Makes a request. The future may be dropped half-way.
    fn ask(&self, request: &Request) -> impl Future<Output = Answer> + Send;
}

/// A cluster's API server.
pub struct Cluster {
    api: Api<Lease>,
    namespace: String,
    /// What others wrote to the Lease's metadata stays there.
    meta: Mutex<ObjectMeta>,
    complaint: Mutex<Option<(String, Instant)>>,
}

impl Cluster {
    pub fn new(client: &Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            meta: Mutex::default(),
            complaint: Mutex::default(),
        }
    }

    fn lease(&self, record: &Record, version: Option<&str>) -> Lease {
        let meta = match version {
            None => ObjectMeta::default(),
            Some(_) => lock(&self.meta).clone(),
        };
        Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                namespace: Some(self.namespace.clone()),
                resource_version: version.map(str::to_owned),
                managed_fields: None,
                ..meta
            },
            spec: Some(spec(record)),
        }
    }

    fn complain(&self, text: String) {
        let mut last = lock(&self.complaint);
        let is_news = last
            .as_ref()
            .is_none_or(|(said, at)| *said != text || at.elapsed() > COMPLAIN_EVERY);
        if is_news {
            tracing::warn!(
                event = "lease-request-failed",
                namespace = self.namespace,
                error = text
            );
            *last = Some((text, Instant::now()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while it holds one, so what a poisoned lock holds is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for Cluster {
    async fn ask(&self, request: &Request) -> Answer {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let result = match request {
            Request::Get => self.api.get(NAME).await,
            Request::Create(record) => self.api.create(&params, &self.lease(record, None)).await,
            Request::Replace(record, version) => {
                let lease = self.lease(record, Some(version));
                self.api.replace(NAME, &params, &lease).await
            }
        };
        match result {
            Ok(lease) => {
                *lock(&self.meta) = lease.metadata.clone();
                *lock(&self.complaint) = None;
                Answer::Is(stored(&lease))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Answer::Conflict,
            Err(kube::Error::Api(status)) if status.code == 404 => {
                if matches!(request, Request::Create(_)) {
                    self.complain(format!(
                        "{}: create the namespace, or name another one with --namespace",
                        status.message
                    ));
                }
                Answer::Absent
            }
            Err(error) => {
                self.complain(crate::api::shown(&error));
                Answer::Unknown
            }
        }
    }
}

fn spec(record: &Record) -> LeaseSpec {
    LeaseSpec {
        acquire_time: time(record.acquired),
        // As client-go releases a Lease.
        holder_identity: Some(record.holder.clone().unwrap_or_default()),
        lease_duration_seconds: Some(i32::try_from(record.duration.as_secs()).unwrap_or(i32::MAX)),
        lease_transitions: Some(record.transitions),
        renew_time: time(record.renewed),
        ..LeaseSpec::default()
    }
}

fn stored(lease: &Lease) -> Stored {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Stored {
        record: Record {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            transitions: spec.lease_transitions.unwrap_or_default(),
            acquired: wall(spec.acquire_time.as_ref()),
            renewed: wall(spec.renew_time.as_ref()),
        },
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn time(wall: Wall) -> Option<MicroTime> {
    Timestamp::from_microsecond(wall).ok().map(MicroTime)
}

fn wall(time: Option<&MicroTime>) -> Wall {
    time.map_or(0, |time| time.0.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for holder in [None, Some("pod".to_owned())] {
            let record = Record {
                holder,
                duration: Duration::from_secs(15),
                transitions: 7,
                acquired: 1_764_000_000_000_001,
                renewed: 1_764_000_012_345_678,
            };
            let lease = Lease {
                metadata: ObjectMeta {
                    resource_version: Some("12".to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(spec(&record)),
            };
            let version = "12".to_owned();
            assert_eq!(stored(&lease), Stored { record, version });
        }
    }

    #[test]
    fn a_lease_of_another_kind_of_candidate_is_read_too() {
        let empty = stored(&Lease::default());
        assert_eq!(empty.record, Record::default());
        let odd = Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some("kubectl".to_owned()),
                lease_duration_seconds: Some(-1),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        assert_eq!(stored(&odd).record.duration, Duration::ZERO);
    }
}
