//! Documents to objects: lists unfolded, each object judged, typed and put in its place.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    Manifests,
    error::{Fault, LoadError},
    kinds::{Builtin, Ignored, Namespace, Secret, Workload, at, text, texts},
    place::{Located, Location, Source},
    yaml::Document,
};
use crate::{
    GROUP,
    schema::{self, ErrorKind, FieldError, Names, Validator},
};

/// Lists may hold lists, as kubectl unfolds them.
const LISTS_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) manifests: Manifests,
    /// Kind, namespace and name of what was met, and where.
    seen: HashMap<(String, String, String), Location>,
}

impl Collector {
    pub(super) fn add(&mut self, document: Document, errors: &mut Vec<LoadError>) {
        self.unfold(document.value, &document.source, 0, errors);
    }

    fn unfold(&mut self, value: Value, source: &Source, depth: usize, errors: &mut Vec<LoadError>) {
        let Value::Object(mut fields) = value else {
            let fault =
                Fault::NoObject("it has no fields (begin it with apiVersion, kind and metadata)");
            errors.push(LoadError {
                at: source.at(""),
                fault,
            });
            return;
        };
        let word = |name: &str| {
            fields
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        if api_version.is_empty() || kind.is_empty() {
            let missing = if kind.is_empty() {
                "kind"
            } else {
                "apiVersion"
            };
            let fault = Fault::NoObject(match missing {
                "kind" => "its kind is missing (add one, for example kind: ApiAudience)",
                _ => {
                    "its apiVersion is missing (add one, for example apiVersion: mintage.dev/v1alpha1)"
                }
            });
            errors.push(LoadError {
                at: source.at(missing),
                fault,
            });
            return;
        }
        if kind.ends_with("List")
            && fields.get("items").is_some_and(Value::is_array)
            && depth < LISTS_MAX
        {
            if let Some(Value::Array(items)) = fields.remove("items") {
                for (index, item) in items.into_iter().enumerate() {
                    let source = source.inside(&format!("items[{index}]"));
                    self.unfold(item, &source, depth + 1, errors);
                }
            }
            return;
        }
        self.object(&api_version, &kind, fields, source, errors);
    }

    fn object(
        &mut self,
        api_version: &str,
        kind: &str,
        mut fields: Map<String, Value>,
        source: &Source,
        errors: &mut Vec<LoadError>,
    ) {
        let builtin = Builtin::of(api_version, kind);
        if builtin != Some(Builtin::Namespace) {
            default_namespace(&mut fields);
        }
        let object = Value::Object(fields);
        let known = match (api_version.split_once('/'), builtin) {
            (Some((GROUP, _)), _) => self.ours(api_version, kind, &object, source, errors),
            (_, Some(builtin)) => {
                self.builtin(builtin, kind, object.clone(), source, errors);
                true
            }
            _ => {
                let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
                let ignored = Ignored {
                    name: text(&object, "metadata.name"),
                    api_version,
                    kind,
                };
                self.manifests.ignored.push(Located {
                    object: ignored,
                    source: source.clone(),
                });
                false
            }
        };
        if known {
            self.once(kind, &object, source, errors);
        }
    }

    /// An object of Mintage's own group; false if there is no such kind.
    fn ours(
        &mut self,
        api_version: &str,
        kind: &str,
        object: &Value,
        source: &Source,
        errors: &mut Vec<LoadError>,
    ) -> bool {
        let Some(validator) =
            Validator::of(kind).filter(|known| known.api_version() == api_version)
        else {
            errors.push(LoadError {
                at: source.at("apiVersion"),
                fault: unknown_kind(api_version, kind),
            });
            return false;
        };
        let outcome = validator.validate(object, None);
        if !outcome.errors.is_empty() {
            errors.extend(
                outcome
                    .errors
                    .into_iter()
                    .map(|error| at_field(source, error)),
            );
            return true;
        }
        let mut object = outcome.object;
        // What an API server wrote into an exported object says nothing here.
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|name, _| !schema::SERVED.contains(&name.as_str()));
        }
        match kind {
            "Tenant" => typed(object, source, &mut self.manifests.tenants, errors),
            "Application" => typed(object, source, &mut self.manifests.applications, errors),
            "ApiAudience" => typed(object, source, &mut self.manifests.audiences, errors),
            "CustomDomain" => typed(object, source, &mut self.manifests.domains, errors),
            _ => errors.push(LoadError {
                at: source.at("kind"),
                fault: unknown_kind(api_version, kind),
            }),
        }
        true
    }

    fn builtin(
        &mut self,
        builtin: Builtin,
        kind: &str,
        mut object: Value,
        source: &Source,
        errors: &mut Vec<LoadError>,
    ) {
        let names = if builtin == Builtin::Namespace {
            Names::Namespace
        } else {
            Names::Namespaced
        };
        let mut faults = schema::check_metadata(&mut object, names);
        let name = text(&object, "metadata.name");
        let namespace = text(&object, "metadata.namespace");
        match builtin {
            Builtin::Namespace => {
                let labels = texts(&object, "metadata.labels");
                let namespace = Namespace {
                    name,
                    labels,
                    annotations: texts(&object, "metadata.annotations"),
                };
                self.manifests.namespaces.push(Located {
                    object: namespace,
                    source: source.clone(),
                });
            }
            Builtin::Secret => match Secret::read(&object) {
                Ok(secret) => self.manifests.secrets.push(Located {
                    object: secret,
                    source: source.clone(),
                }),
                Err(error) => faults.push(*error),
            },
            Builtin::ServiceAccount => {
                let workload = Workload {
                    kind: kind.to_owned(),
                    service_account: name.clone(),
                    name,
                    namespace,
                    labels: BTreeMap::new(),
                    annotations: BTreeMap::new(),
                };
                self.manifests.workloads.push(Located {
                    object: workload,
                    source: source.clone(),
                });
            }
            Builtin::Pods(template) => {
                faults.extend(pod_faults(&object, template));
                let pod = at(&object, template);
                let workload = Workload {
                    kind: kind.to_owned(),
                    name,
                    namespace,
                    service_account: service_account(pod),
                    labels: texts(pod, "metadata.labels"),
                    annotations: texts(pod, "metadata.annotations"),
                };
                self.manifests.workloads.push(Located {
                    object: workload,
                    source: source.clone(),
                });
            }
        }
        errors.extend(faults.into_iter().map(|error| at_field(source, error)));
    }

    /// An object may be declared once.
    fn once(&mut self, kind: &str, object: &Value, source: &Source, errors: &mut Vec<LoadError>) {
        let (namespace, name) = (
            text(object, "metadata.namespace"),
            text(object, "metadata.name"),
        );
        if name.is_empty() {
            return;
        }
        let here = source.at("metadata.name");
        let shown = if namespace.is_empty() {
            format!("{kind} {name}")
        } else {
            format!("{kind} {namespace}/{name}")
        };
        match self.seen.entry((kind.to_owned(), namespace, name)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(here);
            }
            std::collections::hash_map::Entry::Occupied(entry) => {
                let fault = Fault::DuplicateObject {
                    object: shown,
                    first: entry.get().clone(),
                };
                errors.push(LoadError { at: here, fault });
            }
        }
    }
}

