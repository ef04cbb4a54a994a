//! The operator: whether it runs, and whether somebody leads.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use mintage_core::UnixTime;

use super::Findings;
use super::look::{LEASE, Look};
use crate::output;

const NOTHING_IS_DONE: &str = "nothing that is declared takes effect, no key is rotated or revoked, and past maxBundleAge sidecars refuse everything";

/// Looks at the Lease and the Deployment. An operator may run outside the cluster: then there is a Lease alone.
pub fn examine(look: &Look, now: UnixTime, findings: &mut Findings) {
    let deployments = look.deployments.as_deref().unwrap_or_default();
    for deployment in deployments {
        not_ready(deployment, findings);
    }
    let Some(leases) = &look.leases else { return };
    let Some(lease) = leases.iter().max_by_key(|lease| renewed(lease)) else {
        let mend = if deployments.is_empty() && look.deployments.is_some() {
            "install it: helm install mintage charts/mintage --namespace mintage-system --create-namespace"
        } else {
            "its log says why it does not stand for election: kubectl logs -n mintage-system -l app.kubernetes.io/component=operator"
        };
        findings.add(
            "operator-missing",
            format!("Lease {LEASE}"),
            "there is none: no operator has ever led here",
            NOTHING_IS_DONE,
            mend,
        );
        return;
    };
    let namespace = lease.metadata.namespace.as_deref().unwrap_or_default();
    let object = format!("Lease {namespace}/{LEASE}");
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
    let holder = holder.filter(|holder| !holder.is_empty());
    let lasts = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .unwrap_or(15);
    let age = renewed(lease).map(|renewed| now.0 - renewed);
    let mend = format!(
        "see whether it runs and what its log says: kubectl get pods -n {namespace}, kubectl logs -n {namespace} -l app.kubernetes.io/component=operator"
    );
    match (holder, age) {
        (None, _) => findings.add(
            "operator-without-leader",
            object,
            "nobody holds it",
            NOTHING_IS_DONE,
            mend,
        ),
        (Some(holder), Some(age)) if age > 2 * i64::from(lasts) => findings.add(
            "operator-without-leader",
            object,
            format!(
                "{holder} has not renewed it for {}, and nobody has taken over",
                output::length(age)
            ),
            NOTHING_IS_DONE,
            mend,
        ),
        _ => {}
    }
}

fn renewed(lease: &Lease) -> Option<i64> {
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?;
    Some(renewed.0.as_second())
}

fn not_ready(deployment: &Deployment, findings: &mut Findings) {
    let meta = &deployment.metadata;
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let name = meta.name.as_deref().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let wanted = wanted.unwrap_or(1);
    let status = deployment.status.as_ref();
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
    if wanted == 0 || ready < wanted {
        let matters = if ready == 0 {
            "nothing that is declared takes effect, and pods that ask for a sidecar are refused"
        } else {
            "with the next failure nobody is left to answer the webhook"
        };
        findings.add(
            "operator-not-ready",
            format!("Deployment {namespace}/{name}"),
            format!("{ready} of {wanted} pods are ready"),
            matters,
            format!("kubectl describe pods -n {namespace} -l app.kubernetes.io/component=operator; scale it up if it has no pods"),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime(1_767_225_700);

    fn lease(holder: &str, renewed: &str) -> Lease {
        serde_json::from_value(json!({
            "metadata": { "name": LEASE, "namespace": "mintage-system" },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed },
        }))
        .unwrap()
    }

    fn deployment(wanted: i32, ready: i32) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "name": "mintage", "namespace": "mintage-system" },
            "spec": { "replicas": wanted, "selector": {}, "template": {} },
            "status": { "readyReplicas": ready },
        }))
        .unwrap()
    }

    fn codes(leases: Vec<Lease>, deployments: Vec<Deployment>) -> Vec<&'static str> {
        let mut findings = Findings::default();
        let look = Look {
            leases: Some(leases),
            deployments: Some(deployments),
            ..Look::nothing()
        };
        examine(&look, NOW, &mut findings);
        findings.codes()
    }

    #[test]
    fn an_operator_that_leads_is_all_that_it_takes() {
        // 100 s, 25 s and 3 s before.
        let long_ago = lease("a", "2026-01-01T00:00:00.000000Z");
        let late = lease("a", "2026-01-01T00:01:15.000000Z");
        let fresh = lease("a", "2026-01-01T00:01:37.000000Z");
        let released = lease("", "2026-01-01T00:01:37.000000Z");
        let no_leader = ["operator-without-leader"];
        assert_eq!(codes(vec![fresh.clone()], vec![]), [""; 0]);
        assert_eq!(
            codes(vec![long_ago.clone(), fresh.clone()], vec![]),
            [""; 0]
        );
        assert_eq!(
            codes(vec![late], vec![]),
            [""; 0],
            "somebody is taking over"
        );
        assert_eq!(codes(vec![long_ago], vec![]), no_leader);
        assert_eq!(codes(vec![released], vec![]), no_leader);
        assert_eq!(codes(vec![], vec![]), ["operator-missing"]);
        assert_eq!(codes(vec![fresh.clone()], vec![deployment(2, 2)]), [""; 0]);
        for (wanted, ready) in [(2, 1), (2, 0), (0, 0)] {
            let found = codes(vec![fresh.clone()], vec![deployment(wanted, ready)]);
            assert_eq!(found, ["operator-not-ready"]);
        }
    }
}
