//! Documents of manifests: what is read, and what is said about what can't be.

#![expect(
    clippy::unwrap_used,
    reason = "what is unwrapped is what the test expects"
)]

mod folder;

use std::fmt::Write;

use folder::{AUDIENCE, TENANT, folder, folder_errors};
use mintage_crds::{
    LoadError, Manifests,
    manifest::{Text, parse},
};

fn one(text: &str) -> Result<Manifests, Vec<LoadError>> {
    parse(&[Text {
        file: "f.yaml".into(),
        text: text.to_owned(),
    }])
}

fn errors(text: &str) -> Vec<String> {
    one(text)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn problems_of_documents() {
    for (text, expected) in [
        (
            "hello",
            "f.yaml:1: this is no Kubernetes object: it has no fields (begin it with apiVersion, kind and metadata)",
        ),
        (
            "- a\n- b\n",
            "f.yaml:1: this is no Kubernetes object: it has no fields (begin it with apiVersion, kind and metadata)",
        ),
        (
            "\n\nkind: Tenant\n",
            "f.yaml:3: this is no Kubernetes object: its apiVersion is missing (add one, for example apiVersion: mintage.dev/v1alpha1)",
        ),
        (
            "apiVersion: v1\n",
            "f.yaml:1: this is no Kubernetes object: its kind is missing (add one, for example kind: ApiAudience)",
        ),
        (
            "apiVersion: mintage.dev/v1\nkind: Tenant\n",
            "f.yaml:1: there is no Tenant in mintage.dev/v1 (write apiVersion: mintage.dev/v1alpha1, and a kind of ApiAudience, Application, CustomDomain, Tenant)",
        ),
        (
            "apiVersion: mintage.dev/v1alpha1\nkind: Tenent\n",
            "f.yaml:1: there is no Tenent in mintage.dev/v1alpha1 (write apiVersion: mintage.dev/v1alpha1, and a kind of ApiAudience, Application, CustomDomain, Tenant)",
        ),
        (
            "a: 1\nb: 2\na: 3\napiVersion: v1\nkind: X\n",
            "f.yaml:3: the key a is there before, on line 1 (take one of the two out)",
        ),
        (
            "a: .inf\n",
            "f.yaml:1: .inf is no number that Kubernetes can store (write another value)",
        ),
        (
            "a: !secret x\n",
            "f.yaml:1: the tag !secret has no meaning here (take it out)",
        ),
        (
            "? [a]\n: b\n",
            "f.yaml:1: a key must be one word (put it in quotes if it is)",
        ),
        (
            "~: b\n",
            "f.yaml:1: a key is empty (write a name before the colon)",
        ),
        (
            "a: &x [*x]\n",
            "f.yaml:1: an alias stands for what it is in (write the values out instead of using aliases)",
        ),
        (
            "<<: 5\n",
            "f.yaml:1: '<<' takes a mapping or a list of mappings (give it one, or put it in quotes)",
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: A.b}\n",
            "f.yaml:3: metadata.name: Invalid value: \"A.b\": must be a DNS label: lower case letters, digits and '-', with a letter or digit first and last",
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    on: yes\n",
            "f.yaml:6: metadata.labels.true: Invalid value: true: must be a string (write it in quotes)",
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n",
            "f.yaml:4: spec.template: Required value (add the template of the pods)",
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    metadata:\n      labels:\n        a: 5\n",
            "f.yaml:8: spec.template.metadata.labels.a: Invalid value: 5: must be a string (write it in quotes)",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {serviceAccountName: [x]}\n",
            "f.yaml:4: spec.serviceAccountName: Invalid value: [\"x\"]: must be a string (write it in quotes)",
        ),
    ] {
        assert_eq!(errors(text), [expected], "{text}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    for (text, place) in [
        ("a: [b\n", "f.yaml:1:4:"),
        ("a: b\n  c: d\n", "f.yaml:2:4:"),
        ("a: *gone\n", "f.yaml:1:4:"),
        ("a: \"b\nc: d\n", "f.yaml:"),
        ("a: b: c\n", "f.yaml:1:5:"),
        ("@a\n", "f.yaml:1:1:"),
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].starts_with(place), "{text}: {errors:?}");
        assert!(errors[0].contains("this is no YAML"), "{text}: {errors:?}");
    }
}

#[test]
fn documents_before_a_syntax_error_are_judged_too() {
    let text = format!("{}---\na: [\n", TENANT.replace("7743", "443"));
    let errors = errors(&text);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].starts_with("f.yaml:7: spec.domain: Invalid value"),
        "{errors:?}"
    );
    assert!(errors[1].contains("this is no YAML"), "{errors:?}");
}

#[test]
fn two_objects_of_one_name_are_both_named() {
    let folder = folder(&[("a.yaml", TENANT), ("b.yaml", &format!("\n{TENANT}"))]);
    assert_eq!(
        folder_errors(folder.path()),
        [
            "b.yaml:5: Tenant identity/acme is declared before, at a.yaml:4 (take one out, or rename it)"
        ]
    );
    // The same name in another namespace or of another kind is another object; `default` is a namespace like others.
    let mut other = TENANT.replace("identity", "default");
    assert!(one(&format!("{TENANT}---\n{other}---\n{AUDIENCE}")).is_ok());
    other = other.replace("  namespace: default\n", "");
    assert_eq!(
        errors(&format!(
            "{other}---\n{}",
            TENANT.replace("identity", "default")
        ))
        .len(),
        1
    );
}

