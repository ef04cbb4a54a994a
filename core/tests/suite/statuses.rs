//! What is not served, and what grants nothing, each with the words an admin reads.

use mintage_core::Alg;
use mintage_core::ownership::Kind;
use mintage_core::plan::Reason;
use mintage_core::world::{
    AllowedNamespaces, Audience, AudienceAlg, Grant, Grantee, Issuance, World,
};

use super::names::{assert_status, with};
use crate::support::{ACME, Cluster, NOW, ORDERS, audience, grant, name, namespace};

#[track_caller]
fn assert_note(cluster: &Cluster, kind: Kind, at: &str, says: &[&str]) {
    let status = cluster.status(kind, at);
    assert_eq!(status.reason, Reason::Served);
    let note = status.notes.join("; ");
    for text in says {
        assert!(note.contains(text), "{note}");
    }
}

#[test]
fn a_namespace_that_is_not_admitted_takes_no_name() {
    let cluster = with(|world| {
        let (outside, mut info) = namespace("outside");
        info.labels.clear();
        world.namespaces.insert(outside, info);
        world.audiences.push(
            Audience {
                created: NOW - 900,
                ..audience(ACME, "outside/orders", ORDERS)
            }
            .into(),
        );
    });
    let says = ["identity/acme", "namespace outside", "allowedNamespaces"];
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "outside/orders",
        Reason::NamespaceNotAllowed,
        &says,
    );
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "orders/orders",
        Reason::Served,
        &[],
    );
}

#[test]
fn identifiers_that_are_the_tenants_own() {
    for identifier in [
        "acme.test",
        "https://acme.test",
        "https://acme.test/",
        "https://acme.test/userinfo",
        "https://acme.test/api/v2/",
        "https://acme.test/api/v2",
        "https://login.acme.test/",
        "https://login.acme.test/userinfo",
        "https://login.acme.test/api/v2/",
    ] {
        let cluster = with(|world| {
            world
                .audiences
                .push(audience(ACME, "shop/fake", identifier).into());
        });
        assert_status(
            &cluster,
            Kind::ApiAudience,
            "shop/fake",
            Reason::Reserved,
            &[identifier],
        );
    }
    let cluster = with(|world| {
        world
            .audiences
            .push(audience(ACME, "shop/fine", "https://acme.test/api/v2/x").into());
    });
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "shop/fine",
        Reason::Served,
        &[],
    );
}

#[test]
fn a_tenant_that_is_not_there() {
    let cluster = with(|world| {
        world
            .audiences
            .push(audience("identity/nobody", "shop/lost", "https://lost.test").into());
    });
    let says = ["identity/nobody", "tenantRef"];
    assert_status(
        &cluster,
        Kind::ApiAudience,
        "shop/lost",
        Reason::TenantNotFound,
        &says,
    );
}

#[test]
fn algorithms_that_are_not_served() {
    let with_alg = |alg, allow| {
        with(|world| {
            world.tenants[0].allow_non_rsa = allow;
            world.audiences[0].alg = alg;
            world.audiences[0].issuance = Issuance::Central;
        })
    };
    let orders = (Kind::ApiAudience, "orders/orders");
    let hs256 = with_alg(AudienceAlg::Hs256, true);
    assert_status(
        &hs256,
        orders.0,
        orders.1,
        Reason::AlgorithmNotServed,
        &["HS256", "tenant endpoint"],
    );
    for alg in [Alg::ES256, Alg::EdDSA] {
        let asymmetric = AudienceAlg::Asymmetric(alg);
        let says = [alg.as_str(), "allowNonRsa: true", "identity/acme"];
        let refused = with_alg(asymmetric, false);
        assert_status(
            &refused,
            orders.0,
            orders.1,
            Reason::AlgorithmNotAllowed,
            &says,
        );
        assert_status(
            &with_alg(asymmetric, true),
            orders.0,
            orders.1,
            Reason::Served,
            &[],
        );
    }
}

