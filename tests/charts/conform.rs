//! The manifests of `examples/`, by kubeconform and the schemas of our definitions.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use mintage_tests::cluster::command_line;
use mintage_tests::{quickstart, skip};
use serde_json::{Value, json};

/// Everything that is not said to be there is refused.
fn close(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else {
        return;
    };
    if let Some(properties) = node.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(close);
        node.entry("additionalProperties").or_insert(false.into());
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = node.get_mut(keyword) {
            close(child);
        }
    }
}

#[test]
fn the_examples_conform_to_the_definitions() -> Result<()> {
    let name = "conform::the_examples_conform_to_the_definitions";
    let line = match command_line("kubeconform")? {
        Ok(line) => line,
        Err(reason) => return skip::skip(name, &reason),
    };
    let program = line.first().context("no program")?;
    let folder = tempfile::tempdir()?;
    for definition in mintage_crds::definitions() {
        let kind = definition.spec.names.kind.to_lowercase();
        let version = definition
            .spec
            .versions
            .into_iter()
            .next()
            .context("no version")?;
        let schema = version.schema.and_then(|schema| schema.open_api_v3_schema);
        let mut schema = serde_json::to_value(schema.context("no schema")?)?;
        for (key, kind) in [
            ("apiVersion", "string"),
            ("kind", "string"),
            ("metadata", "object"),
        ] {
            schema["properties"][key] = json!({ "type": kind });
        }
        close(&mut schema);
        fs::write(
            folder.path().join(format!("{kind}.json")),
            schema.to_string(),
        )?;
    }
    let location = folder.path().join("{{ .ResourceKind }}.json");
    let conform = |manifests: &std::path::Path| {
        Command::new(program)
            .args(["-summary", "-output", "json", "-strict"])
            // No schema of Kubernetes' own kinds is to be had offline; the API server looks at those.
            .args(["-skip", "Deployment,Namespace,ServiceAccount"])
            .arg("-schema-location")
            .arg(&location)
            .arg(manifests)
            .output()
    };
    let output = conform(&quickstart())?;
    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{said}");
    let summary: Value = serde_json::from_str(&said)?;
    assert_eq!(summary["summary"]["valid"], 6, "{said}");
    assert_eq!(summary["summary"]["invalid"], 0, "{said}");

    // A schema that takes anything would have said the same.
    let wrong = folder.path().join("wrong.yaml");
    let tenants = fs::read_to_string(quickstart().join("tenants.yaml"))?;
    fs::write(&wrong, tenants.replace("displayName", "displayname"))?;
    let output = conform(&wrong)?;
    let said = String::from_utf8(output.stdout)?;
    assert!(
        !output.status.success() && said.contains("displayname"),
        "{said}"
    );
    Ok(())
}
