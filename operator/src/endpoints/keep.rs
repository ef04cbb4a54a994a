//! What is there of tenants' endpoints, and what others do to it.

use std::collections::BTreeMap;

use kube::api::ListParams;
use kube::core::{DynamicObject, ObjectMeta};
use kube::{Api, ResourceExt as _};
use mintage_core::{Namespace, ObjectName, TenantRef, managed};
use serde::Deserialize as _;
use serde_json::Value;

use super::objects::LABEL;
use super::{Kind, Seen};
use crate::api::{Failure, Writer, sort};
use crate::secrets::Hash;

/// Whose, of what kind, and its name.
pub(super) type Place = (TenantRef, Kind, String);

/// What is there of the tenants' endpoints.
#[derive(Debug, Default)]
pub struct Endpoints {
    pub(super) known: BTreeMap<Place, Known>,
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
    /// Whether that is about the Deployment as it is now, and not as it was before a change.
    pub is_current: bool,
}

/// An object that is there.
#[derive(Debug)]
pub(super) struct Known {
    pub uid: String,
    /// What was applied; `None` for what a leader before this one left, or that somebody else changed since.
    pub applied: Option<Hash>,
    /// What tells whether somebody else changed it.
    mark: Option<Mark>,
}

/// What an object has as long as nobody else changes it.
#[derive(Debug)]
struct Mark {
    /// It changes with the part that is declared, and not with the status.
    version: Option<String>,
    /// That has no version of its own: what was applied of it is still there.
    metadata: ObjectMeta,
}

impl Endpoints {
    /// Finds what an earlier leader left. There is nothing of a kind that the cluster does not know, or that is not this operator's
    /// to see: who asks for it is told so.
    pub async fn load(writer: &Writer, kinds: &[Kind]) -> Result<Self, Failure> {
        let mut endpoints = Self::default();
        for &kind in kinds {
            let api: Api<DynamicObject> = Api::all_with(writer.client().clone(), &kind.resource());
            let list = api.list(&ListParams::default().labels(LABEL)).await;
            match list.map_err(|error| sort(&error)) {
                Ok(list) => {
                    for object in &list.items {
                        endpoints.look_at(kind, object);
                    }
                }
                Err(failure @ (Failure::NotFound | Failure::Refused(_))) if kind.is_foreign() => {
                    tracing::warn!(event = "kind-missing", kind = kind.name(), %failure);
                }
                Err(failure) => return Err(failure.about(&format!("listing each {}", kind.name()))),
            }
        }
        Ok(endpoints)
    }

    /// Takes note of what a watch shows; whether there is something to do or to say.
    pub fn look(&mut self, seen: &Seen) -> bool {
        match seen {
            Seen::There(kind, object) => self.look_at(*kind, object),
            Seen::Gone(kind, object) => {
                let Some(place) = place(*kind, object) else {
                    return false;
                };
                let known = self.known.get(&place);
                let is_it = known.is_none_or(|known| object.uid().as_ref() == Some(&known.uid));
                is_it && self.lose(&place)
            }
            Seen::Listed(kind, there) => {
                let all = self.known.iter();
                let gone =
                    all.filter(|((_, of, _), known)| of == kind && !there.contains(&known.uid));
                let gone: Vec<Place> = gone.map(|(place, _)| place.clone()).collect();
                for place in &gone {
                    self.lose(place);
                }
                !gone.is_empty()
            }
        }
    }

    /// How the pods of the endpoints fare.
    pub fn standings(&self) -> &BTreeMap<TenantRef, Standing> {
        &self.standings
    }

    fn look_at(&mut self, kind: Kind, object: &DynamicObject) -> bool {
        let Some(place) = place(kind, object) else {
            return false;
        };
        let mut is_news = false;
        if is_of_pods(&place) {
            let standing = Standing::of(object);
            let before = self.standings.insert(place.0.clone(), standing);
            is_news = before.as_ref() != self.standings.get(&place.0);
        }
        match self.known.get_mut(&place) {
            Some(known) => {
                let changed = known.mark.as_ref().is_some_and(|mark| !mark.is_on(object));
                if changed {
                    known.applied = None;
                }
                is_news || changed
            }
            // It may be what nobody wants any more.
            None if object.metadata.deletion_timestamp.is_none() => {
                self.known.insert(place, Known::found(object));
                true
            }
            None => is_news,
        }
    }

    /// An object is there no more.
    fn lose(&mut self, place: &Place) -> bool {
        let stood = is_of_pods(place) && self.standings.remove(&place.0).is_some();
        self.known.remove(place).is_some() || stood
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
            is_current: status["observedGeneration"].as_i64() >= object.metadata.generation,
        }
    }
}

impl Known {
    /// One that somebody left.
    fn found(object: &DynamicObject) -> Self {
        Self {
            uid: object.uid().unwrap_or_default(),
            applied: None,
            mark: None,
        }
    }

    /// One that was applied, with this of its metadata.
    pub fn applied(object: &DynamicObject, hash: Hash, metadata: &Value) -> Self {
        let mark = Mark {
            version: version(object),
            metadata: ObjectMeta::deserialize(metadata).unwrap_or_default(),
        };
        Self {
            uid: object.uid().unwrap_or_default(),
            applied: Some(hash),
            mark: Some(mark),
        }
    }
}

impl Mark {
    fn is_on(&self, object: &DynamicObject) -> bool {
        let (ours, theirs) = (&self.metadata, &object.metadata);
        let mut owners = ours.owner_references.iter().flatten();
        self.version == version(object)
            && has_all(ours.labels.as_ref(), theirs.labels.as_ref())
            && has_all(ours.annotations.as_ref(), theirs.annotations.as_ref())
            && owners.all(|owner| {
                theirs
                    .owner_references
                    .iter()
                    .flatten()
                    .any(|of| of.uid == owner.uid)
            })
    }
}

type Entries = BTreeMap<String, String>;

fn has_all(ours: Option<&Entries>, theirs: Option<&Entries>) -> bool {
    let mut ours = ours.into_iter().flatten();
    ours.all(|(key, value)| theirs.and_then(|theirs| theirs.get(key)) == Some(value))
}

/// What changes with the part of an object that is declared, and not with its status, where its kind counts that.
fn version(object: &DynamicObject) -> Option<String> {
    match object.metadata.generation {
        Some(generation) => Some(generation.to_string()),
        None => object.resource_version(),
    }
}

/// Whether an object is the Deployment of an endpoint.
fn is_of_pods((tenant, kind, name): &Place) -> bool {
    *kind == Kind::Deployment && *name == managed::endpoint_pods(&tenant.name)
}

fn place(kind: Kind, object: &DynamicObject) -> Option<Place> {
    Some((tenant_of(object)?, kind, object.name_any()))
}

/// The tenant that an object is of by its label and namespace.
pub(super) fn tenant_of(object: &DynamicObject) -> Option<TenantRef> {
    let name = object.labels().get(LABEL)?;
    let namespace = Namespace::parse(&object.namespace()?).ok()?;
    Some(TenantRef::new(namespace, ObjectName::parse(name).ok()?))
}

#[cfg(test)]
mod tests;
