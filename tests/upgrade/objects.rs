//! Objects of a release: what they say, and who owns which of their fields.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// What Helm calls itself, whichever it is.
pub const HELM: &str = "helm";

/// Objects by kind, namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Objects(pub BTreeMap<String, Value>);

/// The fields of one manager of an object, its status apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owned {
    /// Who it is.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// Paths to values, and to items of lists.
    pub fields: BTreeSet<String>,
}

impl Objects {
    /// Of what `kubectl get -o json` prints.
    pub fn parse(text: &str) -> Result<Self> {
        let printed: Value = serde_json::from_str(text).with_context(|| text.to_owned())?;
        let items = match printed["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![printed],
        };
        Ok(Self(
            items.into_iter().map(|item| (name(&item), item)).collect(),
        ))
    }

    /// Without what the API server, the controllers and the operator add to each.
    pub fn say(&self) -> BTreeMap<String, Value> {
        let objects = self.0.iter();
        objects
            .map(|(name, object)| (name.clone(), said(object)))
            .collect()
    }

    /// The version of each.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let objects = self.0.iter();
        objects
            .map(|(name, object)| {
                (
                    name.clone(),
                    object["metadata"]["resourceVersion"].to_string(),
                )
            })
            .collect()
    }

    /// What Helm owns of each, after making sure that nobody else owns any of it, and that Helm is one manager.
    pub fn owned_by_helm(&self) -> Result<BTreeMap<String, Owned>> {
        let mut owned = BTreeMap::new();
        for (name, object) in &self.0 {
            let owners = owners(object).with_context(|| name.clone())?;
            for (index, one) in owners.iter().enumerate() {
                for other in &owners[index + 1..] {
                    let both: Vec<_> = one.fields.intersection(&other.fields).collect();
                    ensure!(
                        both.is_empty(),
                        "{name}: {} ({}) and {} ({}) own {both:?}",
                        one.manager,
                        one.operation,
                        other.manager,
                        other.operation
                    );
                }
            }
            let mut helms = owners.into_iter().filter(|one| one.manager == HELM);
            let helm = helms
                .next()
                .with_context(|| format!("{name}: Helm owns nothing"))?;
            ensure!(helms.next().is_none(), "{name}: Helm owns it twice");
            owned.insert(name.clone(), helm);
        }
        Ok(owned)
    }
}

/// Kind, namespace and name.
fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    format!(
        "{} {}/{}",
        text(&object["kind"]),
        text(&metadata["namespace"]),
        text(&metadata["name"])
    )
}

fn said(object: &Value) -> Value {
    let mut object = object.clone();
    let remove = |place: Option<&mut Value>, names: &[&str]| {
        if let Some(fields) = place.and_then(Value::as_object_mut) {
            fields.retain(|name, _| !names.contains(&name.as_str()));
        }
    };
    remove(Some(&mut object), &["status"]);
    remove(
        object.pointer_mut("/metadata"),
        &[
            "creationTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "uid",
        ],
    );
    remove(
        object.pointer_mut("/metadata/annotations"),
        &["deployment.kubernetes.io/revision"],
    );
    // The API server chooses an address.
    remove(object.pointer_mut("/spec"), &["clusterIP", "clusterIPs"]);
    // The operator writes it.
    let webhooks = object["webhooks"].as_array_mut();
    for webhook in webhooks.into_iter().flatten() {
        remove(webhook.pointer_mut("/clientConfig"), &["caBundle"]);
    }
    // None is as good as an empty one.
    let annotations = object.pointer("/metadata/annotations");
    if annotations
        .and_then(Value::as_object)
        .is_some_and(serde_json::Map::is_empty)
    {
        remove(object.pointer_mut("/metadata"), &["annotations"]);
    }
    object
}

/// The managers of an object, its status apart.
fn owners(object: &Value) -> Result<Vec<Owned>> {
    let managed = object["metadata"]["managedFields"].as_array();
    let managed = managed.context("it has no managers")?.iter();
    let managed = managed.filter(|one| one["subresource"].is_null());
    managed
        .map(|one| {
            let text = |name: &str| {
                let text = one[name].as_str().map(str::to_owned);
                text.with_context(|| format!("a manager without {name}"))
            };
            let mut fields = BTreeSet::new();
            leaves(&one["fieldsV1"], "", &mut fields);
            Ok(Owned {
                manager: text("manager")?,
                operation: text("operation")?,
                fields,
            })
        })
        .collect()
}

/// The paths that end; `.`, the place itself, may be everybody's.
fn leaves(fields: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, below) in fields.as_object().into_iter().flatten() {
        if name == "." {
            continue;
        }
        let path = format!("{path}/{name}");
        if below.as_object().is_none_or(serde_json::Map::is_empty) {
            found.insert(path);
        } else {
            leaves(below, &path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(second: &str, field: &str) -> Objects {
        let object = json!({
            "kind": "Deployment",
            "metadata": {
                "name": "a", "namespace": "n",
                "managedFields": [
                    { "manager": "helm", "operation": "Apply",
                      "fieldsV1": { "f:spec": { "f:replicas": {}, "f:paused": {} } } },
                    { "manager": second, "operation": "Update",
                      "fieldsV1": { "f:spec": { ".": {}, field: {} } } },
                    { "manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
                      "fieldsV1": { "f:status": { "f:replicas": {} } } },
                ],
            },
        });
        Objects::parse(&object.to_string()).unwrap()
    }

    #[test]
    fn a_field_with_two_owners_is_found_and_so_is_a_second_helm() {
        let owned = object("other", "f:template").owned_by_helm().unwrap();
        let helm = &owned["Deployment n/a"];
        assert_eq!(helm.operation, "Apply");
        assert_eq!(
            helm.fields,
            ["/f:spec/f:paused", "/f:spec/f:replicas"]
                .map(str::to_owned)
                .into()
        );
        let error = object("other", "f:replicas").owned_by_helm().unwrap_err();
        assert!(
            error.to_string().contains("own [\"/f:spec/f:replicas\"]"),
            "{error}"
        );
        let error = object("helm", "f:template").owned_by_helm().unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
    }
}
