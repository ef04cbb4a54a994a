//! Names with one holder.

use mintage_core::ownership::Kind;
use mintage_core::plan::Reason;
use mintage_core::world::{Audience, World};
use mintage_core::{LEEWAY, UnixTime};

use crate::support::{
    ACME, Cluster, GLOBEX, NOW, ORDERS, audience, custom_domain, name, standard, tenant,
};

const DAY: i64 = 86_400;

/// The standard world with changes, planned.
pub(crate) fn with(change: impl FnOnce(&mut World)) -> Cluster {
    let mut world = standard();
    change(&mut world);
    Cluster::new(world)
}

#[track_caller]
pub(crate) fn assert_status(
    cluster: &Cluster,
    kind: Kind,
    at: &str,
    reason: Reason,
    says: &[&str],
) {
    let status = cluster.status(kind, at);
    assert_eq!(status.reason, reason, "{at}: {}", status.message);
    for text in says {
        assert!(status.message.contains(text), "{}", status.message);
    }
}

fn squatter(created: UnixTime) -> Audience {
    Audience {
        created,
        ..audience(ACME, "payments/squatter", ORDERS)
    }
}

#[test]
fn everything_in_the_standard_world_is_served() {
    for status in &Cluster::standard().statuses {
        assert_eq!(status.reason, Reason::Served, "{status:?}");
        assert_eq!(status.notes, Vec::<String>::new(), "{status:?}");
    }
    // Two tenants may each have an API of the same identifier.
    assert_eq!(Cluster::standard().statuses.len(), 8);
}

#[test]
fn attack_39_two_tenants_claim_one_domain() {
    for domain in ["acme.test", "acme.test:443"] {
        let cluster = with(|world| {
            world.tenants.push(tenant("other/thief", domain));
            world
                .audiences
                .push(audience("other/thief", "other/theirs", "https://theirs.test").into());
        });
        assert_status(&cluster, Kind::Tenant, "identity/acme", Reason::Served, &[]);
        let says = ["domain acme.test", "Tenant identity/acme"];
        // Created at the same moment: the name decides, and "identity" is before "other".
        assert_status(
            &cluster,
            Kind::Tenant,
            "other/thief",
            Reason::Conflict,
            &says,
        );
        let of_thief = (Kind::ApiAudience, "other/theirs");
        assert_status(
            &cluster,
            of_thief.0,
            of_thief.1,
            Reason::TenantNotServed,
            &["other/thief"],
        );
        assert!(
            cluster
                .bundles
                .keys()
                .all(|(tenant, _)| tenant.to_string() != "other/thief")
        );
    }
}

#[test]
fn attack_39_the_older_claim_wins() {
    let cluster = with(|world| {
        let mut older = tenant("other/older", "acme.test");
        older.created = NOW - 2000;
        world.tenants.push(older);
    });
    assert_status(&cluster, Kind::Tenant, "other/older", Reason::Served, &[]);
    assert_status(
        &cluster,
        Kind::Tenant,
        "identity/acme",
        Reason::Conflict,
        &["other/older"],
    );
}

#[test]
fn a_custom_domain_that_another_tenant_has() {
    for domain in ["globex.test:7743", "login.acme.test"] {
        let cluster = with(|world| {
            world
                .domains
                .push(custom_domain("identity/zz", GLOBEX, domain));
            world.domains[1].created = NOW - 1;
            if domain.starts_with("globex") {
                world.domains[1].tenant = name(ACME);
            }
        });
        assert_status(
            &cluster,
            Kind::CustomDomain,
            "identity/zz",
            Reason::Conflict,
            &[domain],
        );
    }
}

