//! Folders of manifests: which files are read, and what is said about those that can't be.

mod folder;

use std::fs;

use folder::{AUDIENCE, TENANT, folder, folder_errors};
use mintage_crds::{
    audience::{Issuance, SigningAlgorithm},
    load,
};

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
        ("web/package.json", "{}"),
        ("web/node_modules/some/settings.yaml", "not: [a manifest"),
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
            "a.yaml:19: spec.identifier: Invalid value: \"a b\": spec.identifier in body should match '^[!$-\\[\\]-~]+$' (use printable ASCII without spaces, quotes, backslashes and '#': percent-encode the rest)",
            "b.yaml:4:2: this is no YAML: tabs disallowed within this context (block indentation) (indent with spaces instead of tabs)",
            "c.yaml:4: metadata.name: Invalid value: \"Orders\": must be a DNS subdomain: lower case letters, digits, '-' and '.', with a letter or digit first and last in each part",
            "c.yaml:5: metadata.namespace: Invalid value: \"Orders\": must be a DNS label: lower case letters, digits and '-', with a letter or digit first and last",
            "c.yaml:6: spec.identifier: Required value (add identifier)",
            "c.yaml:10: spec.identifer: Unknown field (did you mean identifier?)",
        ]
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