#[test]
fn grants_that_grant_nothing_are_noted() {
    let cluster = with(|world| {
        let (outside, mut info) = namespace("outside");
        info.labels.clear();
        world.namespaces.insert(outside, info);
        let orders = &mut world.audiences[0];
        orders.grants = vec![
            grant("shop/checkout", "read:orders fly swim"),
            grant("outside/worker", "read:orders"),
            Grant {
                scopes: Vec::new(),
                to: Grantee::Application(name("shop/web")),
            },
        ];
    });
    let says = [
        "shop/checkout",
        "fly swim",
        "outside/worker",
        "Application shop/web",
    ];
    assert_note(&cluster, Kind::ApiAudience, "orders/orders", &says);
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    assert_eq!(
        crate::support::Forge::of(&token).claims["scope"],
        "read:orders"
    );
    assert!(!cluster.bundles.contains_key(&(name(ACME), name("outside"))));
}

#[test]
fn a_default_audience_that_is_not_there_is_noted() {
    // Not there at all, or another tenant's.
    for at in ["orders/nothing", "orders/globex-orders"] {
        let cluster = with(|world| world.tenants[0].default_audience = Some(name(at)));
        assert_note(
            &cluster,
            Kind::Tenant,
            "identity/acme",
            &["defaultAudienceRef", at],
        );
        let refused = cluster.ask(ACME, "shop/checkout", None, None);
        assert_eq!(refused.unwrap_err().code(), "audience-missing");
    }
}

#[test]
fn what_cannot_be_read_of_a_tenants_annotations_is_noted() {
    let cluster = with(|world| {
        world.tenants[0].unreadable = vec!["mintage.dev/revoke-key names \"?\"".to_owned()];
    });
    let says = ["mintage.dev/revoke-key names"];
    assert_note(&cluster, Kind::Tenant, "identity/acme", &says);
    cluster.token(ACME, "shop/checkout", ORDERS);
}

fn opt_out(world: &mut World, at: &str) {
    world.namespaces.get_mut(at).unwrap().opted_in = false;
}

#[test]
fn namespaces_without_keys_are_noted() {
    let notes = |change: fn(&mut World)| {
        let cluster = with(change);
        let status = cluster.status(Kind::ApiAudience, "orders/orders");
        assert_eq!(status.reason, Reason::Served);
        status.notes.clone()
    };
    assert_eq!(notes(|_| ()), Vec::<String>::new());
    let [note] = &notes(|world| {
        opt_out(world, "shop");
        opt_out(world, "other");
        // One that does not exist is admitted by a tenant that admits all.
        world.tenants[0].allowed = AllowedNamespaces::All;
        world.audiences[0]
            .grants
            .push(grant("nowhere/app", "read:orders"));
    })[..] else {
        panic!("one note is expected")
    };
    let says = [
        "namespaces nowhere, other, shop",
        "no tokens",
        "mintage.dev/injection: enabled",
        "mintage.dev/inject: \"true\"",
    ];
    for text in says {
        assert!(note.contains(text), "{note}");
    }
    let [note] = &notes(|world| opt_out(world, "orders"))[..] else {
        panic!("one note is expected")
    };
    for text in ["namespace orders", "validate", "mintage.dev/injection"] {
        assert!(note.contains(text), "{note}");
    }
    // What the tenant signs anybody can validate; its workloads opt in all the same.
    let central = notes(|world| {
        opt_out(world, "orders");
        world.audiences[0].issuance = Issuance::Central;
    });
    assert_eq!(central, Vec::<String>::new());
    let [note] = &notes(|world| {
        opt_out(world, "shop");
        world.audiences[0].issuance = Issuance::Central;
    })[..] else {
        panic!("one note is expected")
    };
    assert!(note.contains("namespace shop get no tokens"), "{note}");
    // However many there are, the note stays short.
    let [note] = &notes(|world| {
        world.tenants[0].allowed = AllowedNamespaces::All;
        let many = (0..500).map(|number| grant(&format!("n{number}/app"), "read:orders"));
        world.audiences[0].grants.extend(many);
    })[..] else {
        panic!("one note is expected")
    };
    assert!(note.contains("and 495 more") && note.len() < 500, "{note}");
}