#[test]
fn aliases_and_merges_are_values() {
    let text = format!(
        "{}  signingAlgorithm: &alg PS256\n  scopes: &scopes\n  - {{name: a}}\n  displayName: *alg\n---\n{}",
        AUDIENCE,
        TENANT.replace(
            "metadata:\n",
            "metadata:\n  <<: {labels: {a: b}, name: not-this}\n"
        )
    );
    let manifests = one(&text).unwrap();
    assert_eq!(
        manifests.audiences[0].object.spec.display_name.as_deref(),
        Some("PS256")
    );
    let metadata = &manifests.tenants[0].object.metadata;
    assert_eq!(metadata.name.as_deref(), Some("acme"));
    assert_eq!(metadata.labels.as_ref().unwrap()["a"], "b");
}

#[test]
fn bombs_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        writeln!(laughs, "a{level}: &a{level} [{before}]").unwrap();
    }
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        writeln!(tower, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    let mut matryoshka = String::new();
    for level in 0..60 {
        write!(matryoshka, "&a{level} [").unwrap();
    }
    matryoshka.push_str(&"x, ".repeat(50_000));
    matryoshka.push_str(&"]".repeat(60));
    let long_path = format!("{}: [{}]\n", "k".repeat(60_000), "x, ".repeat(600_000));
    for (name, text) in [
        ("a billion laughs", laughs),
        ("anchors in anchors", matryoshka),
        ("a long path", long_path),
        (
            "a long text",
            format!(
                "a: &a {}\nb: [{}]\n",
                "x".repeat(1_000_000),
                "*a, ".repeat(100_000)
            ),
        ),
        (
            "a long key",
            format!(
                "a: &a {{? {} : x}}\nb: [{}]\n",
                "x".repeat(1_000_000),
                "*a, ".repeat(100_000)
            ),
        ),
        ("a tower of aliases", tower),
        ("brackets", "[".repeat(100_000)),
        ("braces", "{a: ".repeat(100_000)),
        ("dashes", "- ".repeat(100_000)),
        ("many values", "- x\n".repeat(600_000)),
    ] {
        let errors = errors(&text);
        assert_eq!(errors.len(), 1, "{name}: {errors:?}");
    }
}

#[test]
fn lists_in_lists_end() {
    let mut text = "x".to_owned();
    for _ in 0..20 {
        text = format!("{{apiVersion: v1, kind: List, items: [{text}]}}");
    }
    // Beyond the last level a List is an object like any other, which is not read.
    assert_eq!(one(&text).unwrap().ignored.len(), 1);
}

#[test]
fn changes_that_an_api_server_refuses_are_named() {
    let before = one(&format!("{TENANT}---\n{AUDIENCE}")).unwrap();
    let after = |tenant: String| {
        let manifests = one(&format!("{tenant}---\n{AUDIENCE}")).unwrap();
        let problems = manifests.forbidden_changes(&before);
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(after(format!("{TENANT}  maxBundleAge: 1h\n")).is_empty());
    assert!(
        after(
            TENANT
                .replace("name: acme", "name: other")
                .replace("7743", "7744")
        )
        .is_empty()
    );
    let problems = after(TENANT.replace("7743", "7744"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    let expected = "f.yaml:7: spec.domain: Invalid value: \"acme.localhost:7744\": the domain can't be changed";
    assert!(problems[0].starts_with(expected), "{problems:?}");
}

#[test]
fn what_an_api_server_wrote_is_not_read() {
    let text = TENANT.replace(
        "  name: acme\n",
        "  name: acme\n  uid: 9c5c5b0e-0000-4000-8000-000000000000\n  resourceVersion: '5'\n  creationTimestamp: 2026-01-01T00:00:00Z\n  managedFields: [{manager: x}]\n",
    ) + "status:\n  issuer: https://elsewhere.example.com/\n";
    let tenant = &one(&text).unwrap().tenants[0].object;
    assert_eq!(
        (tenant.metadata.uid.as_ref(), tenant.status.as_ref()),
        (None, None)
    );
}

#[test]
fn a_text_of_the_wrong_form_is_answered_with_what_is_to_be_written() {
    let tenant = "apiVersion: mintage.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme, namespace: idp}\nspec:\n  domain: acme.test\n";
    let application = "apiVersion: mintage.dev/v1alpha1\nkind: Application\nmetadata: {name: web, namespace: idp}\nspec:\n  tenantRef: {name: acme, namespace: idp}\n  type: Machine\n";
    for (text, said) in [
        (
            format!("{tenant}  login: {{theme: {{primaryColor: \"#fff\"}}}}\n"),
            "write a colour as #rrggbb",
        ),
        (
            format!("{application}  firstParty: maybe\n"),
            "write true or false, without quotes",
        ),
        (
            format!("{application}  clientSecret: {{generation: one}}\n"),
            "write a number, without quotes",
        ),
    ] {
        let found = errors(&text);
        assert!(found.iter().any(|error| error.contains(said)), "{found:#?}");
    }
}
