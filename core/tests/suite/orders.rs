//! Mints: who signs, and when nobody can; and what a pod accepts.

use mintage_core::keyring::Owner;
use mintage_core::mint::{Mint, NoOrder};
use mintage_core::policy::Request;
use mintage_core::verify::{NotAccepted, accepted};

use crate::support::{ACME, Cluster, GLOBEX, LEDGER, NOW, ORDERS, REPORTS, name};

#[test]
fn central_tokens_need_the_tenants_key() {
    let mint = Cluster::standard().mint(ACME, "shop/checkout");
    let request = Request {
        audience: Some(REPORTS),
        scope: None,
    };
    let refused = mint.order(NOW, request).unwrap_err();
    assert_eq!(refused.code(), "issuance-central");
    assert!(refused.to_string().contains(REPORTS), "{refused}");
}

#[test]
fn a_mint_without_keys_says_so() {
    let body = &Cluster::standard().bundle(ACME, "shop").body;
    let mint = Mint::new(body, name("shop/checkout"), None, &[]).unwrap();
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    let refused = mint.order(NOW, request).unwrap_err();
    assert_eq!(
        refused,
        NoOrder::KeyUnavailable {
            alg: mintage_core::Alg::RS256
        }
    );
    assert!(refused.to_string().contains("try again"), "{refused}");
    assert_eq!(refused.code(), "key-unavailable");
}

#[test]
fn a_workload_of_another_namespace_has_nothing_of_this_bundle() {
    let cluster = Cluster::standard();
    let body = &cluster.bundle(ACME, "shop").body;
    let owner = Owner::namespace(name(ACME), name("shop"));
    let files = [cluster.keyring_file(&owner)];
    let mint = Mint::new(body, name("other/checkout"), None, &files).unwrap();
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    assert_eq!(
        mint.order(NOW, request).unwrap_err().code(),
        "grant-missing"
    );
}

#[test]
fn an_order_is_signed_by_its_own_key_or_not_at_all() {
    let cluster = Cluster::standard();
    let request = Request {
        audience: Some(ORDERS),
        scope: None,
    };
    let order = cluster
        .mint(ACME, "shop/checkout")
        .order(NOW, request)
        .unwrap();
    let other = cluster.mint(ACME, "other/worker");
    assert!(other.sign(&order, [0; 16]).is_err());
    // A mint that has it in another place finds it.
    let reloaded = cluster.mint_with(ACME, "shop/checkout", None, true);
    let token = reloaded.sign(&order, [0; 16]).unwrap();
    assert!(cluster.judge(ACME, ORDERS, &token).is_ok());
}

#[test]
fn which_audiences_a_pod_accepts() {
    let cluster = Cluster::standard();
    let orders = &cluster.bundle(ACME, "orders").body;
    let shop = &cluster.bundle(ACME, "shop").body;
    let globex = &cluster.bundle(GLOBEX, "orders").body;
    let only = accepted(globex, &[]).unwrap();
    assert_eq!(
        only.iter()
            .map(mintage_core::Identifier::as_str)
            .collect::<Vec<_>>(),
        [ORDERS]
    );
    let named = accepted(orders, &[name("ledger")]).unwrap();
    assert_eq!(
        named
            .iter()
            .map(mintage_core::Identifier::as_str)
            .collect::<Vec<_>>(),
        [LEDGER]
    );
    let ambiguous = accepted(orders, &[]).unwrap_err();
    assert!(
        matches!(ambiguous, NotAccepted::Ambiguous { .. }),
        "{ambiguous}"
    );
    assert!(
        ambiguous.to_string().contains("orders, ledger"),
        "{ambiguous}"
    );
    assert!(matches!(accepted(shop, &[]), Err(NotAccepted::None { .. })));
    let unknown = accepted(orders, &[name("payments")]).unwrap_err();
    assert!(matches!(unknown, NotAccepted::Unknown { .. }), "{unknown}");
}
