//! Writing statuses: those that differ from what the watches show, and from what was written since.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, ResourceExt as _};
use mintage_core::ObjectRef;
use mintage_core::ownership::{Kind, Object};
use mintage_core::plan::Status;
use mintage_core::{TenantRef, UnixTime};
use mintage_crds::application::ApplicationStatus;
use mintage_crds::audience::ApiAudienceStatus;
use mintage_crds::domain::{Challenge, CustomDomainStatus};
use mintage_crds::status::{READY, find};
use mintage_crds::tenant::TenantStatus;
use mintage_crds::{ApiAudience, Application, CustomDomain, GROUP, Tenant, VERSION};
use serde::Serialize;
use serde_json::{Value, json};

use super::Facts;
use crate::api::{Failure, Writer};
use crate::at_once::at_once;
use crate::snapshot::Snapshot;

/// So many statuses are drawn up before they are sent: all of them would fill memory.
const SOME: usize = 256;

/// What was written and may not have come back by the watch yet.
#[derive(Debug, Default)]
pub struct Statuses {
    sent: BTreeMap<Object, Sent>,
}

#[derive(Debug)]
struct Sent {
    uid: String,
    said: u64,
    version: u64,
}

/// A status that was written, and what changed for people.
#[derive(Debug)]
pub struct Written {
    /// The object.
    pub object: Object,
    /// Which life of it.
    pub uid: String,
    /// `Ready`, if it became another one, with its reason and message.
    pub turned: Option<(bool, String, String)>,
}

/// A status to be.
struct Draft {
    object: Object,
    uid: String,
    status: Value,
    turned: Option<(bool, String, String)>,
}

/// How the challenge of a domain is made.
pub type ChallengeOf = fn(&CustomDomain) -> Option<Challenge>;

impl Statuses {
    /// Writes what differs. Gives what was written, what could not be, and whether this process leads no longer.
    pub async fn write(
        &mut self,
        writer: &Writer,
        snapshot: &Snapshot,
        statuses: &[Status],
        facts: &Facts,
        challenge: ChallengeOf,
        now: UnixTime,
    ) -> (Vec<Written>, Vec<String>, bool) {
        let (mut written, mut failures, mut deposed) = (Vec::new(), Vec::new(), false);
        for some in statuses.chunks(SOME) {
            let drafts = self.drafts(snapshot, some, facts, challenge, now);
            let requests = at_once(drafts, |draft| async move {
                let version = send(writer, &draft).await;
                (draft, version)
            });
            for (draft, outcome) in requests.await {
                match outcome {
                    Ok(version) => {
                        let sent = Sent {
                            uid: draft.uid.clone(),
                            said: said(&draft.status),
                            version,
                        };
                        self.sent.insert(draft.object.clone(), sent);
                        written.push(Written {
                            object: draft.object,
                            uid: draft.uid,
                            turned: draft.turned,
                        });
                    }
                    // Deleted meanwhile, or its namespace: nobody misses its status.
                    Err(Failure::NotFound | Failure::NamespaceGone) => {}
                    Err(failure) => {
                        deposed |= matches!(failure, Failure::NotLeading);
                        failures.push(format!("status of {}: {failure}", draft.object));
                    }
                }
            }
        }
        (written, failures, deposed)
    }

