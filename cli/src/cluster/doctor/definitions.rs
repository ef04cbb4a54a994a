//! The definitions of the kinds: whether they are there, and have the fields that this version knows.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use mintage_crds::generated::definitions;

use super::Findings;
use super::look::Look;

const MEND: &str =
    "install the chart of this version: helm upgrade --install mintage-crds charts/mintage-crds";

/// Looks at each kind.
pub fn examine(look: &Look, findings: &mut Findings) {
    let Some(there) = &look.definitions else {
        // Whoever may not look at definitions has learnt of their absence by asking for the objects.
        for kind in &look.seen.unknown {
            absent(kind, findings);
        }
        return;
    };
    for ours in definitions() {
        let name = ours.metadata.name.as_deref().unwrap_or_default();
        let found = there
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some(name));
        let Some(found) = found else {
            absent(name, findings);
            continue;
        };
        let object = format!("CustomResourceDefinition {name}");
        if let Some(field) = missing(&ours, found) {
            findings.add(
                "definition-older",
                object,
                format!("it does not have {field}"),
                "the API server drops a field that it does not know, without a word to whoever wrote it",
                MEND,
            );
        } else if !is_established(found) {
            findings.add(
                "definition-not-established",
                object,
                "the API server does not serve it",
                "no object of the kind can be made or read",
                format!("kubectl describe customresourcedefinition {name} says which of its names is taken"),
            );
        }
    }
}

fn absent(name: &str, findings: &mut Findings) {
    findings.add(
        "definition-missing",
        format!("CustomResourceDefinition {name}"),
        "the cluster does not know it",
        "without it there are no objects of the kind, and the operator waits",
        MEND,
    );
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let status = definition.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| one.type_ == "Established" && one.status == "True")
}

/// A version or field of ours that another definition does not have.
fn missing(ours: &CustomResourceDefinition, theirs: &CustomResourceDefinition) -> Option<String> {
    ours.spec.versions.iter().find_map(|version| {
        let mut other = theirs.spec.versions.iter();
        let Some(other) = other.find(|other| other.name == version.name && other.served) else {
            return Some(format!("version {}", version.name));
        };
        let schema = |version: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionVersion| {
            version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.clone())
        };
        let (ours, theirs) = (schema(version)?, schema(other).unwrap_or_default());
        missing_field(&ours, &theirs, "")
    })
}

fn missing_field(ours: &JSONSchemaProps, theirs: &JSONSchemaProps, path: &str) -> Option<String> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray;
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &ours.items {
        let Some(JSONSchemaPropsOrArray::Schema(other)) = &theirs.items else {
            return Some(path.to_owned());
        };
        return missing_field(item, other, path);
    }
    ours.properties.iter().flatten().find_map(|(name, schema)| {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let other = theirs.properties.as_ref().and_then(|all| all.get(name));
        match other {
            None => Some(path),
            Some(other) => missing_field(schema, other, &path),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn served() -> Vec<CustomResourceDefinition> {
        let mut all = definitions();
        for definition in &mut all {
            definition.status = serde_json::from_value(json!({
                "conditions": [{ "type": "Established", "status": "True" }],
            }))
            .unwrap();
        }
        all
    }

    fn codes(definitions: Vec<CustomResourceDefinition>) -> Vec<(&'static str, String)> {
        let mut findings = Findings::default();
        let look = Look {
            definitions: Some(definitions),
            ..Look::nothing()
        };
        examine(&look, &mut findings);
        let all = findings.0.into_iter();
        all.map(|finding| (finding.code, finding.found)).collect()
    }

    #[test]
    fn this_version_finds_nothing_wrong_with_its_own() {
        assert_eq!(codes(served()), []);
    }

    #[test]
    fn an_absent_an_older_and_a_refused_one_are_found() {
        let mut all = served();
        all.remove(0);
        all[0].status = None;
        let version = &mut all[2].spec.versions[0];
        let schema = version.schema.as_mut().unwrap();
        let schema = schema.open_api_v3_schema.as_mut().unwrap();
        let spec = schema.properties.as_mut().unwrap().get_mut("spec").unwrap();
        let signing = spec
            .properties
            .as_mut()
            .unwrap()
            .get_mut("signing")
            .unwrap();
        signing
            .properties
            .as_mut()
            .unwrap()
            .remove("keySecretRef")
            .unwrap();
        let found = codes(all);
        assert_eq!(found[0].0, "definition-missing");
        assert_eq!(found[1].0, "definition-not-established");
        let text = "it does not have spec.signing.keySecretRef".to_owned();
        assert_eq!(found[2], ("definition-older", text));
    }
}
