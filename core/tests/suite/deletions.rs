//! Tenants that are deleted: served while something refers to them, then gone without a trace but their domains'.

use mintage_core::ownership::{Kind, Name};
use mintage_core::plan::Reason;
use mintage_core::world::World;
use mintage_core::{Alg, LEEWAY};

use super::names::assert_status;
use crate::support::{ACME, Cluster, GLOBEX, NOW, ORDERS, audience, name, standard, tenant};

const DAY: i64 = 86_400;

fn delete(cluster: &mut Cluster, also: impl FnOnce(&mut World)) {
    cluster.edit(|world| {
        world.tenants[0].deleting = true;
        also(world);
    });
}

/// Takes out all that refers to the first tenant.
fn detach(world: &mut World) {
    world
        .audiences
        .retain(|audience| audience.tenant != name(ACME));
    world.domains.clear();
}

fn waits_for(cluster: &Cluster) -> Vec<String> {
    let objects = &cluster.deletions[&name(ACME)];
    objects.iter().map(ToString::to_string).collect()
}

#[test]
fn a_tenant_that_is_referred_to_is_served_as_before() {
    let mut cluster = Cluster::new(standard());
    assert!(cluster.deletions.is_empty());
    let before = cluster.clone();
    delete(&mut cluster, |_| ());
    assert_eq!(cluster.state, before.state);
    assert_eq!(cluster.bundles, before.bundles);
    assert_eq!(
        waits_for(&cluster),
        [
            "ApiAudience orders/ledger",
            "ApiAudience orders/orders",
            "ApiAudience payments/payments",
            "ApiAudience payments/reports",
            "CustomDomain identity/login",
        ]
    );
    let status = cluster.status(Kind::Tenant, ACME);
    assert_eq!(status.reason, Reason::Served);
    let [note] = &status.notes[..] else {
        panic!("{:?}", status.notes)
    };
    assert!(note.contains("being deleted"), "{note}");
    assert!(note.contains("CustomDomain identity/login"), "{note}");
    // It goes on for as long as it takes.
    cluster.advance_to(NOW + 40 * DAY);
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    assert!(cluster.judge(ACME, ORDERS, &token).is_ok());
}

#[test]
fn a_note_names_a_few_of_many() {
    let mut world = standard();
    world.audiences.extend((0..20).map(|number| {
        let identifier = format!("https://api-{number}.test");
        audience(ACME, &format!("shop/api-{number:02}"), &identifier).into()
    }));
    let mut cluster = Cluster::new(world);
    delete(&mut cluster, |_| ());
    assert_eq!(waits_for(&cluster).len(), 25);
    let note = cluster.status(Kind::Tenant, ACME).notes.join("; ");
    assert!(note.ends_with("shop/api-00 and 20 more"), "{note}");
}

#[test]
fn a_tenant_goes_with_the_last_that_refers_to_it() {
    let mut cluster = Cluster::new(standard());
    delete(&mut cluster, |world| {
        world.audiences.drain(..4).for_each(drop);
    });
    assert_eq!(waits_for(&cluster), ["CustomDomain identity/login"]);
    let keys = |cluster: &Cluster| cluster.key("identity/acme", Alg::RS256).kid().clone();
    let kid = keys(&cluster);
    cluster.edit(detach);
    assert_eq!(waits_for(&cluster), [""; 0]);
    assert_status(
        &cluster,
        Kind::Tenant,
        ACME,
        Reason::Deleting,
        &["being deleted"],
    );
    let of_acme = |text: &str| text.contains("\"identity/acme\"");
    let state = serde_json::to_value(&cluster.state).unwrap();
    for part in ["audiences", "tenants", "keyrings", "bundles", "rotations"] {
        assert!(!of_acme(&state[part].to_string()), "{part}");
    }
    assert!(cluster.bundles.keys().all(|(of, _)| *of == name(GLOBEX)));
    let parts = cluster.state.clone().split();
    assert!(
        !parts
            .tenants
            .contains_key(&name::<mintage_core::TenantRef>(ACME))
    );
    // Another tenant is as it was.
    assert!(
        cluster
            .ask(GLOBEX, "shop/checkout", Some(ORDERS), None)
            .is_ok()
    );
    // What comes back has nothing of what was.
    cluster.edit(|world| {
        world.tenants[0].deleting = false;
        world.tenants[0].uid = name("uid-again");
    });
    assert_status(&cluster, Kind::Tenant, ACME, Reason::Served, &[]);
    assert_ne!(keys(&cluster), kid);
}

#[test]
fn its_domains_are_kept_from_others_for_as_long_as_its_tokens_live() {
    let mut cluster = Cluster::new(standard());
    delete(&mut cluster, |world| {
        detach(world);
        world.tenants.push(tenant("other/thief", "acme.test"));
    });
    let thief = (Kind::Tenant, "other/thief");
    let held = ["acme.test", "Tenant identity/acme"];
    assert_status(&cluster, thief.0, thief.1, Reason::Conflict, &held);
    let released = |cluster: &Cluster, domain: &str| {
        let mut claims = cluster.state.claims.iter();
        let claim = claims.find(|claim| claim.name == Name::Domain(name(domain)));
        claim.and_then(|claim| claim.released_at)
    };
    assert_eq!(released(&cluster, "acme.test"), Some(NOW));
    assert_eq!(released(&cluster, "login.acme.test"), Some(NOW));
    // The object is gone, which changes nothing.
    cluster.edit(|world| drop(world.tenants.remove(0)));
    assert!(cluster.deletions.is_empty());
    assert_eq!(released(&cluster, "acme.test"), Some(NOW));
    cluster.advance_to(NOW + DAY + LEEWAY);
    assert_status(&cluster, thief.0, thief.1, Reason::Conflict, &held);
    cluster.advance_to(NOW + DAY + LEEWAY + 1);
    assert_status(&cluster, thief.0, thief.1, Reason::Served, &[]);
}

#[test]
fn who_is_not_admitted_holds_no_tenant_back() {
    let mut cluster = Cluster::new(standard());
    delete(&mut cluster, |world| {
        detach(world);
        let outside = world.namespaces.get_mut("other").unwrap();
        outside.labels.clear();
        world
            .audiences
            .push(audience(ACME, "other/leech", "https://leech.test").into());
    });
    assert_eq!(waits_for(&cluster), [""; 0]);
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "other/leech",
        Reason::TenantNotServed,
        &[ACME],
    );
}

#[test]
fn a_tenant_that_never_was_served_goes_as_well() {
    let mut world = standard();
    world.tenants.push(tenant("other/thief", "acme.test"));
    let mut cluster = Cluster::new(world);
    cluster.edit(|world| world.tenants[2].deleting = true);
    assert_status(&cluster, Kind::Tenant, "other/thief", Reason::Deleting, &[]);
    assert_status(&cluster, Kind::Tenant, ACME, Reason::Served, &[]);
    assert_eq!(cluster.deletions[&name("other/thief")], []);
}
