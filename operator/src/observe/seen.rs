//! The objects of one watch.

use std::collections::BTreeMap;

use kube::Resource;
use kube::runtime::watcher::Event;
use mintage_core::ObjectRef;

/// What one watch shows, by place. While it lists anew the last state stays, and what the list lacks is gone with its
/// end: a deletion that was missed is noticed.
pub struct Seen<V> {
    current: BTreeMap<ObjectRef, V>,
    listed: BTreeMap<ObjectRef, V>,
    complete: bool,
}

impl<V: PartialEq> Seen<V> {
    pub fn new() -> Self {
        Self {
            current: BTreeMap::new(),
            listed: BTreeMap::new(),
            complete: false,
        }
    }

    /// Whether it has listed once.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    pub fn all(&self) -> &BTreeMap<ObjectRef, V> {
        &self.current
    }

    /// Takes an event; whether anything changed. Objects that `read` has no use for count as absent.
    pub fn take<K>(&mut self, event: Event<K>, mut read: impl FnMut(K) -> Option<V>) -> bool
    where
        K: Resource<DynamicType = ()>,
    {
        let mut put = |into: &mut BTreeMap<ObjectRef, V>, object: K| {
            let Some(at) = place(&object) else {
                return false;
            };
            match read(object) {
                Some(value) if into.get(&at) == Some(&value) => false,
                Some(value) => {
                    into.insert(at, value);
                    true
                }
                None => into.remove(&at).is_some(),
            }
        };
        match event {
            Event::Apply(object) => put(&mut self.current, object),
            Event::Delete(object) => {
                place(&object).is_some_and(|at| self.current.remove(&at).is_some())
            }
            Event::Init => {
                self.listed.clear();
                false
            }
            Event::InitApply(object) => {
                put(&mut self.listed, object);
                false
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let changed = !self.complete || listed != self.current;
                self.current = listed;
                self.complete = true;
                changed
            }
        }
    }
}

/// Where an object is. A namespace has the place `<name>/<name>`.
pub fn place<K: Resource<DynamicType = ()>>(object: &K) -> Option<ObjectRef> {
    let meta = object.meta();
    let name = meta.name.as_deref()?;
    let namespace = meta.namespace.as_deref().unwrap_or(name);
    ObjectRef::parse(&format!("{namespace}/{name}")).ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::*;

    fn object(name: &str, version: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some("shop".to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape that `take` asks for")]
    fn version(object: ConfigMap) -> Option<String> {
        Some(object.metadata.resource_version.unwrap_or_default())
    }

    fn names(seen: &Seen<String>) -> Vec<String> {
        seen.all()
            .iter()
            .map(|(at, version)| format!("{}@{version}", at.name))
            .collect()
    }

    #[test]
    fn a_deletion_that_was_missed_is_noticed_when_the_list_ends() {
        let mut seen = Seen::new();
        assert!(!seen.take(Event::Init::<ConfigMap>, version));
        assert!(!seen.take(Event::InitApply(object("a", "1")), version));
        assert!(!seen.take(Event::InitApply(object("b", "2")), version));
        assert!(!seen.is_complete());
        assert!(seen.take(Event::InitDone::<ConfigMap>, version));
        assert_eq!(names(&seen), ["a@1", "b@2"]);

        assert!(!seen.take(Event::Init::<ConfigMap>, version));
        assert!(!seen.take(Event::InitApply(object("b", "2")), version));
        assert_eq!(names(&seen), ["a@1", "b@2"], "until the list is whole");
        assert!(seen.take(Event::InitDone::<ConfigMap>, version));
        assert_eq!(names(&seen), ["b@2"]);
    }

    #[test]
    fn what_is_as_it_was_is_no_change() {
        let mut seen = Seen::new();
        seen.take(Event::Init::<ConfigMap>, version);
        assert!(
            seen.take(Event::InitDone::<ConfigMap>, version),
            "the first list is news"
        );
        assert!(seen.take(Event::Apply(object("a", "1")), version));
        assert!(!seen.take(Event::Apply(object("a", "1")), version));
        assert!(seen.take(Event::Apply(object("a", "2")), version));
        assert!(seen.take(Event::Delete(object("a", "2")), version));
        assert!(!seen.take(Event::Delete(object("a", "2")), version));
    }
}
