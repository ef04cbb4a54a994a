//! Brings what is in tenants' namespaces for their endpoints to what is wanted, and notices what others do to it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::{Api, ResourceExt as _};
use mintage_core::{Namespace, ObjectName, TenantRef};
use serde_json::Value;

use super::objects::LABEL;
use super::{Kind, Object, Seen};
use crate::api::{Failure, Writer, sort};
use crate::secrets::Hash;

/// Whose, of what kind, and its name.
type Place = (TenantRef, Kind, String);

/// What is there of the tenants' endpoints.
#[derive(Debug, Default)]
pub struct Endpoints {
    known: BTreeMap<Place, Known>,
    standings: BTreeMap<TenantRef, Standing>,
}

/// How the pods of an endpoint fare.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// So many there are to be.
    pub wanted: i64,
    /// So many can answer.
    pub ready: i64,
    /// What the Deployment says of its trouble, if it has any.
    pub trouble: Option<String>,
}

/// An object that is there.
#[derive(Debug)]
struct Known {
    uid: String,
    /// What was applied; `None` for what a leader before this one left, or that somebody else changed since.
    applied: Option<Hash>,
    /// What tells whether somebody else changed it.
    mark: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What could not be done, in words.
    pub failures: BTreeMap<TenantRef, Vec<String>>,
    /// This process leads no longer.
    pub deposed: bool,
}

impl Endpoints {
    /// Finds what an earlier leader left.
    pub async fn load(writer: &Writer, kinds: &[Kind]) -> Result<Self, Failure> {
        let mut endpoints = Self::default();
        for &kind in kinds {
            let api: Api<DynamicObject> = Api::all_with(writer.client().clone(), &kind.resource());
            let list = api.list(&ListParams::default().labels(LABEL)).await;
            for object in list.map_err(|error| sort(&error))? {
                if let Some(tenant) = tenant_of(&object) {
                    let place = (tenant, kind, object.name_any());
                    endpoints.known.insert(place, Known::of(&object, None));
                }
            }
        }
        Ok(endpoints)
    }

    /// Takes note of what a watch shows of an object; whether there is something to do or to say.
    pub fn look(&mut self, seen: &Seen) -> bool {
        let Seen { kind, object, gone } = seen;
        let Some(tenant) = tenant_of(object) else {
            return false;
        };
        let mut is_news = false;
        if *kind == Kind::Deployment {
            let before = if *gone {
                self.standings.remove(&tenant)
            } else {
                self.standings.insert(tenant.clone(), Standing::of(object))
            };
            is_news = before.as_ref() != self.standings.get(&tenant);
        }
        self.look_for_others(tenant, *kind, object, *gone) || is_news
    }

    /// How the pods of the endpoints fare.
    pub fn standings(&self) -> &BTreeMap<TenantRef, Standing> {
        &self.standings
    }

    /// Whether somebody else changed or deleted an object.
    fn look_for_others(
        &mut self,
        tenant: TenantRef,
        kind: Kind,
        object: &DynamicObject,
        gone: bool,
    ) -> bool {
        let place = (tenant, kind, object.name_any());
        let Some(known) = self.known.get_mut(&place) else {
            return false;
        };
        if gone {
            let was_it = object.uid().as_deref() == Some(&known.uid);
            if was_it {
                self.known.remove(&place);
            }
            return was_it;
        }
        let changed = known.mark != mark(object) && known.mark.is_some();
        if changed {
            known.applied = None;
        }
        changed
    }

