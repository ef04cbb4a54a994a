//! Values that are refused, with a message that says which.

use anyhow::Result;
use serde_json::{Value, json};

use crate::helm::{self, chart};

fn read(name: &str) -> Result<Value> {
    let text = std::fs::read_to_string(chart("mintage").join(name))?;
    Ok(serde_yaml::from_str(&text)?)
}

/// Each place where a key can be set has to say which keys there are, and those are the ones of `values.yaml`.
#[test]
fn the_schema_knows_the_values_and_no_others() -> Result<()> {
    fn compare(path: &str, schema: &Value, defaults: &Value) {
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        assert_eq!(schema["additionalProperties"], false, "{path}");
        // Free-form values and empty ones have nothing to compare.
        let Some(defaults) = defaults.as_object().filter(|map| !map.is_empty()) else {
            return;
        };
        let mut known: Vec<&String> = properties.keys().filter(|key| *key != "global").collect();
        known.sort();
        let mut set: Vec<&String> = defaults.keys().collect();
        set.sort();
        assert_eq!(known, set, "{path}");
        for (key, schema) in properties {
            compare(
                &format!("{path}.{key}"),
                schema,
                &defaults.get(key).cloned().unwrap_or_default(),
            );
        }
    }
    compare("", &read("values.schema.json")?, &read("values.yaml")?);
    Ok(())
}

#[test]
fn typing_errors_are_refused() -> Result<()> {
    let Some(helm) = helm::find("refused::typing_errors_are_refused")? else {
        return Ok(());
    };
    for (values, key) in [
        (json!({ "replica": 2 }), "replica"),
        (json!({ "image": { "repo": "a" } }), "repo"),
        (
            json!({ "sidecar": { "image": { "pullPolicy": "Always" } } }),
            "pullPolicy",
        ),
        (
            json!({ "sidecar": { "resources": { "request": {} } } }),
            "request",
        ),
        (json!({ "webhook": { "tls": { "secret": "a" } } }), "secret"),
        (
            json!({ "webhook": { "tls": { "certManager": { "issuerRef": { "nme": "a" } } } } }),
            "nme",
        ),
        (json!({ "imagePullSecrets": [{ "nam": "a" }] }), "nam"),
        (json!({ "admissionPolicies": { "exempt": [] } }), "exempt"),
        (json!({ "networkPolicy": { "ingress": [] } }), "ingress"),
    ] {
        let said = helm.refusal(&values)?;
        assert!(said.contains(&format!("'{key}'")), "{values}: {said}");
    }
    Ok(())
}

#[test]
fn values_that_cannot_be_meant_are_refused() -> Result<()> {
    let Some(helm) = helm::find("refused::values_that_cannot_be_meant_are_refused")? else {
        return Ok(());
    };
    for (values, place) in [
        (json!({ "replicas": 0 }), "replicas"),
        (json!({ "replicas": "2" }), "replicas"),
        (json!({ "image": { "pullPolicy": "always" } }), "pullPolicy"),
        (json!({ "image": { "digest": "sha256:12" } }), "digest"),
        (json!({ "image": { "repository": "" } }), "repository"),
        (json!({ "fullnameOverride": "Upper" }), "fullnameOverride"),
        (
            json!({ "webhook": { "failurePolicy": "fail" } }),
            "failurePolicy",
        ),
        (
            json!({ "webhook": { "timeoutSeconds": 31 } }),
            "timeoutSeconds",
        ),
        (json!({ "webhook": { "url": "http://a/inject" } }), "url"),
        (json!({ "webhook": { "url": "https://a/" } }), "url"),
        (
            json!({ "webhook": { "url": "https://a:b@c/inject" } }),
            "url",
        ),
        (
            json!({ "webhook": { "caBundle": "-----BEGIN" } }),
            "caBundle",
        ),
        (
            json!({ "webhook": { "tls": { "mode": "certmanager" } } }),
            "mode",
        ),
        (
            json!({ "webhook": { "excludedNamespaces": ["A"] } }),
            "excludedNamespaces",
        ),
        // It would end the string in the policy's expression.
        (
            json!({ "admissionPolicies": { "exemptUsers": ["a', 'b"] } }),
            "exemptUsers",
        ),
        (
            json!({ "sidecar": { "resources": { "limits": { "cpu": "many" } } } }),
            "cpu",
        ),
        (
            json!({ "tracing": { "otlpEndpoint": "collector:4317" } }),
            "otlpEndpoint",
        ),
        (json!({ "log": { "level": "Info" } }), "level"),
        (
            json!({ "domainVerification": { "dnsServer": "10.0.0.10" } }),
            "dnsServer",
        ),
        (json!({ "extraArgs": ["threads=2"] }), "extraArgs"),
        (json!({ "runAsUser": 0 }), "runAsUser"),
        (
            json!({ "topologySpread": { "whenUnsatisfiable": "Never" } }),
            "whenUnsatisfiable",
        ),
    ] {
        let said = helm.refusal(&values)?;
        assert!(said.contains(place), "{values}: {said}");
    }
    Ok(())
}

#[test]
fn values_that_do_not_go_together_are_refused() -> Result<()> {
    let Some(helm) = helm::find("refused::values_that_do_not_go_together_are_refused")? else {
        return Ok(());
    };
    for (webhook, mend) in [
        (
            json!({ "tls": { "mode": "secret" } }),
            "webhook.tls.secretName must name",
        ),
        (json!({ "tls": { "secretName": "a" } }), "set it to secret"),
        (
            json!({ "tls": { "mode": "secret", "secretName": "a" } }),
            "webhook.caBundle must be the CA",
        ),
        (json!({ "caBundle": "Zm9v" }), "leave it empty"),
        (
            json!({ "caBundle": "Zm9v", "tls": { "mode": "certManager" } }),
            "leave it empty",
        ),
    ] {
        let said = helm.refusal(&json!({ "webhook": webhook }))?;
        assert!(said.contains(mend), "{webhook}: {said}");
        // What is off need not be right.
        let mut off = webhook;
        off["enabled"] = false.into();
        helm.render(&json!({ "webhook": off }))?;
    }
    Ok(())
}
