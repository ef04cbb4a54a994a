//! What may not change: the transition rules of objects that were there before.

use std::collections::BTreeMap;

use kube::Resource;
use serde::Serialize;

use super::{Fault, LoadError, Located, Manifests};
use crate::schema::Validator;

impl Manifests {
    /// The changes since `before` that the API server would refuse, as each object's transition rules say.
    pub fn forbidden_changes(&self, before: &Self) -> Vec<LoadError> {
        let mut problems = compare(&self.tenants, &before.tenants);
        problems.extend(compare(&self.applications, &before.applications));
        problems.extend(compare(&self.audiences, &before.audiences));
        problems.extend(compare(&self.domains, &before.domains));
        problems
    }
}

fn compare<K>(now: &[Located<K>], before: &[Located<K>]) -> Vec<LoadError>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    let kind = K::kind(&());
    let Some(validator) = Validator::of(&kind) else {
        return Vec::new();
    };
    let before: BTreeMap<_, _> = before
        .iter()
        .map(|located| (name(&located.object), &located.object))
        .collect();
    let mut problems = Vec::new();
    for Located { object, source } in now {
        let Some(old) = before.get(&name(object)) else {
            continue;
        };
        let (Ok(new), Ok(old)) = (serde_json::to_value(object), serde_json::to_value(old)) else {
            continue;
        };
        let outcome = validator.validate(&new, Some(&old));
        problems.extend(outcome.errors.into_iter().map(|error| LoadError {
            at: source.at(&error.path),
            fault: Fault::Field(Box::new(error)),
        }));
    }
    problems
}

fn name<K: Resource>(object: &K) -> (Option<String>, Option<String>) {
    (object.meta().namespace.clone(), object.meta().name.clone())
}