    fn drafts(
        &mut self,
        snapshot: &Snapshot,
        statuses: &[Status],
        facts: &Facts,
        challenge: ChallengeOf,
        now: UnixTime,
    ) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for fares in statuses {
            let at = &fares.object.at;
            let draft = match fares.object.kind {
                Kind::Tenant => snapshot.tenants.get(at).and_then(|object| {
                    let tenant = TenantRef::new(at.namespace.clone(), at.name.clone());
                    let status = super::tenant(object, &tenant, fares, facts, now);
                    self.draft::<_, TenantStatus>(fares, &**object, object.status.as_ref(), &status)
                }),
                Kind::ApiAudience => snapshot.audiences.get(at).and_then(|object| {
                    let (tenant, place) = tenant_of(&object.spec.tenant_ref)?;
                    let issuer = snapshot.tenants.get(&place);
                    let issuer = issuer.map(|tenant| super::issuer(&tenant.spec.domain));
                    let status = super::audience(object, &tenant, issuer, fares, facts, now);
                    self.draft::<_, ApiAudienceStatus>(
                        fares,
                        &**object,
                        object.status.as_ref(),
                        &status,
                    )
                }),
                Kind::Application => snapshot.applications.get(at).and_then(|object| {
                    let (tenant, place) = tenant_of(&object.spec.tenant_ref)?;
                    let of = snapshot.tenants.get(&place).map(|tenant| &**tenant);
                    let status = super::application(object, &tenant, of, fares, facts, now);
                    self.draft::<_, ApplicationStatus>(
                        fares,
                        &**object,
                        object.status.as_ref(),
                        &status,
                    )
                }),
                Kind::CustomDomain => snapshot.domains.get(at).and_then(|object| {
                    let tenant = format!("{}/{}", at.namespace, object.spec.tenant_ref.name);
                    let tenant = TenantRef::parse(&tenant).ok()?;
                    let status =
                        super::domain(object, &tenant, challenge(object), fares, facts, now);
                    self.draft::<_, CustomDomainStatus>(
                        fares,
                        &**object,
                        object.status.as_ref(),
                        &status,
                    )
                }),
            };
            drafts.extend(draft);
        }
        drafts
    }

    /// A status that differs from the one that is there, and from one that was sent and is on its way back.
    fn draft<K, S>(&mut self, fares: &Status, object: &K, old: Option<&S>, new: &S) -> Option<Draft>
    where
        K: Resource<DynamicType = ()>,
        S: PartialEq + Serialize,
    {
        // By far the most, each turn.
        if old == Some(new) {
            self.sent.remove(&fares.object);
            return None;
        }
        let status = serde_json::to_value(new).ok()?;
        let old = old.and_then(|old| serde_json::to_value(old).ok());
        let uid = object.uid().unwrap_or_default();
        if old.as_ref().is_some_and(|old| is_same(old, &status)) {
            self.sent.remove(&fares.object);
            return None;
        }
        let seen = number(object.resource_version().as_deref());
        if let Some(sent) = self.sent.get(&fares.object)
            && sent.uid == uid
            && seen < sent.version
            && sent.said == said(&status)
        {
            return None;
        }
        let ready = |status: &Value| {
            let conditions: Vec<Condition> =
                serde_json::from_value(status["conditions"].clone()).unwrap_or_default();
            find(&conditions, READY).cloned()
        };
        let turned = ready(&status).filter(|new| {
            let old = old.as_ref().and_then(ready);
            old.is_none_or(|old| {
                (old.status, old.reason) != (new.status.clone(), new.reason.clone())
            })
        });
        Some(Draft {
            object: fares.object.clone(),
            uid,
            status,
            turned: turned.map(|new| (new.status == "True", new.reason, new.message)),
        })
    }
}

/// The tenant that a resource names, and its place.
fn tenant_of(reference: &mintage_crds::reference::TenantRef) -> Option<(TenantRef, ObjectRef)> {
    let text = format!("{}/{}", reference.namespace, reference.name);
    let tenant = TenantRef::parse(&text).ok()?;
    let place = ObjectRef::new(tenant.namespace.clone(), tenant.name.clone());
    Some((tenant, place))
}

/// Applies a status; the version that it made.
async fn send(writer: &Writer, draft: &Draft) -> Result<u64, Failure> {
    let at = &draft.object.at;
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": draft.object.kind.to_string(),
        // The UID: the status of one life must not go to the next.
        "metadata": { "name": at.name.as_str(), "uid": draft.uid },
        "status": draft.status,
    });
    let (namespace, name) = (at.namespace.as_str(), at.name.as_str());
    let version = match draft.object.kind {
        Kind::Tenant => {
            let object: Tenant = writer
                .apply_status("status", namespace, name, &body)
                .await?;
            object.resource_version()
        }
        Kind::ApiAudience => {
            let object: ApiAudience = writer
                .apply_status("status", namespace, name, &body)
                .await?;
            object.resource_version()
        }
        Kind::Application => {
            let object: Application = writer
                .apply_status("status", namespace, name, &body)
                .await?;
            object.resource_version()
        }
        Kind::CustomDomain => {
            let object: CustomDomain = writer
                .apply_status("status", namespace, name, &body)
                .await?;
            object.resource_version()
        }
    };
    Ok(number(version.as_deref()))
}

/// A resourceVersion as the number that it is (Kubernetes 1.35 and later promise it; before, it was one all the same).
pub fn number(version: Option<&str>) -> u64 {
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

/// Whether two statuses say the same; since when a condition is as it is does not count.
fn is_same(a: &Value, b: &Value) -> bool {
    timeless(a) == timeless(b)
}

/// What a status says, in short.
fn said(status: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    timeless(status).to_string().hash(&mut hasher);
    hasher.finish()
}

fn timeless(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            condition.remove("lastTransitionTime");
        }
    }
    status
}
