//! Brings what is in tenants' namespaces for their endpoints to what is wanted.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use mintage_core::TenantRef;

use super::keep::{Known, Place, tenant_of};
use super::{Endpoints, Kind, Object};
use crate::api::{Failure, Writer};
use crate::at_once::at_once;
use crate::secrets::Hash;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What could not be done, in words.
    pub failures: BTreeMap<TenantRef, Vec<String>>,
    /// This process leads no longer.
    pub deposed: bool,
}

/// What came of one object: it is there, or is there no more.
type Done = (Place, Result<Option<Known>, Failure>);

impl Endpoints {
    /// Applies what is wanted and is not there yet, and removes what is not wanted any more: of all tenants at once, and of each
    /// one object after the other. Of tenants that are held nothing is touched.
    pub async fn apply(
        &mut self,
        writer: &Writer,
        wanted: &BTreeMap<TenantRef, Vec<Object>>,
        held: &BTreeSet<TenantRef>,
    ) -> Outcome {
        let there = self.known.keys().map(|(tenant, ..)| tenant);
        let tenants: BTreeSet<&TenantRef> = wanted.keys().chain(there).collect();
        let free = tenants.into_iter().filter(|tenant| !held.contains(*tenant));
        let done = at_once(free.collect(), |tenant| {
            let objects = wanted.get(tenant).map(Vec::as_slice).unwrap_or_default();
            self.bring(writer, tenant, objects)
        });
        let done: Vec<Vec<Done>> = done.await;
        let mut outcome = Outcome::default();
        for (place, result) in done.into_iter().flatten() {
            match result {
                Ok(Some(known)) => {
                    self.known.insert(place, known);
                }
                Ok(None) => {
                    self.known.remove(&place);
                }
                Err(failure) => outcome.fail(&place, &failure),
            }
        }
        outcome
    }

    /// Does what there is to do of one tenant.
    async fn bring(&self, writer: &Writer, tenant: &TenantRef, objects: &[Object]) -> Vec<Done> {
        let mut done = Vec::new();
        for object in objects {
            let place = (tenant.clone(), object.kind, object.name().to_owned());
            let Some(put) = self.put(writer, &place, object).await.transpose() else {
                continue;
            };
            let ends = put.is_err() && object.kind.is_built_on();
            done.push((place, put.map(Some)));
            if ends {
                break;
            }
        }
        let first = (tenant.clone(), Kind::FIRST, String::new());
        let known = self.known.range(first..);
        let known = known.take_while(|((of, ..), _)| of == tenant);
        let is_wanted = |(_, kind, name): &Place| {
            let mut objects = objects.iter();
            objects.any(|object| object.kind == *kind && object.name() == name)
        };
        let unwanted = known.filter(|(place, _)| place.1.is_removed() && !is_wanted(place));
        for (place, known) in unwanted {
            let (resource, namespace) = (place.1.resource(), tenant.namespace.as_str());
            let removed = writer
                .remove(&resource, namespace, &place.2, &known.uid)
                .await;
            done.push((place.clone(), removed.map(|()| None)));
        }
        done
    }

    /// Applies an object, unless it is as it should be.
    async fn put(
        &self,
        writer: &Writer,
        place: &Place,
        object: &Object,
    ) -> Result<Option<Known>, Failure> {
        let text = object.body.to_string();
        let mut hash = Hash::default();
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        let known = self.known.get(place);
        if known.is_some_and(|known| known.applied == Some(hash)) {
            return Ok(None);
        }
        let resource = object.kind.resource();
        let (tenant, _, name) = place;
        let namespace = tenant.namespace.as_str();
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
        Ok(Some(Known::applied(&written, hash, &body["metadata"])))
    }
}

impl Outcome {
    fn fail(&mut self, (tenant, kind, _): &Place, failure: &Failure) {
        self.deposed |= matches!(failure, Failure::NotLeading);
        let why = match failure {
            Failure::NotFound if kind.is_foreign() => {
                "the cluster does not know this kind (any more); it is made once the definition is there".to_owned()
            }
            failure => failure.to_string(),
        };
        let text = format!("the {} of its endpoint: {why}", kind.name());
        self.failures.entry(tenant.clone()).or_default().push(text);
    }
}
