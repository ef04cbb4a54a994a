//! Whose tokens a pod gets.

use mintage_operator::inject::{Outcome, Settings, inject};
use serde_json::json;

use crate::cluster::{injected, name, pod, refused, snapshot};

fn of(namespace: &str, tenant: Option<&str>) -> Outcome {
    let annotations = tenant.map(|tenant| json!({ "mintage.dev/tenant": tenant }));
    let pod = pod(json!({ "metadata": { "annotations": annotations } }));
    inject(&snapshot(), &name(namespace), &pod, &Settings::default())
}

#[test]
fn the_pods_word_then_the_namespaces_then_the_only_one() {
    for (namespace, tenant, expected) in [
        ("shop", None, "identity/acme"),
        ("both", Some("identity/globex"), "identity/globex"),
        ("both", Some("identity/acme"), "identity/acme"),
        ("named", None, "identity/globex"),
        ("named", Some("identity/acme"), "identity/acme"),
        // The pod's word makes the namespace's unneeded.
        ("odd", Some("identity/acme"), "identity/acme"),
    ] {
        let injection = injected(of(namespace, tenant));
        assert_eq!(
            injection.tenant.to_string(),
            expected,
            "{namespace} {tenant:?}"
        );
        let keyring = format!("mintage-keys.{}", expected.replace('/', "."));
        assert!(injection.pod.to_string().contains(&keyring));
    }
}

#[test]
fn without_one_the_pod_is_refused() {
    for (namespace, tenant, rule, words) in [
        (
            "both",
            None,
            "tenant-ambiguous",
            "identity/acme, identity/globex",
        ),
        (
            "lonely",
            None,
            "tenant-none",
            "no tenant admits namespace lonely",
        ),
        (
            "shop",
            Some("identity/globex"),
            "tenant-not-admitted",
            "does not admit namespace shop",
        ),
        (
            "shop",
            Some("identity/acne"),
            "tenant-not-found",
            "there is no tenant identity/acne",
        ),
        (
            "odd",
            None,
            "namespace-annotation-invalid",
            "namespace odd: annotation mintage.dev/tenant",
        ),
    ] {
        let refusal = refused(of(namespace, tenant));
        assert_eq!(refusal.code(), rule, "{refusal}");
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}