    /// Applies what is wanted and is not there yet, and removes what is not wanted any more. Of tenants that are blocked nothing
    /// is touched.
    pub async fn apply(
        &mut self,
        writer: &Writer,
        wanted: &BTreeMap<TenantRef, Vec<Object>>,
        blocked: &BTreeSet<TenantRef>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let free = wanted
            .iter()
            .filter(|(tenant, _)| !blocked.contains(*tenant));
        for (tenant, objects) in free {
            for object in objects {
                if let Err(failure) = self.put(writer, tenant, object).await {
                    outcome.fail(tenant, object.kind, &failure);
                    // What comes after builds on it.
                    break;
                }
            }
        }
        let is_wanted = |(tenant, kind, name): &Place| {
            let mut objects = wanted.get(tenant).into_iter().flatten();
            objects.any(|object| object.kind == *kind && object.name() == name)
        };
        let unwanted: Vec<_> = self
            .known
            .keys()
            .filter(|place| {
                place.1.is_removed() && !is_wanted(place) && !blocked.contains(&place.0)
            })
            .cloned()
            .collect();
        for place in unwanted {
            let known = &self.known[&place];
            let (tenant, kind, name) = &place;
            let namespace = tenant.namespace.as_str();
            let removed = writer
                .remove(&kind.resource(), namespace, name, &known.uid)
                .await;
            match removed {
                Ok(()) => {
                    self.known.remove(&place);
                }
                Err(failure) => outcome.fail(tenant, *kind, &failure),
            }
        }
        outcome
    }

    async fn put(
        &mut self,
        writer: &Writer,
        tenant: &TenantRef,
        object: &Object,
    ) -> Result<(), Failure> {
        let text = object.body.to_string();
        let mut hash = Hash::default();
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        let place = (tenant.clone(), object.kind, object.name().to_owned());
        let known = self.known.get(&place);
        if known.is_some_and(|known| known.applied == Some(hash)) {
            return Ok(());
        }
        let resource = object.kind.resource();
        let (namespace, name) = (tenant.namespace.as_str(), object.name());
        let mut body = Cow::Borrowed(&object.body);
        if known.is_none() || object.kind.may_grow() {
            // Applying would take over whatever has the name.
            let present = writer.find(&resource, namespace, name).await?;
            if let Some(present) = present {
                if tenant_of(&present).as_ref() != Some(tenant) {
                    return Err(Failure::Refused(format!(
                        "there is one named {name} that Mintage did not make, and it is left alone: delete or rename it"
                    )));
                }
                if object.kind.may_grow() {
                    body.to_mut()["spec"]["resources"] = present.data["spec"]["resources"].clone();
                }
            }
        }
        let written = writer
            .apply_object(&resource, namespace, name, &body)
            .await?;
        self.known.insert(place, Known::of(&written, Some(hash)));
        Ok(())
    }
}

impl Standing {
    fn of(object: &DynamicObject) -> Self {
        let status = &object.data["status"];
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let says = |condition: &&Value, type_: &str, value: &str| {
            condition["type"] == type_ && condition["status"] == value
        };
        let trouble = conditions.into_iter().find(|condition| {
            says(condition, "ReplicaFailure", "True") || says(condition, "Progressing", "False")
        });
        let message = trouble.and_then(|condition| condition["message"].as_str());
        Self {
            wanted: object.data["spec"]["replicas"].as_i64().unwrap_or_default(),
            ready: status["readyReplicas"].as_i64().unwrap_or_default(),
            trouble: message.map(str::to_owned),
        }
    }
}

impl Outcome {
    fn fail(&mut self, tenant: &TenantRef, kind: Kind, failure: &Failure) {
        self.deposed |= matches!(failure, Failure::NotLeading);
        let text = format!("the {} of its endpoint: {failure}", kind.name());
        self.failures.entry(tenant.clone()).or_default().push(text);
    }
}

impl Known {
    fn of(object: &DynamicObject, applied: Option<Hash>) -> Self {
        Self {
            uid: object.uid().unwrap_or_default(),
            mark: applied.is_some().then(|| mark(object)).flatten(),
            applied,
        }
    }
}

/// What changes with the part of an object that is declared, and not with its status.
fn mark(object: &DynamicObject) -> Option<String> {
    match object.metadata.generation {
        Some(generation) => Some(generation.to_string()),
        None => object.resource_version(),
    }
}

/// The tenant that an object is of by its label and namespace.
fn tenant_of(object: &DynamicObject) -> Option<TenantRef> {
    let name = object.labels().get(LABEL)?;
    let namespace = Namespace::parse(&object.namespace()?).ok()?;
    Some(TenantRef::new(namespace, ObjectName::parse(name).ok()?))
}

#[cfg(test)]
mod tests;
