//! Folders of manifests: what is read, and what is said about what can't be.

#![expect(
    clippy::unwrap_used,
    reason = "a folder that can't be made fails its test"
)]

use std::{fmt::Write, fs, path::Path};

use mintage_crds::{
    LoadError, Manifests,
    audience::{Issuance, SigningAlgorithm},
    load,
    manifest::{Text, parse},
};

const TENANT: &str = "\
apiVersion: mintage.dev/v1alpha1
kind: Tenant
metadata:
  name: acme
  namespace: identity
spec:
  domain: acme.localhost:7743
";

const AUDIENCE: &str = "\
apiVersion: mintage.dev/v1alpha1
kind: ApiAudience
metadata:
  name: orders
  namespace: orders
spec:
  tenantRef:
    name: acme
    namespace: identity
  identifier: https://orders.example.com
";

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

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Errors of a folder, with the folder's own path taken out.
fn folder_errors(path: &Path) -> Vec<String> {
    let root = format!("{}/", path.display());
    load(path)
        .unwrap_err()
        .iter()
        .map(|error| error.to_string().replace(&root, ""))
        .collect()
}

#[test]
fn a_folder_is_read_with_its_defaults() {
    let folder = folder(&[
        (
            "10-tenant.yaml",
            &format!("# Acme\n---\n{TENANT}---\n# nothing\n---\n"),
        ),
        ("apis/orders.yml", AUDIENCE),
        (
            "domain.json",
            "{\n\t\"apiVersion\": \"mintage.dev/v1alpha1\", \"kind\": \"CustomDomain\",\n\t\"metadata\": {\"name\": \"login\", \"namespace\": \"identity\"},\n\t\"spec\": {\"tenantRef\": {\"name\": \"acme\"}, \"domain\": \"login.acme.localhost:7743\"}\n}\n",
        ),
        (
            "shop.yaml",
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: shop, labels: {acme.example.com/tenant: \"true\"}}\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: checkout, namespace: shop}\n  spec:\n    template:\n      metadata:\n        labels: {app: checkout}\n        annotations: {mintage.dev/tenant: identity/acme}\n      spec: {serviceAccountName: checkout, containers: []}\n- apiVersion: batch/v1\n  kind: CronJob\n  metadata: {name: nightly, namespace: shop}\n  spec: {jobTemplate: {spec: {template: {spec: {}}}}}\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: checkout}\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: settings}\n",
        ),
        ("README.md", "not: [a manifest"),
        (".hidden.yaml", "not: [a manifest"),
        (".git/x.yaml", "not: [a manifest"),
        ("kustomization.yaml", "resources: []\n"),
        ("empty.yaml", ""),
    ]);
    let manifests = load(folder.path()).unwrap();
    let tenant = &manifests.tenants[0];
    assert_eq!(tenant.object.spec.domain, "acme.localhost:7743");
    assert_eq!(
        tenant.object.spec.signing.rotation_period.as_secs(),
        720 * 3600
    );
    assert!(
        tenant
            .source
            .at("")
            .to_string()
            .ends_with("10-tenant.yaml:3")
    );
    assert!(
        tenant
            .source
            .at("spec.domain")
            .to_string()
            .ends_with("10-tenant.yaml:9")
    );
    let audience = &manifests.audiences[0].object.spec;
    assert_eq!(
        (audience.signing_algorithm, audience.issuance),
        (SigningAlgorithm::RS256, Issuance::Local)
    );
    assert_eq!(
        (
            audience.token_lifetime_seconds,
            audience.token_lifetime_for_web_seconds
        ),
        (86_400, 7_200)
    );
    let domain = &manifests.domains[0];
    assert_eq!(domain.object.spec.domain, "login.acme.localhost:7743");
    assert!(
        domain
            .source
            .at("spec.domain")
            .to_string()
            .ends_with("domain.json:4")
    );
    let namespace = &manifests.namespaces[0];
    assert_eq!(namespace.object.labels["acme.example.com/tenant"], "true");
    let workloads: Vec<_> = manifests
        .workloads
        .iter()
        .map(|workload| {
            let object = &workload.object;
            (
                object.kind.as_str(),
                format!("{}/{}", object.namespace, object.service_account),
                workload.source.at("").line,
            )
        })
        .collect();
    assert_eq!(
        workloads,
        [
            ("Deployment", "shop/checkout".to_owned(), 7),
            ("CronJob", "shop/default".to_owned(), 16),
            ("ServiceAccount", "default/checkout".to_owned(), 20),
        ]
    );
    assert_eq!(
        manifests.workloads[0].object.annotations["mintage.dev/tenant"],
        "identity/acme"
    );
    assert_eq!(manifests.workloads[0].object.labels["app"], "checkout");
    let ignored = &manifests.ignored[0];
    assert_eq!(
        (ignored.object.kind.as_str(), ignored.object.name.as_str()),
        ("ConfigMap", "settings")
    );
    assert!(ignored.source.at("").to_string().ends_with("shop.yaml:23"));
}

#[test]
fn a_single_file_is_read() {
    let folder = folder(&[("a.yaml", TENANT), ("b.yaml", "not: [a manifest")]);
    assert_eq!(
        load(&folder.path().join("a.yaml")).unwrap().tenants.len(),
        1
    );
}

#[test]
fn every_problem_of_the_folder_is_named_at_once() {
    let folder = folder(&[
        (
            "a.yaml",
            &format!(
                "{TENANT}  displayName: yes\n---\n{}",
                AUDIENCE.replace("https://orders.example.com", "'a b'")
            ),
        ),
        ("b.yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n\tx: y\n"),
        (
            "c.yaml",
            &AUDIENCE
                .replace("orders\n", "Orders\n")
                .replace("  identifier", "  identifer"),
        ),
    ]);
    assert_eq!(
        folder_errors(folder.path()),
        [
            "a.yaml:8: spec.displayName: Invalid value: \"boolean\": spec.displayName in body must be of type string: \"boolean\" (write it in quotes: a bare yes, no, on, off, true or false is a boolean)",
            "a.yaml:19: spec.identifier: Invalid value: \"a b\": spec.identifier in body should match '^[!\"$-~]+$' (use printable ASCII without spaces and without '#': percent-encode the rest)",
            "b.yaml:4:2: this is no YAML: tabs disallowed within this context (block indentation) (indent with spaces instead of tabs)",
            "c.yaml:4: metadata.name: Invalid value: \"Orders\": must be a DNS subdomain: lower case letters, digits, '-' and '.', with a letter or digit first and last in each part",
            "c.yaml:5: metadata.namespace: Invalid value: \"Orders\": must be a DNS label: lower case letters, digits and '-', with a letter or digit first and last",
            "c.yaml:6: spec.identifier: Required value (add identifier)",
            "c.yaml:10: spec.identifer: Unknown field (did you mean identifier?)",
        ]
    );
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
            "f.yaml:1: there is no Tenant in mintage.dev/v1 (write apiVersion: mintage.dev/v1alpha1, and a kind of ApiAudience, CustomDomain, Tenant)",
        ),
        (
            "apiVersion: mintage.dev/v1alpha1\nkind: Tenent\n",
            "f.yaml:1: there is no Tenent in mintage.dev/v1alpha1 (write apiVersion: mintage.dev/v1alpha1, and a kind of ApiAudience, CustomDomain, Tenant)",
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
fn files_that_are_no_manifests_are_named() {
    let folder = folder(&[("big.yaml", &"#".repeat(5 * 1024 * 1024))]);
    fs::write(folder.path().join("latin.yaml"), b"name: caf\xe9\n").unwrap();
    assert_eq!(
        folder_errors(folder.path()),
        [
            "big.yaml: the file is larger than 4 MiB (split it, or move it out of the folder)",
            "latin.yaml: the file is not UTF-8 from byte 9 on (save it as UTF-8)",
        ]
    );
    let missing = load(&folder.path().join("nowhere")).unwrap_err();
    assert!(
        missing[0].to_string().contains("can't be read"),
        "{}",
        missing[0]
    );
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    /// As kubelet mounts a `ConfigMap`: each file is a link through a hidden folder that is swapped.
    #[test]
    fn a_mounted_config_map_is_read_once() {
        let folder = folder(&[("..2026_01/tenant.yaml", TENANT)]);
        symlink("..2026_01", folder.path().join("..data")).unwrap();
        symlink("..data/tenant.yaml", folder.path().join("tenant.yaml")).unwrap();
        symlink("tenant.yaml", folder.path().join("again.yaml")).unwrap();
        let manifests = load(folder.path()).unwrap();
        assert_eq!(manifests.tenants.len(), 1);
        assert!(
            manifests.tenants[0]
                .source
                .at("")
                .to_string()
                .ends_with("/again.yaml:1")
        );
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused() {
        let outside = folder(&[("secret.yaml", TENANT), ("more/tenant.yaml", TENANT)]);
        let folder = folder(&[("a.yaml", AUDIENCE)]);
        symlink(
            outside.path().join("secret.yaml"),
            folder.path().join("secret.yaml"),
        )
        .unwrap();
        symlink(outside.path().join("more"), folder.path().join("more")).unwrap();
        symlink("nowhere", folder.path().join("dangling.yaml")).unwrap();
        symlink("nowhere", folder.path().join("dangling.txt")).unwrap();
        let errors = folder_errors(folder.path());
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(
            errors[0].starts_with("dangling.yaml: can't be read"),
            "{errors:?}"
        );
        assert_eq!(
            errors[1],
            "more: the link leads out of the folder (copy the file into it)"
        );
        assert_eq!(
            errors[2],
            "secret.yaml: the link leads out of the folder (copy the file into it)"
        );
    }

    #[test]
    fn a_loop_of_links_ends() {
        let folder = folder(&[("sub/a.yaml", AUDIENCE)]);
        symlink("..", folder.path().join("sub/up")).unwrap();
        symlink("self", folder.path().join("self")).unwrap();
        assert_eq!(load(folder.path()).unwrap().audiences.len(), 1);
    }
}