/// kubectl puts objects without namespace into `default`.
fn default_namespace(fields: &mut Map<String, Value>) {
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        let namespace = metadata.entry("namespace").or_insert(Value::Null);
        if namespace.is_null() || namespace == "" {
            *namespace = json!("default");
        }
    }
}

fn typed<T: DeserializeOwned>(
    object: Value,
    source: &Source,
    into: &mut Vec<Located<T>>,
    errors: &mut Vec<LoadError>,
) {
    match serde_json::from_value(object) {
        Ok(object) => into.push(Located {
            object,
            source: source.clone(),
        }),
        // The schema vouches for spec; this is some field of metadata that only Kubernetes knows the type of.
        Err(error) => {
            errors.push(LoadError {
                at: source.at("metadata"),
                fault: Fault::Value(format!("metadata: {error}")),
            });
        }
    }
}

fn service_account(pod: &Value) -> String {
    [
        at(pod, "spec.serviceAccountName"),
        at(pod, "spec.serviceAccount"),
    ]
    .into_iter()
    .filter_map(Value::as_str)
    .find(|name| !name.is_empty())
    .unwrap_or("default")
    .to_owned()
}

/// What is wrong with the few fields of a pod, or a pod's template, that are read.
fn pod_faults(object: &Value, template: &str) -> Vec<FieldError> {
    let path = |below: &str| {
        if template.is_empty() {
            below.to_owned()
        } else {
            format!("{template}.{below}")
        }
    };
    let mut faults = Vec::new();
    if !template.is_empty() && !at(object, template).is_object() {
        faults.push(FieldError {
            path: template.to_owned(),
            kind: ErrorKind::Required,
            value: None,
            detail: String::new(),
            mend: "add the template of the pods".to_owned(),
        });
        return faults;
    }
    let mut strings: Vec<(String, &Value)> = ["spec.serviceAccountName", "spec.serviceAccount"]
        .into_iter()
        .map(|below| (path(below), at(at(object, template), below)))
        .collect();
    // A pod's own metadata has been judged already.
    if !template.is_empty() {
        for below in ["metadata.labels", "metadata.annotations"] {
            let map = at(at(object, template), below).as_object();
            strings.extend(
                map.into_iter()
                    .flatten()
                    .map(|(key, value)| (format!("{}.{key}", path(below)), value)),
            );
        }
    }
    faults.extend(
        strings
            .into_iter()
            .filter(|(_, value)| !value.is_string() && !value.is_null())
            .map(|(path, value)| FieldError {
                path,
                kind: ErrorKind::TypeInvalid,
                value: Some(value.clone()),
                detail: "must be a string".to_owned(),
                mend: "write it in quotes".to_owned(),
            }),
    );
    faults
}

fn at_field(source: &Source, error: FieldError) -> LoadError {
    LoadError {
        at: source.at(&error.path),
        fault: Fault::Field(Box::new(error)),
    }
}

fn unknown_kind(api_version: &str, kind: &str) -> Fault {
    Fault::UnknownKind {
        kind: kind.to_owned(),
        api_version: api_version.to_owned(),
    }
}
