//! The resource that decides, for each code.

use mintage_core::inject::{self, NoTenant};
use mintage_core::ownership::Kind;
use mintage_core::plan::Status;
use mintage_core::world::Grantee;
use mintage_core::{Identifier, ObjectRef, TenantRef, WorkloadId};
use mintage_crds::Manifests;

use super::scene::{NoBody, Scene};
use super::step::Refused;
use crate::place::{self, Place};
use mintage_core::code::Coded as _;

/// Why a workload is told nothing, and where that is said.
pub fn no_body(scene: &Scene, workload: &WorkloadId, reason: &NoBody<'_>) -> Refused {
    match reason {
        NoBody::NoTenant(reason) => Refused {
            code: reason.rule().code(),
            text: reason.to_string(),
            place: no_tenant(scene, workload, reason),
        },
        NoBody::NotServed(status) => not_served(&scene.manifests, status),
    }
}

fn no_tenant(scene: &Scene, workload: &WorkloadId, reason: &NoTenant) -> Option<Place> {
    let manifests = &scene.manifests;
    // The command line may name it, too, and that has no line.
    let annotation = |name: &str| {
        place::of_annotation(manifests, workload, name)
            .or_else(|| place::of_namespace_annotation(manifests, &workload.namespace, name))
    };
    match reason {
        NoTenant::NotAdmitted { tenant, .. } => {
            place::of_tenant(manifests, tenant, "spec.allowedNamespaces")
        }
        NoTenant::NotFound { .. } => annotation(inject::TENANT),
        NoTenant::None { namespace } => {
            // With one tenant it is clear who might admit the namespace.
            let only = match scene.folder.world.tenants.as_slice() {
                [only] => place::of_tenant(manifests, &only.at, "spec.allowedNamespaces"),
                _ => None,
            };
            only.or_else(|| place::of_namespace(manifests, namespace, "metadata.labels"))
        }
        NoTenant::Ambiguous { namespace, .. } => {
            place::of_namespace(manifests, namespace, "metadata.annotations")
        }
    }
}

/// Why an object is not served, and where that is said.
pub fn not_served(manifests: &Manifests, status: &Status) -> Refused {
    Refused {
        code: status.reason.code(),
        text: status.message.clone(),
        place: place::of_status(manifests, status),
    }
}

/// The `ApiAudience` with an identifier under a tenant: the one that is served, else any.
pub fn audience(scene: &Scene, tenant: &TenantRef, identifier: &str) -> Option<ObjectRef> {
    let declared = scene
        .folder
        .world
        .audiences
        .iter()
        .filter(|audience| audience.tenant == *tenant && audience.identifier.as_str() == identifier)
        .map(|audience| audience.at.clone());
    let declared: Vec<ObjectRef> = declared.collect();
    let served = |at: &&ObjectRef| {
        scene
            .status(Kind::ApiAudience, at)
            .is_some_and(|status| status.reason.is_ready())
    };
    declared.iter().find(served).or(declared.first()).cloned()
}

/// The grant of a workload in an `ApiAudience`: of several the one that has the scopes.
pub fn grant(
    scene: &Scene,
    tenant: &TenantRef,
    identifier: &Identifier,
    workload: &WorkloadId,
    scopes: &[&str],
) -> Option<Place> {
    let at = audience(scene, tenant, identifier.as_str())?;
    let declared = scene.folder.world.audiences.iter();
    let grants = &declared
        .into_iter()
        .find(|audience| audience.at == at)?
        .grants;
    let own = || {
        grants
            .iter()
            .enumerate()
            .filter(|(_, grant)| grant.to == Grantee::Workload(workload.clone()))
    };
    let has = |scopes: &[&str], grant: &mintage_core::world::Grant| {
        scopes
            .iter()
            .all(|scope| grant.scopes.iter().any(|other| other.as_str() == *scope))
    };
    let (index, _) = own()
        .find(|(_, grant)| has(scopes, grant))
        .or_else(|| own().next())?;
    place::of_audience(&scene.manifests, &at, &format!("spec.grants[{index}]"))
}
