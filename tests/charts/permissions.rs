//! The roles are those of the table in `crds/src/permissions.rs`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use mintage_crds::permissions::{Names, OPERATOR, Permission, REVIEWER, Scope, UNINSTALL, When};
use serde_json::{Value, json};

use crate::helm::{self, Objects};

/// One thing that may be done: where, group, resource, names, verb.
type Right = (bool, String, String, Vec<String>, String);

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    let words = words.map(|word| {
        word.as_str()
            .map_or_else(|| word.to_string(), str::to_owned)
    });
    words.collect()
}

/// What a `ServiceAccount` may do by the roles that are bound to it.
fn rendered(objects: &Objects, account: &str) -> Result<BTreeSet<Right>> {
    let mut rights = BTreeSet::new();
    for (binding_kind, role_kind) in [
        ("ClusterRoleBinding", "ClusterRole"),
        ("RoleBinding", "Role"),
    ] {
        for binding in objects.of_kind(binding_kind) {
            let subjects = binding["subjects"].as_array().context("no subjects")?;
            let subject = json!({
                "kind": "ServiceAccount", "name": account, "namespace": helm::NAMESPACE,
            });
            if !subjects.contains(&subject) {
                continue;
            }
            assert_eq!(subjects.len(), 1, "{binding}");
            assert_eq!(binding["roleRef"]["kind"], role_kind);
            let role = binding["roleRef"]["name"].as_str().context("no role")?;
            let role = objects.one(role_kind, role)?;
            for rule in role["rules"].as_array().context("no rules")? {
                for group in words(&rule["apiGroups"]) {
                    for resource in words(&rule["resources"]) {
                        for verb in words(&rule["verbs"]) {
                            rights.insert((
                                role_kind == "ClusterRole",
                                group.clone(),
                                resource.clone(),
                                words(&rule["resourceNames"]),
                                verb,
                            ));
                        }
                    }
                }
            }
        }
    }
    Ok(rights)
}

fn listed(table: &[Permission], installed: &[When]) -> BTreeSet<Right> {
    let rows = table
        .iter()
        .filter(|row| row.when == When::Always || installed.contains(&row.when));
    rows.flat_map(|row| {
        let names: Vec<String> = match row.names {
            Names::Any => Vec::new(),
            Names::Reviewer => vec!["mintage-endpoints".to_owned()],
            Names::WebhookConfiguration => vec!["mintage".to_owned()],
        };
        row.resources.iter().flat_map(move |resource| {
            let names = names.clone();
            row.verbs.iter().map(move |verb| {
                (
                    row.scope == Scope::Cluster,
                    row.group.to_owned(),
                    (*resource).to_owned(),
                    names.clone(),
                    (*verb).to_owned(),
                )
            })
        })
    })
    .collect()
}

#[test]
fn the_roles_are_the_table() -> Result<()> {
    let Some(helm) = helm::find("permissions::the_roles_are_the_table")? else {
        return Ok(());
    };
    for (values, installed) in [
        (
            json!({}),
            &[When::OperatorTls, When::Endpoints, When::Feed][..],
        ),
        (
            json!({ "webhook": { "enabled": false } }),
            &[When::Endpoints],
        ),
        (
            json!({ "webhook": { "tls": { "mode": "certManager" } } }),
            &[When::Endpoints, When::Feed],
        ),
        (
            json!({ "feed": { "enabled": false } }),
            &[When::OperatorTls, When::Endpoints],
        ),
        (
            json!({ "endpoints": { "enabled": false, "gatewayApi": true, "certManager": true } }),
            &[When::OperatorTls, When::Feed],
        ),
        (
            json!({ "endpoints": { "gatewayApi": true } }),
            &[
                When::OperatorTls,
                When::Endpoints,
                When::EndpointRoutes,
                When::Feed,
            ],
        ),
        (
            json!({ "endpoints": { "certManager": true } }),
            &[
                When::OperatorTls,
                When::Endpoints,
                When::EndpointCertificates,
                When::Feed,
            ],
        ),
    ] {
        let objects = helm.render(&values)?;
        let operator = rendered(&objects, "mintage")?;
        assert_eq!(operator, listed(OPERATOR, installed), "{values}");
        let reviewer = rendered(&objects, "mintage-endpoints")?;
        assert_eq!(reviewer, listed(REVIEWER, installed), "{values}");
        let uninstall = rendered(&objects, "mintage-uninstall")?;
        assert_eq!(uninstall, listed(UNINSTALL, installed), "{values}");
    }
    Ok(())
}

#[test]
fn nothing_else_is_bound_to_anybody() -> Result<()> {
    let Some(helm) = helm::find("permissions::nothing_else_is_bound_to_anybody")? else {
        return Ok(());
    };
    let objects = helm.render(&helm::everything())?;
    assert_eq!(objects.of_kind("ClusterRoleBinding").count(), 3);
    assert_eq!(objects.of_kind("RoleBinding").count(), 2);
    for kind in ["ClusterRole", "Role"] {
        for role in objects.of_kind(kind) {
            assert!(!role["rules"].to_string().contains('*'), "{role}");
        }
    }
    Ok(())
}

#[test]
fn tenants_are_written_by_cluster_admins_only() -> Result<()> {
    let Some(helm) = helm::find("permissions::tenants_are_written_by_cluster_admins_only")? else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    let mut aggregated = 0;
    for role in objects.of_kind("ClusterRole") {
        let labels = role["metadata"]["labels"].as_object().unwrap();
        let to = |who: &str| {
            let label = format!("rbac.authorization.k8s.io/aggregate-to-{who}");
            labels.get(&label).is_some_and(|value| value == "true")
        };
        if !(to("view") || to("edit") || to("admin")) {
            continue;
        }
        aggregated += 1;
        for rule in role["rules"].as_array().unwrap() {
            let reads = words(&rule["verbs"]) == ["get", "list", "watch"];
            // Who may see may not change, and who may change may not change Tenants.
            assert!(reads || !to("view"), "{role}");
            let resources = words(&rule["resources"]);
            assert!(
                reads || !resources.contains(&"tenants".to_owned()),
                "{role}"
            );
            assert!(!resources.iter().any(|name| name.contains('/')), "{role}");
        }
        assert!(to("admin") && to("edit"), "{role}");
    }
    assert_eq!(aggregated, 2);
    Ok(())
}
