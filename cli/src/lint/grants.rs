//! Grants, and the scopes that they give.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::ownership::{Kind, Object};
use mintage_core::world::{Audience, Grant, Grantee, Issuance, Tenant};
use mintage_core::{Namespace, ObjectRef, WorkloadId};

use super::{Code, Finding, View};
use crate::place::{self, Place};

/// Looks at the grants of every API whose tenant exists.
pub fn look(view: &View<'_>, findings: &mut Vec<Finding>) {
    let world = &view.folder.world;
    let mut grantees = BTreeMap::new();
    let mut homes = BTreeMap::new();
    for audience in &world.audiences {
        let tenant = world
            .tenants
            .iter()
            .find(|tenant| tenant.at == audience.tenant);
        let Some(tenant) = tenant else { continue };
        if audience.issuance == Issuance::Local && allows(view, tenant, &audience.at.namespace) {
            homes.entry(&audience.at.namespace).or_insert(&audience.at);
        }
        for (index, grant) in audience.grants.iter().enumerate() {
            let mut found = |code, field: &str, text: String| {
                let field = format!("spec.grants[{index}]{field}");
                let place = place::of_audience(view.manifests, &audience.at, &field);
                findings.extend(place.map(|place| Finding { code, place, text }));
            };
            if let Some(text) = duplicate(audience, index, grant) {
                found(Code::GrantDuplicate, "", text);
            }
            if let Some(text) = undeclared(audience, grant) {
                found(Code::GrantScopeUndeclared, ".scopes", text);
            }
            match &grant.to {
                Grantee::Application(at) => {
                    if !serves(view, tenant, at) {
                        found(
                            Code::GrantToUnknownApplication,
                            ".application",
                            format!(
                                "tenant {} serves no Application {at}, so this grants nothing: declare it, or correct the name",
                                tenant.at
                            ),
                        );
                    }
                }
                Grantee::Workload(workload) if !allows(view, tenant, &workload.namespace) => found(
                    Code::GrantNamespaceNotAllowed,
                    ".workload.namespace",
                    format!(
                        "tenant {} does not admit namespace {}, so this grants nothing: widen its spec.allowedNamespaces, or label the namespace",
                        tenant.at, workload.namespace
                    ),
                ),
                Grantee::Workload(workload) => {
                    let first = grantees.entry(&workload.namespace);
                    first.or_insert(&audience.at);
                    if let Some(text) = nobody(view, workload) {
                        found(Code::GrantToNobody, ".workload", text);
                    }
                }
            }
        }
        unused(view, tenant, audience, findings);
    }
    for (namespace, audience) in &grantees {
        let what = format!("workloads of {namespace} have grants, and no pod of it gets a sidecar");
        opted_in(view, namespace, audience, &what, findings);
    }
    for (namespace, audience) in homes
        .iter()
        .filter(|(home, _)| !grantees.contains_key(*home))
    {
        let what = format!("no sidecar of {namespace} can validate the tokens of its APIs");
        opted_in(view, namespace, audience, &what, findings);
    }
}

/// Whether a tenant serves an application.
fn serves(view: &View<'_>, tenant: &Tenant, at: &ObjectRef) -> bool {
    let object = Object {
        kind: Kind::Application,
        at: at.clone(),
    };
    let applications = &view.folder.world.applications;
    let declared =
        |one: &mintage_core::world::Application| one.at == *at && one.tenant == tenant.at;
    let mut statuses = view.plan.statuses.iter();
    applications.iter().any(declared)
        && statuses.any(|status| status.object == object && status.reason.is_ready())
}

fn allows(view: &View<'_>, tenant: &Tenant, namespace: &Namespace) -> bool {
    let nothing = BTreeMap::new();
    let info = view.folder.world.namespaces.get(namespace);
    tenant.allows(namespace, info.map_or(&nothing, |info| &info.labels))
}

