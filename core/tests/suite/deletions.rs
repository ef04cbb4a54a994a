//! Tenants that are to be deleted: held by what refers to them, and gone with nothing left.

use mintage_core::TenantRef;
use mintage_core::ownership::Kind;
use mintage_core::plan::Reason;

use super::names::assert_status;
use crate::support::{ACME, Cluster, NOW, standard};

fn deleting() -> Cluster {
    let mut cluster = Cluster::new(standard());
    cluster.edit(|world| {
        for tenant in world
            .tenants
            .iter_mut()
            .filter(|tenant| tenant.at.to_string() == ACME)
        {
            tenant.deleting = true;
        }
    });
    cluster
}

#[test]
fn what_refers_to_it_holds_it_and_it_is_served_until_then() {
    let mut cluster = deleting();
    let plan = cluster.plan_at(NOW + 1);
    let held = &plan.deletions[&TenantRef::parse(ACME).unwrap()];
    let held: Vec<String> = held.iter().map(ToString::to_string).collect();
    assert!(
        held.contains(&"ApiAudience orders/orders".to_owned()),
        "{held:?}"
    );
    assert!(
        held.iter()
            .any(|object| object.starts_with("CustomDomain identity/")),
        "{held:?}"
    );
    assert_status(&cluster, Kind::Tenant, ACME, Reason::Served, &[]);
    assert!(
        plan.bundles
            .keys()
            .any(|(tenant, _)| tenant.to_string() == ACME)
    );
}

#[test]
fn with_nothing_left_it_is_told_to_nobody_and_keeps_its_domain() {
    let mut cluster = deleting();
    cluster.edit(|world| {
        world
            .audiences
            .retain(|audience| audience.tenant.to_string() != ACME);
        world
            .domains
            .retain(|domain| domain.tenant.to_string() != ACME);
    });
    let plan = cluster.plan_at(NOW + 1);
    assert!(plan.deletions[&TenantRef::parse(ACME).unwrap()].is_empty());
    assert!(
        plan.bundles
            .keys()
            .all(|(tenant, _)| tenant.to_string() != ACME)
    );
    let names = plan.state.claims.iter().map(|claim| claim.name.to_string());
    assert!(
        names.into_iter().any(|name| name == "domain acme.test"),
        "nobody else may take it yet"
    );
    // One that is not to be deleted is not among them.
    assert_eq!(plan.deletions.len(), 1);
}
