//! The admin listener.

use std::collections::BTreeSet;

use mintage_sidecar::server::Limits;

use crate::cluster::{Cluster, ORDERS};
use crate::pod::{Pod, answer, identity};
use crate::tokens;

/// Every metric, with its kind.
const METRICS: [(&str, &str); 8] = [
    ("mintage_bundle_age_seconds", "gauge"),
    ("mintage_bundle_max_age_seconds", "gauge"),
    ("mintage_bundle_version", "gauge"),
    ("mintage_connections", "gauge"),
    ("mintage_reloads", "counter"),
    ("mintage_signing_duration_seconds", "histogram"),
    ("mintage_token_checks", "counter"),
    ("mintage_token_requests", "counter"),
];

#[tokio::test]
async fn ready_with_a_usable_bundle_and_until_the_end() {
    let pod = Pod::empty(identity("shop/checkout", ""), Limits::default());
    assert_eq!(pod.admin("/healthz").await.status, 200);
    let missing = pod.admin("/readyz").await;
    assert_eq!(missing.status, 503);
    assert!(missing.body.contains("(bundle-missing"), "{missing:?}");
    pod.load(Cluster::standard());
    assert_eq!(pod.admin("/readyz").await.status, 200);
    pod.shared.drain();
    let draining = pod.admin("/readyz").await;
    assert_eq!((draining.status, &*draining.body), (503, "shutting down\n"));
    assert_eq!(pod.admin("/healthz").await.status, 200);
}

#[tokio::test]
async fn nothing_but_health_and_metrics() {
    let pod = Pod::orders();
    for path in [
        "/",
        "/oauth/token",
        "/introspect",
        "/validate",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/debug/pprof",
    ] {
        assert_eq!(pod.admin(path).await.status, 404, "{path}");
        let url = format!("http://{}{path}", pod.admin);
        let posted = pod
            .client
            .post(url)
            .form(&[("grant_type", "client_credentials")]);
        assert_eq!(answer(posted).await.status, 404, "{path}");
    }
    // And neither of them at the workload API.
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(pod.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_metrics_are_those_that_are_listed() {
    let pod = Pod::of(Cluster::standard(), "orders/api", "orders");
    drop(answer(pod.ask(&[("audience", ORDERS)])).await);
    pod.validate("", &tokens::good()).await;
    pod.metrics.count_reload("loaded");
    let found = pod.admin("/metrics").await;
    assert!(
        found
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let kinds = found
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    assert_eq!(kinds.collect::<BTreeSet<_>>(), BTreeSet::from(METRICS));
    assert!(found.body.ends_with("# EOF\n"));
    let version = Cluster::standard()
        .bundle("identity/acme", "orders")
        .version;
    assert!(
        found
            .body
            .contains(&format!("mintage_bundle_version {version}.0\n")),
        "{found:?}"
    );
    assert!(
        found
            .body
            .contains("mintage_bundle_max_age_seconds 86400\n")
    );
}

#[tokio::test]
async fn labels_do_not_grow_with_what_clients_send() {
    let pod = Pod::orders();
    let series = async || {
        let text = pod.admin("/metrics").await.body;
        text.lines().filter(|line| line.contains('{')).count()
    };
    let strange = async |number: usize| {
        let audience = format!("https://{number}.test");
        drop(answer(pod.ask(&[("audience", &audience), ("scope", &audience)])).await);
        drop(answer(pod.ask(&[("grant_type", &audience)])).await);
        pod.validate(&format!("?audience={audience}"), &audience)
            .await;
        pod.validate("", &format!("{number}")).await;
        pod.introspect(&audience).await;
        pod.get(&format!("/{number}")).await;
    };
    strange(0).await;
    let before = series().await;
    for number in 1..20 {
        strange(number).await;
    }
    assert_eq!(series().await, before);
    let text = pod.admin("/metrics").await.body;
    let labels = text
        .lines()
        .filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0));
    for label in labels.flat_map(|labels| labels.split(',')) {
        let (name, value) = label.split_once('=').unwrap();
        assert!(matches!(name, "outcome" | "route" | "le"), "{label}");
        let value = value.trim_matches('"');
        let known = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(name == "le" || value.chars().all(known), "{label}");
    }
    for secret in [".test", "shop", "checkout"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