fn duplicate(audience: &Audience, index: usize, grant: &Grant) -> Option<String> {
    let first = audience.grants[..index]
        .iter()
        .position(|other| other.to == grant.to)?;
    Some(format!(
        "spec.grants[{first}] is to the same client; what counts is both together: put the scopes into one grant"
    ))
}

fn undeclared(audience: &Audience, grant: &Grant) -> Option<String> {
    let beyond = grant
        .scopes
        .iter()
        .filter(|scope| !audience.scopes.contains(scope));
    let beyond: Vec<&str> = beyond.map(mintage_core::Scope::as_str).collect();
    (!beyond.is_empty()).then(|| {
        format!(
            "spec.scopes does not declare {}, so this grants nothing: declare it, or correct its name",
            beyond.join(" ")
        )
    })
}

/// Whether a grantee is in a namespace whose workloads the folder declares, and is none of them.
fn nobody(view: &View<'_>, workload: &WorkloadId) -> Option<String> {
    let namespace = workload.namespace.as_str();
    let mut declared = view
        .manifests
        .workloads
        .iter()
        .map(|one| &one.object)
        .filter(|one| one.namespace == namespace)
        .peekable();
    if declared.peek().is_some() {
        let known = declared.any(|one| one.service_account == workload.service_account.as_str());
        return (!known).then(|| {
            format!("no ServiceAccount and no pod is {workload}: correct the name, or declare it")
        });
    }
    let namespaces = &view.manifests.namespaces;
    let known = view.folder.world.namespaces.contains_key(namespace);
    (!namespaces.is_empty() && !known)
        .then(|| format!("there is no namespace {namespace}: correct the name, or declare it"))
}

/// Scopes that nobody has.
fn unused(view: &View<'_>, tenant: &Tenant, audience: &Audience, findings: &mut Vec<Finding>) {
    // Where nobody has any grant, that alone is said. Users need none: applications ask for any scope in their name.
    if audience.grants.is_empty() || tenant.endpoint.is_some() {
        return;
    }
    let counts = |grant: &&Grant| match &grant.to {
        Grantee::Application(_) => true,
        Grantee::Workload(workload) => allows(view, tenant, &workload.namespace),
    };
    let granted: BTreeSet<_> = audience
        .grants
        .iter()
        .filter(counts)
        .flat_map(|grant| &grant.scopes)
        .collect();
    for (index, scope) in audience.scopes.iter().enumerate() {
        if granted.contains(scope) {
            continue;
        }
        let field = format!("spec.scopes[{index}]");
        let place = place::of_audience(view.manifests, &audience.at, &field);
        findings.extend(place.map(|place| Finding {
            code: Code::ScopeUnused,
            place,
            text: format!("nobody is granted {scope}: grant it, or take it out"),
        }));
    }
}

/// A namespace that is to have sidecars and gets no keys; of one that the folder does not have nobody knows.
fn opted_in(
    view: &View<'_>,
    namespace: &Namespace,
    audience: &ObjectRef,
    what: &str,
    findings: &mut Vec<Finding>,
) {
    const LABEL: &str =
        "add the label mintage.dev/injection: enabled, or mintage.dev/inject: \"true\" to the pods";
    let info = view.folder.world.namespaces.get(namespace);
    if info.is_some_and(|info| info.opted_in) {
        return;
    }
    let mut found = |code, place, text| {
        let place: Option<Place> = place;
        findings.extend(place.map(|place| Finding { code, place, text }));
    };
    let namespaces = &view.manifests.namespaces;
    let has = |name: &Namespace| {
        namespaces
            .iter()
            .any(|one| one.object.name == name.as_str())
    };
    if has(namespace) {
        let place = place::of_namespace(view.manifests, namespace, "metadata.labels");
        found(Code::NamespaceNotOptedIn, place, format!("{what}: {LABEL}"));
    } else if namespaces.is_empty() || info.is_some() {
        let text = format!(
            "{what}, unless namespace {namespace}, which the folder does not have, opts in: {LABEL}"
        );
        let place = place::of_audience(view.manifests, audience, "");
        found(Code::NamespaceElsewhere, place, text);
    }
}
