//! `metadata`, which every object has and the API server judges by itself.

use serde_json::{Map, Value, json};

use super::{
    error::{ErrorKind, FieldError},
    kubernetes,
    structure::index_path,
};

/// The fields of `ObjectMeta` that people write.
const WRITTEN: [&str; 7] = [
    "annotations",
    "finalizers",
    "generateName",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
];

/// The fields of `ObjectMeta` that the API server writes, and that an exported object carries.
pub(crate) const SERVED: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// All annotations of an object together may have this many bytes.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// Takes out the fields of `metadata` that no object has, and says which.
pub(super) fn unknown_fields(object: &mut Value) -> Vec<FieldError> {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Vec::new();
    };
    let known = |name: &String| WRITTEN.contains(&name.as_str()) || SERVED.contains(&name.as_str());
    let unknown: Vec<String> = metadata
        .keys()
        .filter(|name| !known(name))
        .cloned()
        .collect();
    metadata.retain(|name, _| known(name));
    unknown
        .into_iter()
        .map(|name| {
            FieldError::new(
                format!("metadata.{name}"),
                ErrorKind::UnknownField,
                None,
                String::new(),
            )
            .mend(format!(
                "take it out; written by people here: {}",
                WRITTEN.join(", ")
            ))
        })
        .collect()
}

/// Takes nulls for what Go takes them for: absent fields, and empty strings in maps of strings.
pub(super) fn drop_nulls(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    metadata.retain(|_, value| !value.is_null());
    for map in ["annotations", "labels"] {
        for value in metadata
            .get_mut(map)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(Map::values_mut)
        {
            if value.is_null() {
                *value = json!("");
            }
        }
    }
}

/// What the names of an object must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// A DNS subdomain, in a namespace.
    Namespaced,
    /// A DNS label, in no namespace: the object is a namespace.
    Namespace,
    /// What they are: the object is there already, and its names can't change.
    Settled,
}

/// What is wrong with the metadata of an object.
pub(super) fn validate(object: &Value, names: Names) -> Vec<FieldError> {
    let empty = Map::new();
    let metadata = match object.get("metadata") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(metadata)) => metadata,
        Some(other) => {
            return vec![type_error("metadata", other, "an object")];
        }
    };
    let mut errors = Vec::new();
    match names {
        Names::Namespaced => {
            name(metadata, kubernetes::dns_subdomain, &mut errors);
            namespace(metadata, &mut errors);
        }
        Names::Namespace => name(metadata, kubernetes::dns_label, &mut errors),
        Names::Settled => {}
    }
    if let Some(pairs) = strings(metadata, "labels", &mut errors) {
        invalid(
            "metadata.labels",
            kubernetes::labels(pairs.iter().copied()),
            &mut errors,
        );
    }
    if let Some(pairs) = strings(metadata, "annotations", &mut errors) {
        invalid(
            "metadata.annotations",
            kubernetes::annotations(pairs.iter().copied()),
            &mut errors,
        );
        if pairs
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum::<usize>()
            > ANNOTATIONS_MAX
        {
            let detail = format!("may not be more than {ANNOTATIONS_MAX} bytes");
            errors.push(FieldError::new(
                "metadata.annotations",
                ErrorKind::TooLong,
                None,
                detail,
            ));
        }
    }
    if names != Names::Settled {
        // Those of an object that is there may be of old times, or of its deletion.
        finalizers(metadata, &mut errors);
    }
    owners(metadata, &mut errors);
    errors
}

fn name(
    metadata: &Map<String, Value>,
    fault: fn(&str) -> Option<String>,
    errors: &mut Vec<FieldError>,
) {
    match metadata.get("name") {
        Some(Value::String(name)) if !name.is_empty() => {
            errors.extend(
                fault(name).map(|why| FieldError::invalid("metadata.name", json!(name), why)),
            );
        }
        None | Some(Value::String(_)) => errors.push(
            // `generateName` counts for `kubectl create` only; applying needs a name to find the object again.
            FieldError::new(
                "metadata.name",
                ErrorKind::Required,
                None,
                "name is required".to_owned(),
            )
            .mend("add a name"),
        ),
        Some(other) => errors.push(type_error("metadata.name", other, "a string")),
    }
}

fn namespace(metadata: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    match metadata.get("namespace") {
        Some(Value::String(name)) if !name.is_empty() => {
            let why = kubernetes::dns_label(name);
            errors
                .extend(why.map(|why| FieldError::invalid("metadata.namespace", json!(name), why)));
        }
        None | Some(Value::String(_)) => errors.push(
            FieldError::new(
                "metadata.namespace",
                ErrorKind::Required,
                None,
                String::new(),
            )
            .mend("add a namespace"),
        ),
        Some(other) => errors.push(type_error("metadata.namespace", other, "a string")),
    }
}

fn finalizers(metadata: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    match metadata.get("finalizers") {
        None => {}
        Some(Value::Array(finalizers)) => {
            for finalizer in finalizers {
                match finalizer.as_str() {
                    None => errors.push(type_error("metadata.finalizers", finalizer, "a string")),
                    // A finalizer is named as a label's key is.
                    Some(name) => {
                        invalid(
                            "metadata.finalizers",
                            kubernetes::labels([(name, "")].into_iter()),
                            errors,
                        );
                    }
                }
            }
        }
        Some(other) => errors.push(type_error("metadata.finalizers", other, "a list")),
    }
}

fn owners(metadata: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    match metadata.get("ownerReferences") {
        None => {}
        Some(Value::Array(owners)) => {
            for (index, owner) in owners.iter().enumerate() {
                let path = index_path("metadata.ownerReferences", index);
                for field in ["apiVersion", "kind", "name", "uid"] {
                    if owner
                        .get(field)
                        .and_then(Value::as_str)
                        .is_none_or(str::is_empty)
                    {
                        let detail = "must not be empty".to_owned();
                        errors.push(FieldError::new(
                            format!("{path}.{field}"),
                            ErrorKind::Required,
                            None,
                            detail,
                        ));
                    }
                }
            }
        }
        Some(other) => errors.push(type_error("metadata.ownerReferences", other, "a list")),
    }
}

/// The pairs of a map of strings, or none if there is something else, which is reported.
fn strings<'a>(
    metadata: &'a Map<String, Value>,
    field: &str,
    errors: &mut Vec<FieldError>,
) -> Option<Vec<(&'a str, &'a str)>> {
    let path = format!("metadata.{field}");
    match metadata.get(field)? {
        Value::Object(map) => {
            let mut pairs = Vec::with_capacity(map.len());
            for (key, value) in map {
                match value.as_str() {
                    Some(value) => pairs.push((key.as_str(), value)),
                    None => errors.push(type_error(&format!("{path}.{key}"), value, "a string")),
                }
            }
            Some(pairs)
        }
        other => {
            errors.push(type_error(&path, other, "a map of strings"));
            None
        }
    }
}

fn invalid(path: &str, faults: Vec<(&str, String)>, errors: &mut Vec<FieldError>) {
    errors.extend(
        faults
            .into_iter()
            .map(|(value, why)| FieldError::invalid(path, json!(value), why)),
    );
}

fn type_error(path: &str, value: &Value, expected: &str) -> FieldError {
    FieldError::new(
        path,
        ErrorKind::TypeInvalid,
        Some(value.clone()),
        format!("must be {expected}"),
    )
    .mend(if expected == "a string" {
        "write it in quotes"
    } else {
        ""
    })
}
