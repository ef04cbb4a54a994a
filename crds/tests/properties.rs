//! Nothing that a file can hold makes the loader panic.

use mintage_crds::{
    Validator,
    manifest::{Text, parse},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[0-9]{1,5}(h|m|s|ms|d)".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(field(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A field's name: mostly one that a schema has.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => prop::sample::select(vec![
            "metadata", "name", "namespace", "labels", "spec", "domain", "tenantRef", "identifier", "scopes", "grants",
            "workload", "application", "serviceAccount", "allowedNamespaces", "from", "selector", "matchLabels",
            "matchExpressions", "key", "operator", "values", "signing", "rotationPeriod", "propagationDelay", "jwks",
            "allowNonRsa", "maxBundleAge", "tls", "secretName", "issuerRef", "verification", "method", "status", "type",
            "redirectUris", "webOrigins", "grantTypes", "tokenEndpointAuthMethod", "refreshTokens", "leeway", "endpoint",
            "replicas", "store", "urlSecretRef", "login", "connections", "users", "oidc", "session", "lifetime",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in "\\PC{0,400}") {
        let _ = parse(&[Text { file: "f".into(), text }]);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&[Text { file: "f".into(), text: String::from_utf8_lossy(&bytes).into_owned() }]);
    }

    #[test]
    fn anything_like_yaml_is_survived(
        lines in prop::collection::vec("( ){0,6}(- |\\? |: |<<: |\\* ?|&a |\\*a |a: |kind: |!!int |!x |\\[|\\{|\\]|\\}|\"|'|---|\\.\\.\\.|%|# |\t){0,4}(yes|0x1f|1_0|~|x)?", 0..20)
    ) {
        let _ = parse(&[Text { file: "f".into(), text: lines.join("\n") }]);
    }

    /// What is judged twice is judged the same, and defaults come to rest.
    #[test]
    fn any_object_is_judged(
        kind in prop::sample::select(vec!["Tenant", "ApiAudience", "Application", "CustomDomain"]),
        spec in any_json(),
        metadata in any_json(),
    ) {
        let object = json!({
            "apiVersion": "mintage.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
        });
        let validator = Validator::of(kind).expect("a kind of ours");
        let outcome = validator.validate(&object, None);
        prop_assert_eq!(&outcome, &validator.validate(&object, None));
        let again = validator.validate(&outcome.object, None);
        prop_assert_eq!(&again.object, &outcome.object);
        validator.validate(&object, Some(&outcome.object));
    }

    /// JSON is YAML: a value written as JSON is read as itself.
    #[test]
    fn json_reads_as_itself(value in any_json()) {
        let text = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": value }).to_string();
        prop_assert!(parse(&[Text { file: "f.json".into(), text: text.clone() }]).is_ok(), "{}", text);
    }
}
