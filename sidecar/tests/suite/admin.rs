//! The admin listener.

use std::collections::BTreeSet;

use mintage_sidecar::server::Limits;

use crate::answer::send;
use crate::cluster::{Cluster, ORDERS};
use crate::pod::{Pod, answer, identity};
use crate::tokens;

/// Every metric, with its kind.
const METRICS: [(&str, &str); 19] = [
    ("mintage_build", "info"),
    ("mintage_bundle_age_seconds", "gauge"),
    ("mintage_bundle_max_age_seconds", "gauge"),
    ("mintage_bundle_version", "gauge"),
    ("mintage_central_requests", "counter"),
    ("mintage_connections", "gauge"),
    ("mintage_feed_connected", "gauge"),
    ("mintage_feed_news", "counter"),
    ("mintage_keys", "gauge"),
    ("mintage_log_lines_dropped", "counter"),
    ("mintage_reloads", "counter"),
    ("mintage_request_duration_seconds", "histogram"),
    ("mintage_requests", "counter"),
    ("mintage_signing_duration_seconds", "histogram"),
    ("mintage_token_checks", "counter"),
    ("mintage_token_requests", "counter"),
    ("mintage_tokens_issued", "counter"),
    ("process_open_fds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
];

/// The routes of requests and of checks.
const ROUTES: [&str; 7] = [
    "oauth/token",
    "validate",
    "introspect",
    ".well-known/jwks.json",
    ".well-known/openid-configuration",
    ".well-known/oauth-authorization-server",
    ".well-known/oauth-protected-resource",
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
        assert_eq!(send(posted).await.status, 404, "{path}");
    }
    // And neither of them at the workload API.
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(pod.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_metrics_are_those_that_are_listed() {
    let pod = Pod::of(Cluster::standard(), "orders/api", "orders");
    pod.validate("", &tokens::good()).await;
    pod.metrics.count_reload("loaded");
    pod.metrics.count_central("given");
    // A family is there from its first member on.
    let caller = Pod::checkout();
    caller.token(ORDERS).await;
    let of_caller = caller.admin("/metrics").await.body;
    let found = pod.admin("/metrics").await;
    assert!(
        found
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let kinds = [&*found.body, &of_caller]
        .into_iter()
        .flat_map(str::lines)
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
        let value = value.trim_matches('"');
        let is_known = match name {
            "outcome" | "owner" | "state" => {
                value.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            }
            "route" => value == "other" || ROUTES.contains(&value.trim_start_matches('/')),
            "status" => value.parse::<u16>().is_ok(),
            "version" => value == env!("CARGO_PKG_VERSION"),
            "le" => true,
            _ => false,
        };
        assert!(is_known, "{label}");
    }
    for secret in [".test", "shop", "checkout"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status_and_timed() {
    let pod = Pod::checkout();
    pod.token(ORDERS).await;
    pod.get("/oauth/token").await;
    pod.get("/nowhere").await;
    let count = |labels: &str| pod.metric(&format!("mintage_requests_total{{{labels}}}"));
    assert_eq!(count("route=\"/oauth/token\",status=\"200\""), 1);
    assert_eq!(count("route=\"/oauth/token\",status=\"405\""), 1);
    assert_eq!(count("route=\"other\",status=\"404\""), 1);
    let timed = "mintage_request_duration_seconds_count{route=\"/oauth/token\"}";
    assert_eq!(pod.metric(timed), 2);
}

#[tokio::test]
async fn keys_are_counted_by_owner_and_state() {
    let pod = Pod::orders();
    let text = pod.admin("/metrics").await.body;
    let expected = &Cluster::standard().bundle("identity/acme", "orders").body;
    let count = |owner: &str, state: &str| -> usize {
        let series = format!("mintage_keys{{owner=\"{owner}\",state=\"{state}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value
            .unwrap_or_else(|| panic!("{series} in {text}"))
            .parse()
            .unwrap()
    };
    let mut total = 0;
    for owner in ["own", "tenant", "others"] {
        for state in ["next", "active", "retiring", "removed", "revoked"] {
            total += count(owner, state);
        }
    }
    assert_eq!(total, expected.keys.len());
    let own = expected
        .keys
        .iter()
        .filter(|trusted| trusted.namespace.as_ref() == Some(&expected.namespace));
    assert_eq!(count("own", "active"), own.count());
    assert!(count("others", "active") > 0);
}

#[tokio::test]
async fn the_process_tells_what_it_takes() {
    let pod = Pod::checkout();
    let text = pod.admin("/metrics").await.body;
    let value = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 1024 * 1024);
    assert!(value("process_open_fds ") > 3);
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let page = include_str!("../../../docs/observability.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`');
        let kind = cells.next()?;
        // Those of the endpoint are compared where it is tested.
        let is_ours = ["mintage_", "process_"]
            .iter()
            .any(|ours| name.starts_with(ours));
        let of_endpoint = ["mintage_endpoint_", "mintage_store_", "mintage_told_"];
        let is_endpoints = of_endpoint.iter().any(|others| name.starts_with(others));
        (is_ours && !is_endpoints).then_some((name, kind))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), BTreeSet::from(METRICS));
}