#[test]
fn a_custom_domain_that_repeats_its_tenants_own_takes_nothing_from_it() {
    for created in [NOW - 9_000_000, NOW] {
        let cluster = with(|world| {
            let mut again = custom_domain("identity/aa", ACME, "acme.test");
            again.created = created;
            world.domains.push(again);
        });
        let held = ["domain acme.test is held by Tenant identity/acme"];
        assert_status(
            &cluster,
            Kind::CustomDomain,
            "identity/aa",
            Reason::Conflict,
            &held,
        );
        assert_status(&cluster, Kind::Tenant, "identity/acme", Reason::Served, &[]);
    }
}

#[test]
fn a_domain_that_nobody_verified_holds_nothing() {
    let mut cluster = with(|world| {
        let mut unverified = custom_domain("identity/early", GLOBEX, "shared.test");
        unverified.verified = false;
        unverified.created = NOW - 900;
        world.domains.push(unverified);
        world
            .domains
            .push(custom_domain("identity/late", ACME, "shared.test"));
    });
    assert_status(
        &cluster,
        Kind::CustomDomain,
        "identity/early",
        Reason::NotVerified,
        &["shared.test"],
    );
    assert_status(
        &cluster,
        Kind::CustomDomain,
        "identity/late",
        Reason::Served,
        &[],
    );
    cluster.edit(|world| world.domains[1].verified = true);
    assert_status(
        &cluster,
        Kind::CustomDomain,
        "identity/early",
        Reason::Conflict,
        &["identity/late"],
    );
}

#[test]
fn attack_32_an_identifier_stays_with_its_holder() {
    let mut cluster = with(|world| world.audiences.push(squatter(NOW - 1).into()));
    let held_by = ["https://orders.test", "ApiAudience orders/orders"];
    let squats = |cluster: &Cluster| {
        assert_status(
            cluster,
            Kind::ApiAudience,
            "payments/squatter",
            Reason::Conflict,
            &held_by,
        );
    };
    squats(&cluster);
    // Deleted, and the one who waits is older by now: the name is kept for the holder.
    let mut orders = cluster.world.audiences.remove(0);
    cluster.plan_at(NOW + 10);
    squats(&cluster);
    // Recreated, a backup restored: another UID and a younger age.
    orders.uid = name("uid-restored");
    orders.created = NOW + 20;
    cluster.now = NOW + 20;
    cluster.edit(|world| world.audiences.insert(0, orders));
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "orders/orders",
        Reason::Served,
        &[],
    );
    squats(&cluster);
}

#[test]
fn attack_32_a_recycled_namespace_is_a_stranger() {
    let mut cluster = Cluster::new(standard());
    cluster.edit(|world| {
        world.namespaces.get_mut("orders").unwrap().uid = name("uid-orders-2");
        world.audiences[0].uid = name("uid-orders-orders-2");
    });
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "orders/orders",
        Reason::Conflict,
        &[],
    );
}

#[test]
fn a_namespace_that_is_seen_after_its_objects_makes_no_stranger() {
    let mut world = standard();
    let orders = world.namespaces.remove("orders").unwrap();
    world.tenants[0].allowed = mintage_core::world::AllowedNamespaces::All;
    let mut cluster = Cluster::new(world);
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "orders/orders",
        Reason::Served,
        &[],
    );
    cluster.edit(|world| drop(world.namespaces.insert(name("orders"), orders)));
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "orders/orders",
        Reason::Served,
        &[],
    );
}

#[test]
fn a_name_is_free_after_the_longest_token_life() {
    let mut cluster = with(|world| world.audiences.push(squatter(NOW - 1).into()));
    cluster.world.audiences.remove(0);
    cluster.plan_at(NOW + 10);
    let free = NOW + 10 + DAY + LEEWAY + 1;
    cluster.advance_to(free - 1);
    assert_eq!(
        cluster
            .status(Kind::ApiAudience, "payments/squatter")
            .reason,
        Reason::Conflict
    );
    assert!(
        cluster.next_due.is_some_and(|due| due <= free),
        "somebody waits for it"
    );
    cluster.advance_to(free);
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "payments/squatter",
        Reason::Served,
        &[],
    );
}
