//! How the objects of a folder fare, in words.

use mintage_core::ObjectRef;
use mintage_core::ownership::{Claim, Kind, Name};
use mintage_core::plan::{Reason, Status};
use mintage_core::world::Tenant;

use super::session::Outcome;
use crate::output;

/// All that is not served, and why.
pub fn not_served(outcome: &Outcome) -> String {
    let statuses = outcome.plan.statuses.iter();
    let bad = statuses.filter(|status| !status.reason.is_ready());
    let lines: Vec<String> = bad.map(|status| describe(outcome, status)).collect();
    lines.join("\n")
}

/// How an object fares, in lines.
pub fn describe(outcome: &Outcome, status: &Status) -> String {
    let place = outcome
        .folder
        .places
        .get(&status.object)
        .map(|at| format!("   ({at})"))
        .unwrap_or_default();
    let (kind, at) = (status.object.kind.to_string(), &status.object.at);
    let mut lines = if status.reason.is_ready() {
        let served = output::good("served");
        vec![format!("  {served}      {kind:<13} {at}{place}")]
    } else {
        let not_served = output::bad("NOT SERVED");
        vec![
            format!("  {not_served}  {kind:<13} {at}{place}"),
            format!("              {}: {}", status.reason, status.message),
        ]
    };
    let notes = status.notes.iter().cloned();
    let notes = notes.chain(kept_names(outcome, status));
    lines.extend(notes.map(|note| format!("              note: {note}")));
    lines.join("\n")
}

/// What to do about names of the object that the state keeps for one that the folder has no more: in a cluster they are kept
/// until its tokens have ended.
fn kept_names(outcome: &Outcome, status: &Status) -> Vec<String> {
    if status.reason != Reason::Conflict {
        return Vec::new();
    }
    let (object, world) = (&status.object, &outcome.folder.world);
    let at = |tenant: &Tenant| ObjectRef::new(tenant.at.namespace.clone(), tenant.at.name.clone());
    let tenant = world.tenants.iter().find(|tenant| at(tenant) == object.at);
    let domain = world.domains.iter().find(|domain| domain.at == object.at);
    let api = world.audiences.iter().find(|api| api.at == object.at);
    let (name, tenant) = match object.kind {
        Kind::Tenant => tenant.map(|it| (Name::Domain(it.domain.clone()), &it.at)),
        Kind::CustomDomain => domain.map(|it| (Name::Domain(it.domain.clone()), &it.tenant)),
        Kind::ApiAudience => api.map(|it| {
            let name = Name::Identifier(it.tenant.clone(), it.identifier.clone());
            (name, &it.tenant)
        }),
        Kind::Application => None,
    }
    .unzip();
    let kept = outcome
        .plan
        .state
        .claims
        .iter()
        .filter(|claim| Some(&claim.name) == name.as_ref() && claim.released_at.is_some());
    let mend = |claim: &Claim| {
        let holder = &claim.holder.object;
        let free = match &claim.name {
            Name::Identifier(_, identifier) => Some(identifier.as_str()),
            Name::Domain(domain) => {
                let frees = tenant.is_some_and(|tenant| tenant.namespace == holder.at.namespace);
                frees.then_some(domain.as_str())
            }
        };
        let free = free.zip(tenant).map(|(name, tenant)| {
            format!(", or free it by the annotation mintage.dev/release-claim: {name} on Tenant {tenant}")
        });
        format!(
            "the folder has {holder} no more, and its name is kept until its tokens have ended: start anew with another --state-dir{}",
            free.unwrap_or_default()
        )
    };
    kept.map(mend).collect()
}
