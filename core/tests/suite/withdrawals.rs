//! What happens when a namespace, an API, a domain or a key is gone.

use mintage_core::jose::PrivateKey;
use mintage_core::policy::Request;
use mintage_core::verify::Rejection;
use mintage_core::{Alg, Domain, LEEWAY};

use crate::support::{
    ACME, Cluster, Forge, NOW, ORDERS, PAYMENTS, custom_domain, name, standard, tenant,
};

fn judge(cluster: &Cluster, audience: &str, token: &str) -> Result<(), Rejection> {
    cluster.judge(ACME, audience, token).map(|_| ())
}

#[test]
fn a_namespace_that_the_tenant_no_longer_admits() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", PAYMENTS);
    let key = cluster.key("identity/acme/shop", Alg::ES256);
    cluster.edit(|world| {
        let shop = world.namespaces.get_mut("shop").unwrap();
        shop.labels.remove("acme");
    });
    // It is told so: its sidecars stop at once.
    let refused = cluster.ask(ACME, "shop/checkout", Some(PAYMENTS), None);
    assert_eq!(refused.unwrap_err().code(), "grant-missing");
    assert_eq!(
        judge(&cluster, PAYMENTS, &token),
        Ok(()),
        "what it signed before lives on"
    );
    let end = NOW + 300 + 600 + LEEWAY;
    cluster.advance_to(end + 1);
    let late = Forge::of(&token)
        .claim("iat", end.0)
        .claim("exp", end.0 + 600)
        .sign_as(&key);
    assert_eq!(judge(&cluster, PAYMENTS, &late), Err(Rejection::KeyUnknown));
    // When its last key is gone, there is nothing left to tell it.
    cluster.advance_to(NOW + 300 + 86_400 + LEEWAY + 1);
    assert!(!cluster.bundles.contains_key(&(name(ACME), name("shop"))));
    let globex = cluster.ask(crate::support::GLOBEX, "shop/checkout", Some(ORDERS), None);
    assert!(globex.is_ok(), "the other tenant still serves it");
}

#[test]
fn a_namespace_that_never_opted_in_has_no_keys() {
    let mut world = standard();
    world.namespaces.get_mut("other").unwrap().opted_in = false;
    let cluster = Cluster::new(world);
    assert!(!cluster.bundles.contains_key(&(name(ACME), name("other"))));
    let rings = cluster.state.keyrings.iter();
    assert_eq!(
        rings
            .filter(|ring| ring.owner.namespace == Some(name("other")))
            .count(),
        0
    );
}

#[test]
fn a_namespace_made_anew_gets_new_keys() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", PAYMENTS);
    let old = cluster.key("identity/acme/shop", Alg::ES256);
    cluster.now = NOW + 1;
    cluster.edit(|world| world.namespaces.get_mut("shop").unwrap().uid = name("uid-shop-2"));
    assert_eq!(
        judge(&cluster, PAYMENTS, &token),
        Ok(()),
        "tokens of before live on"
    );
    // Neither the old life's key nor anything else of it signs in the new one.
    let fresh = cluster.token(ACME, "shop/checkout", PAYMENTS);
    assert_ne!(Forge::of(&fresh).header["kid"], old.kid().as_str());
    assert_eq!(judge(&cluster, PAYMENTS, &fresh), Ok(()));
}

#[test]
fn an_api_that_is_deleted_and_made_again() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", PAYMENTS);
    let mut payments = cluster.world.audiences[1].clone();
    cluster.edit(|world| drop(world.audiences.remove(1)));
    let refused = cluster.ask(ACME, "shop/checkout", Some(PAYMENTS), None);
    assert_eq!(refused.unwrap_err().code(), "audience-unknown");
    cluster.now = NOW + 60;
    payments.uid = name("uid-payments-2");
    cluster.edit(|world| world.audiences.push(payments));
    assert_eq!(judge(&cluster, PAYMENTS, &token), Ok(()));
}

