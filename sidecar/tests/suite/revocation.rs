//! A revoked key stays revoked.

use mintage_core::bundle::Bundle;
use mintage_core::{Alg, Kid};

use crate::cluster::{ACME, Cluster, Forge, ORDERS, standard};
use crate::pod::{Pod, answer, files, put_bundle};

/// The cluster, and again with the key revoked that signs the orders tokens of the namespace shop.
fn revoke() -> (Cluster, Cluster, Kid) {
    let before = Cluster::new(standard());
    let kid = before.key("identity/acme/shop", Alg::RS256).kid().clone();
    let mut after = before.clone();
    after.edit(|world| {
        for tenant in &mut world.tenants {
            tenant.revoke_keys.insert(kid.clone());
        }
    });
    (before, after, kid)
}

/// A bundle of one time with the content of another.
fn forgetful(old: &Bundle, new: &Bundle) -> Bundle {
    Bundle {
        version: new.version + 1,
        renewed_at: new.renewed_at,
        body: old.body.clone(),
    }
}

#[tokio::test]
async fn a_remembered_token_of_a_revoked_key_is_refused() {
    let (before, after, _) = revoke();
    let pod = Pod::of(&before, "orders/api", "orders");
    let token = before.token(ACME, "shop/checkout", ORDERS);
    let other = before.token(ACME, "other/worker", ORDERS);
    for token in [&token, &other] {
        assert_eq!(pod.validate("", token).await.status, 200);
        assert_eq!(pod.introspect(token).await.json()["active"], true);
    }
    pod.load(&after);
    let denied = pod.validate("", &token).await;
    assert_eq!(denied.status, 401);
    assert!(
        denied.header("www-authenticate").contains("(key-revoked)"),
        "{denied:?}"
    );
    assert_eq!(pod.introspect(&token).await.json()["active"], false);
    assert_eq!(
        pod.validate("", &other).await.status,
        200,
        "another key is not touched"
    );
}

#[tokio::test]
async fn a_later_bundle_that_forgets_brings_no_revoked_key_back_to_validators() {
    let (before, after, _) = revoke();
    let pod = Pod::of(&before, "orders/api", "orders");
    let token = before.token(ACME, "shop/checkout", ORDERS);
    pod.load(&after);
    assert_eq!(pod.validate("", &token).await.status, 401);

    let mut mount = files(&before, ACME, "orders");
    // The old mount as it was is older.
    assert!(pod.shared.load(&mount, &pod.identity).is_err());
    let bundle = forgetful(before.bundle(ACME, "orders"), after.bundle(ACME, "orders"));
    put_bundle(&mut mount, &bundle);
    pod.shared.load(&mount, &pod.identity).unwrap();
    let denied = pod.validate("", &token).await;
    assert!(
        denied.header("www-authenticate").contains("(key-revoked)"),
        "{denied:?}"
    );
    // And through one more, which does not know the key at all.
    let mut without = bundle.clone();
    without.version += 1;
    without.body.keys.clear();
    put_bundle(&mut mount, &without);
    pod.shared.load(&mount, &pod.identity).unwrap();
    let again = Bundle {
        version: without.version + 1,
        ..bundle
    };
    put_bundle(&mut mount, &again);
    pod.shared.load(&mount, &pod.identity).unwrap();
    let denied = pod.validate("", &token).await;
    assert!(
        denied.header("www-authenticate").contains("(key-revoked)"),
        "{denied:?}"
    );
}

#[tokio::test]
async fn nor_to_issuers() {
    let (before, after, kid) = revoke();
    let pod = Pod::of(&before, "shop/checkout", "");
    let signer = |token: &str| Forge::of(token).header["kid"].clone();
    assert_eq!(signer(&pod.token(ORDERS).await), kid.as_str());
    pod.load(&after);
    let mut mount = files(&before, ACME, "shop");
    let (old, new) = (before.bundle(ACME, "shop"), after.bundle(ACME, "shop"));
    put_bundle(&mut mount, &forgetful(old, new));
    pod.shared.load(&mount, &pod.identity).unwrap();
    let refused = answer(pod.ask(&[("audience", ORDERS)])).await;
    refused.refused(503, "temporarily_unavailable", "key-unavailable", "");
    let jwks = pod.get("/.well-known/jwks.json").await;
    assert!(!jwks.body.contains(kid.as_str()), "{jwks:?}");
}

#[tokio::test]
async fn handed_out_tokens_of_a_revoked_key_are_forgotten() {
    let (before, after, kid) = revoke();
    let pod = Pod::of(&before, "shop/checkout", "");
    let ask = async || {
        let request = pod.ask(&[("audience", ORDERS)]);
        answer(request.header("Mintage-Cache", "allow")).await
    };
    assert_eq!(ask().await.header("mintage-cache"), "miss");
    assert_eq!(ask().await.header("mintage-cache"), "hit");
    pod.load(&after);
    let now = ask().await;
    assert_ne!(now.header("mintage-cache"), "hit");
    if now.status == 200 {
        let token = now.text("access_token");
        assert_ne!(Forge::of(&token).header["kid"], kid.as_str());
    }
}
