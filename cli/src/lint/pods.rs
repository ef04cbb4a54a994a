//! Pods: their tenant, and what their annotations name.

use std::collections::BTreeMap;

use mintage_core::inject::{ACCEPT_AUDIENCES, DOMAIN, POD_LABEL, PodWishes, TENANT};
use mintage_core::inject::{namespace_opts_in, pod_opts_in};
use mintage_core::world::Audience;
use mintage_core::{Namespace, TenantRef, WorkloadId};
use mintage_crds::manifest::{Located, Workload};

use super::{Code, Finding, View};
use crate::place;

/// Looks at everything that makes pods, and at the APIs that no pod says it is.
pub fn look(view: &View<'_>, findings: &mut Vec<Finding>) {
    let pods = || {
        view.manifests
            .workloads
            .iter()
            .filter(|one| one.object.kind != "ServiceAccount")
            .filter_map(|one| Some((one, read(&one.object)?)))
    };
    for (pod, (id, wishes)) in pods() {
        if !has_sidecar(view, &pod.object) {
            continue;
        }
        match view.folder.tenant_of(&id, &wishes) {
            Ok(tenant) => {
                accepts(view, pod, &id.namespace, &tenant, &wishes, findings);
                domain(view, pod, &tenant, &wishes, findings);
            }
            Err(reason) => findings.push(Finding {
                code: Code::PodWithoutTenant,
                place: if wishes.tenant.is_some() {
                    place::in_pods(pod, TENANT)
                } else {
                    place::of_workload(pod)
                },
                text: reason.to_string(),
            }),
        }
    }
    let mut by_namespace: BTreeMap<(&Namespace, &TenantRef), Vec<&Audience>> = BTreeMap::new();
    for audience in &view.folder.world.audiences {
        by_namespace
            .entry((&audience.at.namespace, &audience.tenant))
            .or_default()
            .push(audience);
    }
    for ((namespace, _), audiences) in by_namespace {
        let own: Vec<PodWishes> = pods()
            .filter(|(_, (id, _))| id.namespace == *namespace)
            .map(|(_, (_, wishes))| wishes)
            .collect();
        // One alone is accepted without a word, and without pods in the folder nobody can say it.
        if audiences.len() < 2 || own.is_empty() {
            continue;
        }
        for audience in audiences {
            if own
                .iter()
                .any(|wishes| wishes.accept.contains(&audience.at.name))
            {
                continue;
            }
            let place = place::of_audience(view.manifests, &audience.at, "");
            findings.extend(place.map(|place| Finding {
                code: Code::AcceptMissing,
                place,
                text: format!(
                    "{namespace} has several ApiAudiences, and no pod of it names this one in {ACCEPT_AUDIENCES}, so its tokens are refused everywhere: annotate the pods that are this API"
                ),
            }));
        }
    }
}

/// The identity of the pods and what they ask for; a malformed annotation was said when the folder was observed.
fn read(workload: &Workload) -> Option<(WorkloadId, PodWishes)> {
    let id = format!("{}/{}", workload.namespace, workload.service_account);
    Some((
        WorkloadId::parse(&id).ok()?,
        PodWishes::parse(&workload.annotations).ok()?,
    ))
}

fn has_sidecar(view: &View<'_>, pod: &Workload) -> bool {
    let mut namespaces = view.manifests.namespaces.iter();
    let enabled = namespaces
        .any(|one| one.object.name == pod.namespace && namespace_opts_in(&one.object.labels));
    let refuses = pod
        .labels
        .get(POD_LABEL)
        .is_some_and(|value| value == "false");
    pod_opts_in(&pod.labels) || (enabled && !refuses)
}

fn accepts(
    view: &View<'_>,
    pod: &Located<Workload>,
    namespace: &Namespace,
    tenant: &TenantRef,
    wishes: &PodWishes,
    findings: &mut Vec<Finding>,
) {
    for name in &wishes.accept {
        let mut audiences = view.folder.world.audiences.iter();
        let known = audiences.any(|audience| {
            audience.at.namespace == *namespace
                && audience.at.name == *name
                && audience.tenant == *tenant
        });
        if !known {
            findings.push(Finding {
                code: Code::AcceptUnknown,
                place: place::in_pods(pod, ACCEPT_AUDIENCES),
                text: format!(
                    "namespace {namespace} has no ApiAudience {name} of tenant {tenant}, so these pods refuse every token: correct the name"
                ),
            });
        }
    }
}

fn domain(
    view: &View<'_>,
    pod: &Located<Workload>,
    tenant: &TenantRef,
    wishes: &PodWishes,
    findings: &mut Vec<Finding>,
) {
    let Some(domain) = &wishes.domain else { return };
    let world = &view.folder.world;
    let own = world
        .tenants
        .iter()
        .any(|one| one.at == *tenant && one.domain == *domain);
    let custom = world
        .domains
        .iter()
        .any(|one| one.tenant == *tenant && one.domain == *domain);
    if !own && !custom {
        findings.push(Finding {
            code: Code::PodDomainUnknown,
            place: place::in_pods(pod, DOMAIN),
            text: format!(
                "tenant {tenant} has no domain {domain}, so these pods get no token: correct the annotation, or add a CustomDomain"
            ),
        });
    }
}