#[test]
fn a_custom_domain_comes_and_goes() {
    let mut cluster = Cluster::new(standard());
    let domain: Domain = name("id.acme.test");
    let ask = |cluster: &Cluster| {
        let mint = cluster.mint_with(ACME, "shop/checkout", Some(&domain), false);
        let request = Request {
            audience: Some(PAYMENTS),
            scope: None,
        };
        let order = mint
            .order(cluster.now, request)
            .map_err(|refused| refused.code())?;
        Ok(mint.sign(&order, [0; 16]).unwrap())
    };
    assert_eq!(ask(&cluster), Err("domain-not-served"));
    let added = custom_domain("identity/id", ACME, "id.acme.test");
    cluster.edit(|world| world.domains.push(added));
    assert_eq!(
        ask(&cluster),
        Err("domain-pending"),
        "validators hear of it first"
    );
    cluster.advance_to(NOW + 300);
    let token = ask(&cluster).unwrap();
    assert_eq!(judge(&cluster, PAYMENTS, &token), Ok(()));
    cluster.edit(|world| drop(world.domains.pop()));
    assert_eq!(ask(&cluster), Err("domain-not-served"));
    assert_eq!(
        judge(&cluster, PAYMENTS, &token),
        Ok(()),
        "its tokens live on"
    );
    // As long as any token of the tenant can live: a day, for the Management API.
    let end = NOW + 300 + 300 + 86_400 + LEEWAY;
    let last = |cluster: &Cluster| {
        let forge = Forge::of(&token).claim("iat", cluster.now.0);
        let key = cluster.key("identity/acme/shop", Alg::ES256);
        judge(
            cluster,
            PAYMENTS,
            &forge.claim("exp", cluster.now.0 + 60).sign_as(&key),
        )
    };
    cluster.advance_to(end);
    assert_eq!(last(&cluster), Ok(()));
    cluster.advance_to(end + 1);
    assert_eq!(last(&cluster), Err(Rejection::Issuer));
}

#[test]
fn a_private_key_that_is_lost_is_replaced_by_way_of_next() {
    let mut cluster = Cluster::new(standard());
    let token = cluster.token(ACME, "shop/checkout", PAYMENTS);
    let in_memory = cluster.mint(ACME, "shop/checkout");
    let kid = cluster.key("identity/acme/shop", Alg::ES256).kid().clone();
    cluster.private.remove(&kid);
    cluster.plan_at(NOW + 1);
    // Whoever holds it in memory goes on, and its tokens are good.
    let request = Request {
        audience: Some(PAYMENTS),
        scope: None,
    };
    let order = in_memory.order(NOW + 1, request).unwrap();
    assert_eq!(
        judge(
            &cluster,
            PAYMENTS,
            &in_memory.sign(&order, [1; 16]).unwrap()
        ),
        Ok(())
    );
    // Who does not waits for the new key, which signs when every validator knows it.
    let refused = cluster.ask(ACME, "shop/checkout", Some(PAYMENTS), None);
    assert_eq!(refused.unwrap_err().code(), "key-unavailable");
    cluster.advance_to(NOW + 301);
    let fresh = cluster.token(ACME, "shop/checkout", PAYMENTS);
    assert_ne!(Forge::of(&fresh).header["kid"], kid.as_str());
    assert_eq!(judge(&cluster, PAYMENTS, &fresh), Ok(()));
    assert_eq!(judge(&cluster, PAYMENTS, &token), Ok(()));
}

#[test]
fn a_scheduled_rotation_refuses_no_token() {
    let mut cluster = Cluster::new(standard());
    let mut kids = std::collections::BTreeSet::new();
    let mut alive: Vec<(i64, String)> = Vec::new();
    for day in 0..70 {
        cluster.advance_to(NOW + day * 86_400);
        let token = cluster.token(ACME, "shop/checkout", ORDERS);
        kids.insert(Forge::of(&token).header["kid"].to_string());
        alive.push((cluster.now.0 + 86_400, token));
        alive.retain(|(end, _)| *end >= cluster.now.0);
        for (_, token) in &alive {
            assert_eq!(judge(&cluster, ORDERS, token), Ok(()), "day {day}");
        }
    }
    assert!(kids.len() >= 3, "rotated monthly: {}", kids.len());
}

#[test]
fn a_tenant_made_anew_signs_with_new_keys() {
    let mut cluster = Cluster::new(standard());
    let old = cluster.key("identity/acme", Alg::RS256);
    let mut again = tenant(ACME, "acme.test");
    again.uid = name("uid-acme-2");
    cluster.edit(|world| world.tenants[0] = again);
    let new = cluster.key("identity/acme/shop", Alg::RS256);
    assert_ne!(new.kid(), old.kid());
    let rings = cluster.state.keyrings.iter();
    for ring in rings.filter(|ring| ring.tenant_uid.as_str() != "uid-acme-2") {
        if ring.owner.tenant.to_string() == ACME {
            let signs = ring
                .keys
                .iter()
                .any(|key| key.state(NOW + 300) == mintage_core::keyring::State::Active);
            assert!(!signs, "{:?}", ring.owner);
        }
    }
    assert!(PrivateKey::from_pkcs8(Alg::RS256, &cluster.private[new.kid()].2).is_ok());
}
