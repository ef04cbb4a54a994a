//! `Mintage-Cache: allow`: the same token again while a third of its life is left.

use crate::cluster::{Cluster, LEDGER, NOW, ORDERS, PAYMENTS, standard};
use crate::pod::{Answer, Pod, answer};

/// Asks for a token of 600 s with a `jti`, of which no two fresh ones are equal.
async fn reuse(pod: &Pod) -> Answer {
    let request = pod.ask(&[("audience", PAYMENTS)]);
    let answer = answer(request.header("Mintage-Cache", "allow")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

#[tokio::test]
async fn a_token_is_handed_out_again_while_a_third_of_its_life_is_left() {
    let pod = Pod::checkout();
    let first = reuse(&pod).await;
    assert_eq!(first.header("mintage-cache"), "miss");
    assert_eq!(first.json()["expires_in"], 600);
    for (age, rest) in [(0, 600), (100, 500), (400, 200)] {
        pod.set_clock(NOW + age);
        let again = reuse(&pod).await;
        assert_eq!(again.header("mintage-cache"), "hit");
        assert_eq!(again.json()["expires_in"], rest);
        assert_eq!(again.text("access_token"), first.text("access_token"));
    }
    pod.set_clock(NOW + 401);
    let fresh = reuse(&pod).await;
    assert_eq!(fresh.header("mintage-cache"), "miss");
    assert_eq!(fresh.json()["expires_in"], 600);
    assert_ne!(fresh.text("access_token"), first.text("access_token"));
}

#[tokio::test]
async fn who_does_not_allow_it_gets_a_fresh_token() {
    let pod = Pod::checkout();
    let first = reuse(&pod).await.text("access_token");
    assert_eq!(reuse(&pod).await.text("access_token"), first);
    let plain = answer(pod.ask(&[("audience", PAYMENTS)])).await;
    assert_eq!(plain.header("mintage-cache"), "");
    assert_ne!(plain.text("access_token"), first);
    let other = pod.ask(&[("audience", PAYMENTS)]);
    let other = answer(other.header("Mintage-Cache", "no")).await;
    assert_ne!(other.text("access_token"), first);
}

#[tokio::test]
async fn other_audiences_and_scopes_have_tokens_of_their_own() {
    let pod = Pod::checkout();
    let ask = async |params: &[(&str, &str)]| {
        let request = pod.ask(params).header("Mintage-Cache", "allow");
        answer(request).await
    };
    let all = ask(&[("audience", ORDERS)]).await;
    for params in [
        vec![("audience", ORDERS), ("scope", "read:orders")],
        vec![("audience", LEDGER)],
    ] {
        let other = ask(&params).await;
        assert_eq!(other.header("mintage-cache"), "miss", "{params:?}");
        assert_ne!(other.text("access_token"), all.text("access_token"));
    }
    // The same grant in other words is the same token.
    let same = ask(&[("audience", ORDERS), ("scope", "write:orders read:orders")]).await;
    assert_eq!(same.header("mintage-cache"), "hit");
    assert_eq!(same.text("access_token"), all.text("access_token"));
}

#[tokio::test]
async fn a_reload_forgets_them_and_a_grant_that_went_is_refused() {
    let mut cluster = Cluster::new(standard());
    let pod = Pod::of(&cluster, "shop/checkout", "");
    let first = reuse(&pod).await.text("access_token");
    pod.load(&cluster);
    let after = reuse(&pod).await;
    assert_eq!(after.header("mintage-cache"), "miss");
    assert_ne!(after.text("access_token"), first);

    cluster.edit_audience("payments/payments", |audience| audience.grants.clear());
    pod.load(&cluster);
    let request = pod.ask(&[("audience", PAYMENTS)]);
    let refused = answer(request.header("Mintage-Cache", "allow")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
}

#[tokio::test]
async fn a_clock_set_back_gets_no_token_from_the_future() {
    let mut cluster = Cluster::new(standard());
    cluster.plan_at(NOW + 10 * 86_400);
    let pod = Pod::of(&cluster, "shop/checkout", "");
    let first = reuse(&pod).await.text("access_token");
    pod.set_clock(cluster.now - 86_400);
    let back = reuse(&pod).await;
    assert_eq!(back.header("mintage-cache"), "miss");
    assert_ne!(back.text("access_token"), first);
    let issued = crate::cluster::Forge::of(&back.text("access_token")).claims["iat"].clone();
    assert_eq!(issued, (cluster.now - 86_400).0);
}
