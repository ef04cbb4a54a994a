//! The admission policies as they are written; what they do is in `tests/apiserver/policies.rs`.

use anyhow::Result;
use mintage_core::{Domain, ObjectName, TenantRef, managed};
use regex::Regex;
use serde_json::{Value, json};

use crate::helm::{self, Objects};

fn policy<'a>(objects: &'a Objects, name: &str) -> Result<&'a Value> {
    objects.one("ValidatingAdmissionPolicy", name)
}

#[test]
fn every_policy_is_bound_and_refuses_in_doubt() -> Result<()> {
    let Some(helm) = helm::find("policies::every_policy_is_bound_and_refuses_in_doubt")? else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    let policies: Vec<&Value> = objects.of_kind("ValidatingAdmissionPolicy").collect();
    assert_eq!(policies.len(), 6);
    for policy in policies {
        let name = policy["metadata"]["name"].as_str().unwrap();
        assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{name}");
        let binding = objects.one("ValidatingAdmissionPolicyBinding", name)?;
        // Everywhere, with no selector to slip through.
        let expected = json!({ "policyName": name, "validationActions": ["Deny"] });
        assert_eq!(binding["spec"], expected);
        for rule in policy["spec"]["validations"].as_array().unwrap() {
            let message = rule["message"].as_str().unwrap();
            assert!(message.ends_with('.') && message.len() > 40, "{message}");
            assert_eq!(rule["reason"], "Forbidden", "{name}");
        }
    }
    let off = helm.render(&json!({ "admissionPolicies": { "enabled": false } }))?;
    assert_eq!(off.of_kind("ValidatingAdmissionPolicy").count(), 0);
    assert_eq!(off.of_kind("ValidatingAdmissionPolicyBinding").count(), 0);
    Ok(())
}

#[test]
fn the_label_and_the_names_are_those_of_the_operator() -> Result<()> {
    let Some(helm) = helm::find("policies::the_label_and_the_names_are_those_of_the_operator")?
    else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    let secrets = &policy(&objects, "mintage-managed-secrets")?["spec"];
    assert_eq!(
        secrets["matchConstraints"]["objectSelector"],
        json!({ "matchExpressions": [{ "key": managed::LABEL, "operator": "Exists" }] })
    );
    let operator = policy(&objects, "mintage-operator")?;
    for rule in operator["spec"]["validations"].as_array().unwrap() {
        let expression = rule["expression"].as_str().unwrap();
        assert!(expression.contains(&format!("'{}' in", managed::LABEL)));
    }

    let names = policy(&objects, "mintage-secret-names")?;
    let condition = &names["spec"]["matchConditions"][0]["expression"];
    let pattern = condition.as_str().unwrap();
    let pattern = pattern.split('\'').nth(1).unwrap();
    let pattern = Regex::new(pattern)?;
    let tenant = TenantRef::parse("identity/acme").unwrap();
    let name = ObjectName::parse("acme").unwrap();
    for kept in [
        managed::bundle(&tenant, 0),
        managed::bundle(&tenant, 7),
        managed::domain_claim(&Domain::parse("acme.example.com").unwrap()),
        managed::keyring(&tenant),
        managed::tenant_keyring(&name),
        managed::truth(&name, None),
        managed::truth(&name, Some("a0")),
        managed::master(&name),
        managed::reviewer(&name),
        managed::endpoint(&name, 7),
        managed::client(&name),
        managed::api(&name),
    ] {
        assert!(pattern.is_match(&kept), "{kept}");
    }
    for free in [
        "my-mintage-keys.a.b",
        "mintage-keys-backup",
        "mintage",
        "mintage-keysXa",
    ] {
        assert!(!pattern.is_match(free), "{free}");
    }
    Ok(())
}

#[test]
fn the_users_are_those_of_the_release() -> Result<()> {
    let Some(helm) = helm::find("policies::the_users_are_those_of_the_release")? else {
        return Ok(());
    };
    let velero = "system:serviceaccount:velero:velero";
    let objects = helm.render(&json!({
        "serviceAccount": { "name": "ops" },
        "admissionPolicies": { "exemptUsers": [velero] },
    }))?;
    let account = objects.one("ServiceAccount", "ops")?;
    assert_eq!(account["metadata"]["namespace"], helm::NAMESPACE);
    let pod = &objects.one("Deployment", "mintage")?["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "ops");
    for policy in objects.of_kind("ValidatingAdmissionPolicy") {
        let name = policy["metadata"]["name"].as_str().unwrap();
        let text = policy["spec"].to_string();
        assert!(
            text.contains("'system:serviceaccount:mintage-system:ops'"),
            "{name}"
        );
        assert!(!text.contains("mintage-system:mintage'"), "{name}");
        // Statuses are nobody else's, and the operator's own bounds are not for others.
        let exempt = ["mintage-managed-secrets", "mintage-secret-names"].contains(&name);
        assert_eq!(text.contains(velero), exempt, "{name}");
    }
    Ok(())
}

#[test]
fn all_kinds_with_a_status_are_covered() -> Result<()> {
    let Some(helm) = helm::find("policies::all_kinds_with_a_status_are_covered")? else {
        return Ok(());
    };
    let objects = helm.render(&json!({}))?;
    let status = &policy(&objects, "mintage-status")?["spec"];
    let rule = &status["matchConstraints"]["resourceRules"][0];
    let plurals = mintage_crds::definitions().into_iter();
    let statuses: Vec<String> = plurals
        .map(|definition| format!("{}/status", definition.spec.names.plural))
        .collect();
    assert_eq!(rule["resources"], json!(statuses));
    assert_eq!(rule["apiGroups"], json!([mintage_crds::GROUP]));
    assert_eq!(rule["apiVersions"], json!([mintage_crds::VERSION]));
    Ok(())
}
