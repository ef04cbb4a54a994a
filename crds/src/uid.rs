//! UIDs for objects that no API server has seen: derived from what the object is called, so that the next start finds
//! the same ones.

use kube::core::ObjectMeta;

/// The UID of an object of a kind, from its metadata.
pub fn of_object(kind: &str, meta: &ObjectMeta) -> String {
    derived(
        kind,
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

/// The UID of the object `namespace/name`; no part can hold a colon, so no two objects share one.
pub fn derived(kind: &str, namespace: &str, name: &str) -> String {
    format!("local:{kind}:{namespace}:{name}")
}
