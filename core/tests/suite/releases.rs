//! `mintage.dev/release-claim`: names that are freed before the tokens of their last holder have ended.

use mintage_core::UnixTime;
use mintage_core::ownership::{Kind, Name};
use mintage_core::plan::Reason;
use mintage_core::world::{Audience, World};

use super::names::{assert_status, with};
use crate::support::{ACME, Cluster, GLOBEX, NOW, ORDERS, audience, custom_domain, name, tenant};

const SQUATTER: (Kind, &str) = (Kind::ApiAudience, "payments/squatter");

/// The standard world with one who waits for the identifier of `orders/orders`.
fn squatted() -> Cluster {
    with(|world| {
        world.audiences.push(
            Audience {
                created: NOW - 1,
                ..audience(ACME, SQUATTER.1, ORDERS)
            }
            .into(),
        );
    })
}

fn release(world: &mut World, tenant: usize, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned());
    world.tenants[tenant].release_claims = names.collect();
}

#[track_caller]
fn assert_waits(cluster: &Cluster) {
    let held = [ORDERS, "ApiAudience orders/orders"];
    assert_status(cluster, SQUATTER.0, SQUATTER.1, Reason::Conflict, &held);
}

fn notes(cluster: &Cluster, tenant: &str) -> String {
    cluster.status(Kind::Tenant, tenant).notes.join("; ")
}

#[expect(
    clippy::option_option,
    reason = "there is no claim, it is held, or it was released then"
)]
fn released_at(cluster: &Cluster, domain: &str) -> Option<Option<UnixTime>> {
    let mut claims = cluster.state.claims.iter();
    let claim = claims.find(|claim| claim.name == Name::Domain(name(domain)));
    claim.map(|claim| claim.released_at)
}

#[test]
fn an_identifier_whose_holder_is_gone_is_free_when_the_tenants_admin_says_so() {
    let mut cluster = squatted();
    cluster.edit(|world| drop(world.audiences.remove(0)));
    cluster.advance_to(NOW + 10);
    assert_waits(&cluster);
    cluster.edit(|world| release(world, 0, &["https://other.test", ORDERS]));
    assert_status(&cluster, SQUATTER.0, SQUATTER.1, Reason::Served, &[]);
    // Who has it now has it for good, the annotation or not.
    assert!(notes(&cluster, ACME).contains("ApiAudience payments/squatter holds it"));
    cluster.edit(|world| {
        world
            .audiences
            .push(audience(ACME, "orders/orders", ORDERS).into());
    });
    assert_status(&cluster, SQUATTER.0, SQUATTER.1, Reason::Served, &[]);
    cluster.edit(|world| release(world, 0, &[]));
    assert_eq!(notes(&cluster, ACME), "");
}

#[test]
fn a_name_that_nobody_waits_for_is_forgotten() {
    let mut cluster = squatted();
    cluster.edit(|world| {
        world.audiences.pop();
        world.audiences.remove(0);
    });
    let claims = cluster.state.claims.len();
    cluster.edit(|world| release(world, 0, &[ORDERS]));
    assert_eq!(cluster.state.claims.len(), claims - 1);
    assert_eq!(notes(&cluster, ACME), "");
}

#[test]
fn a_name_that_is_held_stays_with_its_holder() {
    let mut cluster = squatted();
    cluster.edit(|world| release(world, 0, &[ORDERS, "acme.test"]));
    assert_waits(&cluster);
    let note = notes(&cluster, ACME);
    for says in [
        ORDERS,
        "ApiAudience orders/orders holds it",
        "Tenant identity/acme holds it",
    ] {
        assert!(note.contains(says), "{note}");
    }
    // Deleted and recreated between two plans, it is the holder still.
    cluster.edit(|world| world.audiences[0].uid = name("uid-orders-again"));
    assert_waits(&cluster);
}

#[test]
fn another_tenants_admin_frees_nothing() {
    let mut cluster = squatted();
    cluster.edit(|world| {
        world.audiences.remove(0);
        release(world, 1, &[ORDERS]);
    });
    assert_waits(&cluster);
}

#[test]
fn a_domain_is_freed_by_the_admin_of_its_last_holders_namespace() {
    let mut cluster = with(|world| world.tenants.push(tenant("other/heir", "heir.test")));
    let login = (Kind::CustomDomain, "other/login");
    cluster.edit(|world| {
        world.domains.clear();
        let mut again = custom_domain(login.1, "other/heir", "login.acme.test");
        again.created = NOW + 5;
        world.domains.push(again);
    });
    let held = ["login.acme.test", "CustomDomain identity/login"];
    assert_status(&cluster, login.0, login.1, Reason::Conflict, &held);
    // The squatter's own word counts for nothing, nor that of a tenant of a third namespace.
    cluster.edit(|world| release(world, 2, &["login.acme.test"]));
    assert_status(&cluster, login.0, login.1, Reason::Conflict, &held);
    let note = notes(&cluster, "other/heir");
    assert!(note.contains("was in another namespace"), "{note}");
    // Any tenant of the namespace may say it.
    cluster.edit(|world| {
        release(world, 2, &[]);
        release(world, 1, &["login.acme.test"]);
    });
    assert_eq!(world_name(&cluster, 1), GLOBEX);
    assert_status(&cluster, login.0, login.1, Reason::Served, &[]);
}

fn world_name(cluster: &Cluster, tenant: usize) -> String {
    cluster.world.tenants[tenant].at.to_string()
}

#[test]
fn a_tenants_own_domain_is_freed_as_it_goes() {
    let mut cluster = with(|world| {
        world.audiences.clear();
        world.domains.clear();
        world.tenants.push(tenant("other/heir", "acme.test"));
    });
    cluster.edit(|world| world.tenants[0].deleting = true);
    assert_eq!(released_at(&cluster, "acme.test"), Some(Some(NOW)));
    cluster.edit(|world| release(world, 0, &["acme.test"]));
    assert_status(&cluster, Kind::Tenant, "other/heir", Reason::Served, &[]);
}

#[test]
fn a_recycled_namespace_frees_nothing_of_the_one_before() {
    let mut cluster = with(|world| {
        world.audiences.clear();
        world.domains.clear();
        world.tenants.truncate(1);
        world.tenants.push(tenant("other/heir", "acme.test"));
    });
    cluster.edit(|world| {
        world.namespaces.get_mut("identity").unwrap().uid = name("uid-identity-2");
        let mut stranger = tenant("identity/stranger", "stranger.test");
        stranger.release_claims.insert("acme.test".to_owned());
        world.tenants[0] = stranger;
    });
    assert_eq!(released_at(&cluster, "acme.test"), Some(Some(NOW)));
    assert_status(&cluster, Kind::Tenant, "other/heir", Reason::Conflict, &[]);
    assert!(notes(&cluster, "identity/stranger").contains("another life"));
}
