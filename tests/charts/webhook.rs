//! Which pods the API server sends, where to, and who writes the CA.

use anyhow::{Context as _, Result};
use mintage_core::inject::{NAMESPACE_LABEL, POD_LABEL};
use serde_json::{Value, json};

use crate::helm::{self, Objects, selects};

fn entries(objects: &Objects) -> Result<&Vec<Value>> {
    let configuration = objects.one("MutatingWebhookConfiguration", "mintage")?;
    configuration["webhooks"].as_array().context("no webhooks")
}

/// The names of the entries that take a pod.
fn taking<'a>(entries: &'a [Value], namespace: &str, labels: &Value, pod: &Value) -> Vec<&'a str> {
    let mut namespace_labels = labels.clone();
    // The API server sets it on each namespace.
    namespace_labels["kubernetes.io/metadata.name"] = namespace.into();
    let taking = entries.iter().filter(|entry| {
        selects(&entry["namespaceSelector"], &namespace_labels)
            && selects(&entry["objectSelector"], pod)
    });
    taking
        .map(|entry| entry["name"].as_str().unwrap_or_default())
        .collect()
}

#[test]
fn pods_that_opted_in_are_sent_once_and_others_never() -> Result<()> {
    let Some(helm) = helm::find("webhook::pods_that_opted_in_are_sent_once_and_others_never")?
    else {
        return Ok(());
    };
    let objects = helm.render(&json!({ "webhook": { "excludedNamespaces": ["legacy"] } }))?;
    // What would not be sent is not missed by the operator either.
    let excluded = "--webhook-excluded-namespaces=legacy";
    assert!(objects.operator_arguments()?.contains(&excluded));
    let entries = entries(&objects)?;
    let by_namespace = &["namespace.inject.mintage.dev"][..];
    let by_pod = &["pod.inject.mintage.dev"][..];
    let never = &[][..];
    for (namespace, pod, expected) in [
        (Some("enabled"), None, by_namespace),
        (Some("enabled"), Some("true"), by_namespace),
        (Some("enabled"), Some("false"), never),
        // What is neither does not opt out of what the namespace asks for.
        (Some("enabled"), Some("no"), by_namespace),
        (None, None, never),
        (None, Some("true"), by_pod),
        (None, Some("false"), never),
        (None, Some("yes"), never),
        (Some("disabled"), None, never),
        (Some("disabled"), Some("true"), by_pod),
    ] {
        let labels = |key: &str, value: Option<&str>| match value {
            Some(value) => json!({ key: value }),
            None => json!({}),
        };
        let pod = labels(POD_LABEL, pod);
        let namespace = labels(NAMESPACE_LABEL, namespace);
        let took = taking(entries, "shop", &namespace, &pod);
        assert_eq!(took, expected, "{namespace} {pod}");
        for excluded in [
            "kube-node-lease",
            "kube-public",
            "kube-system",
            "legacy",
            helm::NAMESPACE,
        ] {
            let took = taking(entries, excluded, &namespace, &pod);
            assert!(took.is_empty(), "{excluded} {namespace} {pod}");
        }
    }
    Ok(())
}

#[test]
fn entries_are_asked_as_the_design_says() -> Result<()> {
    let Some(helm) = helm::find("webhook::entries_are_asked_as_the_design_says")? else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    let service = objects.one("Service", "mintage-webhook")?;
    assert_eq!(service["spec"]["ports"][0]["port"], 443);
    for entry in entries(&objects)? {
        let mut entry = entry.clone();
        for selector in ["name", "namespaceSelector", "objectSelector"] {
            entry.as_object_mut().unwrap().remove(selector);
        }
        let expected = json!({
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "service": {
                "name": "mintage-webhook", "namespace": helm::NAMESPACE, "path": "/inject", "port": 443,
            } },
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "reinvocationPolicy": "IfNeeded",
            "rules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["pods"], "scope": "Namespaced",
            }],
            "sideEffects": "None",
            "timeoutSeconds": 5,
        });
        assert_eq!(entry, expected);
    }
    Ok(())
}

/// Whose certificate it is, and what follows from that.
struct Tls {
    values: Value,
    /// The `caBundle` that the chart renders.
    bundle: Option<&'static str>,
    /// Whether the operator writes one.
    written: bool,
    /// The Secret that the operator is told of.
    given: Option<&'static str>,
    /// The argument with the name in the certificate.
    name: &'static str,
}

