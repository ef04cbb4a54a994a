//! `mintage.dev/rotate-now`.

use mintage_core::{Alg, Kid};

use crate::support::{Cluster, NOW, ORDERS, name, standard};

const OWNER: &str = "identity/acme/shop";

fn ask(cluster: &mut Cluster, request: &str) {
    let request = request.to_owned();
    cluster.edit(|world| world.tenants[0].rotate_request = Some(request));
}

#[test]
fn a_request_in_the_second_of_a_keys_publication_is_carried_out() {
    let mut cluster = Cluster::new(standard());
    let first = cluster.key(OWNER, Alg::RS256).kid().clone();
    cluster.now = NOW;
    ask(&mut cluster, "1");
    cluster.advance_to(NOW + 600);
    assert_ne!(*cluster.key(OWNER, Alg::RS256).kid(), first);
}

#[test]
fn a_request_is_carried_out_once_and_another_one_again() {
    let mut cluster = Cluster::new(standard());
    cluster.now = NOW + 10;
    ask(&mut cluster, "1");
    cluster.advance_to(NOW + 600);
    let second = cluster.key(OWNER, Alg::RS256).kid().clone();
    cluster.advance_to(NOW + 3600);
    assert_eq!(*cluster.key(OWNER, Alg::RS256).kid(), second);
    ask(&mut cluster, "2");
    cluster.advance_to(NOW + 7200);
    assert_ne!(*cluster.key(OWNER, Alg::RS256).kid(), second);
}

/// The key that signs for an owner.
fn kid(cluster: &Cluster, owner: &str) -> Kid {
    cluster.key(owner, Alg::RS256).kid().clone()
}

#[test]
fn one_namespace_gets_new_keys_and_the_request_is_forgotten() {
    let mut cluster = Cluster::new(standard());
    let (shop, tenant) = (kid(&cluster, OWNER), kid(&cluster, "identity/acme"));
    cluster
        .state
        .rotate(NOW + 10, &name("identity/acme"), Some(&name("shop")));
    cluster.plan_at(NOW + 10);
    assert_eq!(cluster.state.rotations, []);
    cluster.advance_to(NOW + 600);
    assert_ne!(kid(&cluster, OWNER), shop);
    assert_eq!(kid(&cluster, "identity/acme"), tenant);
    let second = kid(&cluster, OWNER);
    cluster.advance_to(NOW + 3600);
    assert_eq!(kid(&cluster, OWNER), second);
}

#[test]
fn a_whole_tenant_gets_new_keys_beside_what_an_annotation_asked_for() {
    let mut cluster = Cluster::new(standard());
    cluster.now = NOW + 10;
    ask(&mut cluster, "1");
    cluster.advance_to(NOW + 600);
    let (shop, tenant) = (kid(&cluster, OWNER), kid(&cluster, "identity/acme"));
    // Asked twice before it is done, it is done once, also in the second of a key's publication.
    for _ in 0..2 {
        cluster
            .state
            .rotate(NOW + 610, &name("identity/acme"), None);
    }
    cluster.plan_at(NOW + 610);
    assert_eq!(cluster.state.rotations.len(), 1, "the annotation's");
    cluster.advance_to(NOW + 1200);
    assert_ne!(kid(&cluster, OWNER), shop);
    assert_ne!(kid(&cluster, "identity/acme"), tenant);
    let rings = cluster.state.keyrings.iter();
    assert!(
        rings
            .flat_map(|ring| &ring.keys)
            .all(|key| key.generation <= 3)
    );
}

#[test]
fn a_revoked_key_is_refused_for_good_and_another_one_signs() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token("identity/acme", "shop/checkout", ORDERS);
    let shop = kid(&cluster, OWNER);
    let owner = cluster.state.revoke(NOW + 10, &shop).cloned();
    assert_eq!(
        owner.unwrap().to_string(),
        "namespace shop under tenant identity/acme"
    );
    assert_eq!(cluster.state.revoke(NOW + 10, &name("unknown")), None);
    cluster.plan_at(NOW + 10);
    let judged = cluster.judge("identity/acme", ORDERS, &token);
    assert_eq!(judged.unwrap_err().code(), "key-revoked");
    cluster.advance_to(NOW + 600);
    assert_ne!(kid(&cluster, OWNER), shop);
    let token = cluster.token("identity/acme", "shop/checkout", ORDERS);
    assert!(cluster.judge("identity/acme", ORDERS, &token).is_ok());
}
