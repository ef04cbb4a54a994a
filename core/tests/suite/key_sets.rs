//! Key sets as published: what outsiders and libraries may see.

use std::collections::BTreeSet;

use mintage_core::jwks::{self, Jwks};
use mintage_core::keyring::{Keyring, Owner};
use mintage_core::{Alg, Identifier, Kid};

use crate::support::{ACME, Cluster, GLOBEX, LEDGER, NOW, ORDERS, PAYMENTS, name, standard};

fn kids(set: &Jwks) -> BTreeSet<&Kid> {
    set.keys.iter().map(|key| &key.kid).collect()
}

fn tenant_ring(cluster: &Cluster) -> &Keyring {
    let owner = Owner::tenant(name(ACME));
    let mut rings = cluster.state.keyrings.iter();
    rings.find(|ring| ring.owner == owner).unwrap()
}

fn in_pod(cluster: &Cluster, tenant: &str, namespace: &str, accepted: &[&str]) -> Jwks {
    let accepted: BTreeSet<Identifier> = accepted.iter().map(|text| name(text)).collect();
    jwks::in_pod(
        &cluster.bundle(tenant, namespace).body,
        &accepted,
        cluster.now,
    )
}

#[test]
fn the_public_set_lists_the_tenants_own_keys_only() {
    let cluster = Cluster::standard();
    let set = jwks::public(tenant_ring(cluster), false, NOW);
    let own = [Alg::PS256, Alg::RS256].map(|alg| cluster.key(ACME, alg).kid().clone());
    assert_eq!(kids(&set), own.iter().collect());
    for key in &set.keys {
        let json = serde_json::to_value(key).unwrap();
        let members: BTreeSet<&String> = json.as_object().unwrap().keys().collect();
        let expected = ["alg", "e", "kid", "kty", "n", "use"].map(str::to_owned);
        assert_eq!(
            members,
            expected.iter().collect(),
            "auth0-python wants RSA, a kid and nothing odd"
        );
        assert_eq!(json["use"], "sig");
    }
}

#[test]
fn the_public_set_lists_ec_keys_only_where_allowed() {
    let mut world = standard();
    world.tenants[0].allow_non_rsa = true;
    world.audiences[3].alg = mintage_core::world::AudienceAlg::Asymmetric(Alg::ES256);
    let cluster = Cluster::new(world);
    let es256 = cluster.key(ACME, Alg::ES256).kid().clone();
    let ring = tenant_ring(&cluster);
    assert!(kids(&jwks::public(ring, true, NOW)).contains(&es256));
    assert!(!kids(&jwks::public(ring, false, NOW)).contains(&es256));
}

#[test]
fn the_next_key_is_published_and_a_revoked_one_is_not() {
    let mut cluster = Cluster::new(standard());
    let old = cluster.key(ACME, Alg::RS256).kid().clone();
    cluster.now = NOW + 1;
    cluster.edit(|world| world.tenants[0].rotate_request = Some("1".to_owned()));
    let count = |cluster: &Cluster| {
        jwks::public(tenant_ring(cluster), false, cluster.now)
            .keys
            .len()
    };
    assert_eq!(count(&cluster), 4, "current and next, of two algorithms");
    cluster.edit(|world| world.tenants[0].revoke_keys = [old.clone()].into());
    assert_eq!(count(&cluster), 3);
    assert!(!kids(&jwks::public(tenant_ring(&cluster), false, cluster.now)).contains(&old));
}

#[test]
fn a_pod_sees_the_keys_that_its_audiences_tokens_may_have() {
    let cluster = Cluster::standard();
    let key = |owner: &str, alg| cluster.key(owner, alg).kid().clone();
    let orders = in_pod(cluster, ACME, "orders", &[ORDERS]);
    let expected = [
        key("identity/acme", Alg::RS256),
        key("identity/acme", Alg::PS256),
        key("identity/acme/orders", Alg::ES256), // its own
        key("identity/acme/shop", Alg::RS256),
        key("identity/acme/shop", Alg::ES256),
        key("identity/acme/shop", Alg::EdDSA),
        key("identity/acme/shop-evil", Alg::RS256),
        key("identity/acme/other", Alg::RS256),
    ];
    assert_eq!(kids(&orders), expected.iter().collect());
    // Only shop was granted the ledger.
    let ledger = in_pod(cluster, ACME, "orders", &[LEDGER]);
    assert!(kids(&ledger).is_subset(&kids(&orders)));
    assert!(!kids(&ledger).contains(&key("identity/acme/other", Alg::RS256)));
    assert!(!kids(&ledger).contains(&key("identity/acme/shop-evil", Alg::RS256)));
    let payments = in_pod(cluster, ACME, "payments", &[PAYMENTS]);
    assert!(kids(&payments).contains(&key("identity/acme/orders", Alg::ES256)));
    // And nothing of another tenant.
    let globex = in_pod(cluster, GLOBEX, "orders", &[ORDERS]);
    assert!(kids(&globex).is_disjoint(&kids(&orders)));
}