#[test]
fn one_alone_writes_the_ca() -> Result<()> {
    let Some(helm) = helm::find("webhook::one_alone_writes_the_ca")? else {
        return Ok(());
    };
    let by_service = "--webhook-service=mintage-webhook";
    let by_url = "--webhook-host=in.example.com";
    let url = "https://in.example.com:8443/inject";
    for tls in [
        Tls {
            values: json!({}),
            bundle: None,
            written: true,
            given: None,
            name: by_service,
        },
        Tls {
            values: json!({ "url": url }),
            bundle: None,
            written: true,
            given: None,
            name: by_url,
        },
        Tls {
            values: json!({ "tls": { "mode": "certManager" } }),
            bundle: None,
            written: false,
            given: Some("mintage-webhook-certificate"),
            name: by_service,
        },
        Tls {
            values: json!({ "caBundle": "Zm9v", "tls": { "mode": "secret", "secretName": "mine" } }),
            bundle: Some("Zm9v"),
            written: false,
            given: Some("mine"),
            name: by_service,
        },
        // A certificate that the control plane trusts anyway.
        Tls {
            values: json!({ "url": url, "tls": { "mode": "secret", "secretName": "mine" } }),
            bundle: None,
            written: false,
            given: Some("mine"),
            name: by_url,
        },
    ] {
        let values = json!({ "webhook": tls.values });
        let objects = helm.render(&values)?;
        for entry in entries(&objects)? {
            let client = &entry["clientConfig"];
            assert_eq!(client["caBundle"].as_str(), tls.bundle, "{values}");
            assert_eq!(client["url"].is_null(), tls.name == by_service, "{values}");
            assert_eq!(client["service"].is_null(), tls.name == by_url, "{values}");
        }
        let arguments = objects.operator_arguments()?;
        let has = |argument| arguments.contains(&argument);
        assert_eq!(
            has("--webhook-configuration=mintage"),
            tls.written,
            "{values}"
        );
        assert!(has(tls.name), "{values}");
        let given = |argument: &&str| {
            argument
                .strip_prefix("--webhook-tls-secret=")
                .map(str::to_owned)
        };
        let given = arguments.iter().find_map(given);
        assert_eq!(given.as_deref(), tls.given, "{values}");
    }
    Ok(())
}

#[test]
fn cert_manager_is_told_what_to_make_and_where_to_put_the_ca() -> Result<()> {
    let Some(helm) =
        helm::find("webhook::cert_manager_is_told_what_to_make_and_where_to_put_the_ca")?
    else {
        return Ok(());
    };
    let objects = helm.render(&json!({ "webhook": { "tls": { "mode": "certManager" } } }))?;
    let configuration = objects.one("MutatingWebhookConfiguration", "mintage")?;
    assert_eq!(
        configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
        "mintage-system/mintage-webhook-certificate"
    );
    let certificate = objects.one("Certificate", "mintage-webhook-certificate")?;
    let spec = &certificate["spec"];
    assert_eq!(spec["secretName"], "mintage-webhook-certificate");
    let service = "mintage-webhook.mintage-system.svc";
    let feed = "mintage-feed.mintage-system.svc";
    assert_eq!(spec["dnsNames"], json!([service, feed]));
    let issuer = spec["issuerRef"]["name"].as_str().unwrap();
    let issuer = objects.one("Issuer", issuer)?;
    assert_eq!(issuer["spec"], json!({ "selfSigned": {} }));

    let given = json!({ "name": "ca", "kind": "ClusterIssuer" });
    let url = "https://in.example.com/inject";
    let objects = helm.render(&json!({ "webhook": {
        "url": url, "tls": { "mode": "certManager", "certManager": { "issuerRef": given } },
    } }))?;
    let certificate = objects.one("Certificate", "mintage-webhook-certificate")?;
    assert_eq!(certificate["spec"]["issuerRef"], given);
    assert_eq!(
        certificate["spec"]["dnsNames"],
        json!(["in.example.com", feed])
    );
    assert_eq!(objects.of_kind("Issuer").count(), 0);
    // Without cert-manager nothing asks for its kinds.
    let objects = helm.render(&json!({}))?;
    assert_eq!(objects.of_kind("Certificate").count(), 0);
    assert_eq!(objects.of_kind("Issuer").count(), 0);
    Ok(())
}

#[test]
fn without_the_webhook_there_is_nothing_of_it() -> Result<()> {
    let Some(helm) = helm::find("webhook::without_the_webhook_there_is_nothing_of_it")? else {
        return Ok(());
    };
    let tls = json!({ "mode": "certManager" });
    let without = json!({ "enabled": false, "tls": tls });
    let values = json!({ "webhook": without, "endpoints": { "enabled": false } });
    let objects = helm.render(&values)?;
    assert_eq!(objects.of_kind("MutatingWebhookConfiguration").count(), 0);
    assert_eq!(objects.of_kind("Certificate").count(), 0);
    assert!(objects.get("Service", "mintage-webhook").is_none());
    let arguments = objects.operator_arguments()?;
    let touching = |word: &&&str| word.starts_with("--webhook") || word.starts_with("--sidecar");
    assert_eq!(arguments.iter().find(touching), None);
    // Endpoints run the sidecar's image, and ask for nothing else that sidecars have.
    let objects = helm.render(&json!({ "webhook": without }))?;
    let arguments = objects.operator_arguments()?;
    let touching: Vec<&str> = arguments.iter().filter(touching).copied().collect();
    assert!(
        matches!(touching[..], [image] if image.starts_with("--sidecar-image=")),
        "{touching:?}"
    );
    let policy = objects.one("NetworkPolicy", "mintage")?;
    assert_eq!(policy["spec"]["ingress"].as_array().unwrap().len(), 1);
    Ok(())
}
