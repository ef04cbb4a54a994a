//! What Helm prints after an installation.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::helm::{self, Helm, chart, text};

fn notes(helm: &Helm, values: &Value) -> Result<String> {
    let chart = chart("mintage");
    let values = helm.file(values)?;
    let said = helm.says(&[
        "install",
        "mintage",
        text(&chart)?,
        "--namespace",
        helm::NAMESPACE,
        "--dry-run=client",
        "--values",
        &values,
    ])?;
    let (_, notes) = said.split_once("NOTES:\n").context("no notes")?;
    Ok(notes.to_owned())
}

#[test]
fn the_next_commands_are_printed() -> Result<()> {
    let Some(helm) = helm::find("notes::the_next_commands_are_printed")? else {
        return Ok(());
    };
    let notes = notes(&helm, &json!({}))?;
    for command in [
        "helm install mintage-crds",
        "kubectl -n mintage-system rollout status deployment/mintage",
        "kubectl wait --for=condition=Ready --timeout=1m tenant/acme -n identity",
        "kubectl label namespace <namespace> mintage.dev/injection=enabled",
        "kubectl get mintage -A",
    ] {
        assert!(notes.contains(command), "{command}: {notes}");
    }
    assert!(!notes.contains("WARNING"), "{notes}");
    // What is to be pasted is a resource, and ends where the shell expects it to.
    let (_, manifest) = notes.split_once("<<YAML\n").unwrap();
    let (manifest, _) = manifest.split_once("\nYAML\n").unwrap();
    let tenant: mintage_crds::Tenant = serde_yaml::from_str(manifest)?;
    assert_eq!(tenant.metadata.name.as_deref(), Some("acme"));
    Ok(())
}

#[test]
fn what_is_risky_is_said() -> Result<()> {
    let Some(helm) = helm::find("notes::what_is_risky_is_said")? else {
        return Ok(());
    };
    for (values, warning) in [
        (
            json!({ "admissionPolicies": { "enabled": false } }),
            "WARNING: admissionPolicies.enabled",
        ),
        (
            json!({ "webhook": { "failurePolicy": "Ignore" } }),
            "WARNING: webhook.failurePolicy",
        ),
        (
            json!({ "domainVerification": { "allowNone": true } }),
            "WARNING: domainVerification.allowNone",
        ),
    ] {
        let notes = notes(&helm, &values)?;
        assert!(notes.contains(warning), "{notes}");
        assert_eq!(notes.matches("WARNING").count(), 1, "{notes}");
    }
    Ok(())
}
