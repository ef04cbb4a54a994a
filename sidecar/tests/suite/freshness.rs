//! Old data, and clocks that are a day off.

use crate::cluster::{ACME, Cluster, NOW, ORDERS, PAYMENTS, standard};
use crate::pod::{Pod, answer};
use crate::tokens;

const DAY: i64 = 86_400;

#[tokio::test]
async fn past_its_age_a_bundle_is_not_used_until_it_is_renewed() {
    let mut cluster = Cluster::new(standard());
    let pod = Pod::of(&cluster, "orders/api", "orders");
    let renewed = cluster.bundle(ACME, "orders").renewed_at;
    let statuses = async || {
        let asked = answer(pod.ask(&[("audience", PAYMENTS)])).await;
        [
            asked.status,
            pod.introspect("x").await.status,
            pod.validate("", "x").await.status,
            pod.get("/.well-known/jwks.json").await.status,
            pod.admin("/readyz").await.status,
            pod.admin("/healthz").await.status,
        ]
    };
    pod.set_clock(renewed + DAY);
    assert_eq!(statuses().await, [200, 200, 401, 200, 200, 200]);
    pod.set_clock(renewed + DAY + 1);
    assert_eq!(statuses().await, [503, 503, 503, 503, 503, 200]);
    let refused = answer(pod.ask(&[("audience", PAYMENTS)])).await;
    refused.refused(
        503,
        "temporarily_unavailable",
        "bundle-too-old",
        "the bundle was last confirmed 86401 s ago",
    );
    let refused = pod.validate("", &tokens::good()).await;
    refused.refused(503, "temporarily_unavailable", "bundle-too-old", "");
    let metrics = pod.admin("/metrics").await.body;
    assert!(
        metrics.contains("mintage_bundle_age_seconds 86401\n"),
        "{metrics}"
    );

    cluster.plan_at(renewed + DAY + 1);
    pod.load(&cluster);
    assert_eq!(statuses().await, [200, 200, 401, 200, 200, 200]);
}

#[tokio::test]
async fn a_token_is_never_accepted_past_its_end_and_leeway() {
    let mut cluster = Cluster::new(standard());
    let pod = Pod::of(&cluster, "orders/api", "orders");
    let token = cluster.token(ACME, "shop/checkout", ORDERS);
    cluster.plan_at(NOW + DAY);
    pod.load(&cluster);
    for (age, expected) in [
        (DAY, 200),
        (DAY + 29, 200),
        (DAY + 30, 401),
        (DAY + DAY / 2, 401),
    ] {
        pod.set_clock(NOW + age);
        assert_eq!(
            pod.validate("", &token).await.status,
            expected,
            "after {age} s"
        );
    }
}

#[tokio::test]
async fn a_clock_a_day_back_accepts_nothing_from_the_future() {
    let mut cluster = Cluster::new(standard());
    cluster.plan_at(NOW + 10 * DAY);
    let now = cluster.now;
    let api = Pod::of(&cluster, "orders/api", "orders");
    let shop = Pod::of(&cluster, "shop/checkout", "");
    let token = shop.token(ORDERS).await;
    assert_eq!(api.validate("", &token).await.status, 200);
    api.set_clock(now - DAY);
    let denied = api.validate("", &token).await;
    assert!(
        denied
            .header("www-authenticate")
            .contains("(issued-in-future)"),
        "{denied:?}"
    );
    assert_eq!(api.admin("/readyz").await.status, 200);

    // What it issues is of its own present, and good there.
    shop.set_clock(now - DAY);
    let earlier = shop.token(ORDERS).await;
    assert_ne!(earlier, token);
    assert_eq!(api.validate("", &earlier).await.status, 200);
    api.set_clock(now);
    let late = api.validate("", &earlier).await;
    assert_eq!(late.status, 200, "within the leeway of its end");
    api.set_clock(now + 30);
    assert_eq!(api.validate("", &earlier).await.status, 401);
}

#[tokio::test]
async fn a_clock_a_day_ahead_fails_closed() {
    let cluster = Cluster::standard();
    let pod = Pod::of(cluster, "shop/checkout", "");
    assert_eq!(answer(pod.ask(&[("audience", ORDERS)])).await.status, 200);
    pod.set_clock(NOW + DAY + 1);
    assert_eq!(answer(pod.ask(&[("audience", ORDERS)])).await.status, 503);
    pod.set_clock(NOW);
    assert_eq!(answer(pod.ask(&[("audience", ORDERS)])).await.status, 200);
}
