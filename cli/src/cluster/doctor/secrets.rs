//! Keyrings and bundles: whether each namespace has its own, and whether they are renewed.

use mintage_core::inject::PodWishes;
use mintage_core::{ObjectName, UnixTime, WorkloadId, managed};

use super::Findings;
use super::look::Look;
use crate::Failure;
use crate::output;

/// Looks at every namespace that asks for keys and has a tenant.
pub fn examine(look: &Look, now: UnixTime, findings: &mut Findings) -> Result<(), Failure> {
    let Some(secrets) = &look.secrets else {
        return Ok(());
    };
    let folder = look.seen.folder(None)?;
    // Another tenant than the ones that were seen may be meant.
    let sure = !look.seen.gaps.tenants;
    let anybody = ObjectName::parse("default").map_err(Failure::input)?;
    for (namespace, info) in &folder.world.namespaces {
        if !sure || !info.opted_in || !look.concerns(namespace.as_str()) {
            continue;
        }
        let workload = WorkloadId::new(namespace.clone(), anybody.clone());
        // Without a tenant there is nothing to have, which is a finding of its own.
        let Ok(tenant) = folder.tenant_of(&workload, &PodWishes::default()) else {
            continue;
        };
        let keyring = managed::keyring(&tenant);
        for (what, name) in [
            ("keyring", keyring),
            ("bundle", managed::bundle(&tenant, 0)),
        ] {
            if secrets.contains(&(namespace.to_string(), name.clone())) {
                continue;
            }
            let matters = match what {
                "keyring" => "pods with a sidecar do not start: kubelet waits for the Secret",
                _ => "its sidecars have nothing to answer from, and its pods do not become ready",
            };
            findings.add(
                if what == "keyring" { "keyring-missing" } else { "bundle-missing" },
                format!("Secret {namespace}/{name}"),
                format!("the {what} of namespace {namespace} under tenant {tenant} is not there"),
                matters,
                "the operator makes it within seconds when it runs and leads and the Tenant is ready; see the findings about these",
            );
        }
    }
    for ((tenant, namespace), bundle) in &look.bundles {
        let (age, most) = (now - bundle.renewed_at, bundle.body.max_age);
        if age <= most / 2 || !look.concerns(namespace.as_str()) {
            continue;
        }
        let found = format!(
            "it was confirmed {} ago; tenant {tenant} allows {}",
            output::length(age),
            output::length(most)
        );
        let object = format!("Secret {namespace}/{}", managed::bundle(tenant, 0));
        let mend = "see why the operator does not renew it: it must run and lead, and its log (kubectl logs -n mintage-system -l app.kubernetes.io/component=operator) names what it cannot write";
        if age > most {
            let matters = "sidecars that start now refuse everything, and the others do as soon as they have read it";
            findings.add("bundle-too-old", object, found, matters, mend);
        } else {
            let matters = "past that age sidecars refuse everything";
            findings.add("bundle-not-renewed", object, found, matters, mend);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mintage_core::plan::{Input, plan};
    use serde_json::json;

    use super::*;
    use crate::cluster::seen::Seen;

    const NOW: UnixTime = UnixTime(1_767_225_600);

    /// A namespace that asks for keys, under a tenant whose bundles live for a day; and the bundle.
    fn look(secrets: &[&str]) -> Look {
        let mut seen = Seen::default();
        let labels = json!({ "mintage.dev/injection": "enabled" });
        seen.take(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": labels },
        }));
        seen.take(&json!({
            "apiVersion": "mintage.dev/v1alpha1", "kind": "Tenant",
            "metadata": { "namespace": "identity", "name": "acme" },
            "spec": { "domain": "acme.test", "allowedNamespaces": { "from": "All" } },
        }));
        let folder = seen.folder(None).unwrap();
        let input = Input::first(&folder.world);
        let bundles = plan(NOW, input).bundles;
        assert_eq!(bundles.len(), 1);
        let secrets = secrets.iter();
        Look {
            seen,
            secrets: Some(
                secrets
                    .map(|name| ("shop".to_owned(), (*name).to_owned()))
                    .collect(),
            ),
            bundles,
            ..Look::nothing()
        }
    }

    fn codes(look: &Look, now: UnixTime) -> Vec<&'static str> {
        let mut findings = Findings::default();
        examine(look, now, &mut findings).unwrap();
        findings.codes()
    }

    const BOTH: [&str; 2] = [
        "mintage-keys.identity.acme",
        "mintage-bundle-0.identity.acme",
    ];

    #[test]
    fn each_secret_that_is_missing_is_found() {
        assert_eq!(codes(&look(&BOTH), NOW), [""; 0]);
        assert_eq!(codes(&look(&BOTH[..1]), NOW), ["bundle-missing"]);
        assert_eq!(codes(&look(&BOTH[1..]), NOW), ["keyring-missing"]);
        let elsewhere = Look {
            namespace: Some("orders".to_owned()),
            ..look(&[])
        };
        assert_eq!(codes(&elsewhere, NOW), [""; 0]);
        let unread = Look {
            secrets: None,
            bundles: BTreeMap::new(),
            ..look(&[])
        };
        assert_eq!(
            codes(&unread, NOW),
            [""; 0],
            "that nothing was read is said elsewhere"
        );
    }

    #[test]
    fn a_bundle_that_nobody_renews_is_found_before_it_is_too_old() {
        let look = look(&BOTH);
        for (hours, found) in [
            (11, &[][..]),
            (13, &["bundle-not-renewed"]),
            (25, &["bundle-too-old"]),
        ] {
            assert_eq!(
                codes(&look, UnixTime(NOW.0 + hours * 3600)),
                found,
                "{hours} h"
            );
        }
    }
}
