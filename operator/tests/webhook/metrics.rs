//! What the webhook tells Prometheus.

use std::time::Duration;

use mintage_operator::webhook::{Answered, Metrics};

use crate::cluster::NOW;

#[test]
fn metrics_have_the_names_that_the_alerts_use() {
    let metrics = Metrics::default();
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    metrics.count(Answered::Injected, Duration::from_millis(1));
    metrics.set_certificate_expiry(NOW);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "mintage_operator_webhook_requests_total{outcome=\"injected\"} 1".to_owned(),
        "mintage_operator_webhook_requests_total{outcome=\"panicked\"} 0".to_owned(),
        format!(
            "mintage_operator_webhook_certificate_expiry_timestamp_seconds {}",
            NOW.0
        ),
        "mintage_operator_webhook_request_duration_seconds_count 1".to_owned(),
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
}
