//! What can be counted and measured, in `OpenMetrics`.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The labels of a token request: the rule that refused, or `issued`, `reused`.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct TokenLabels {
    /// The outcome.
    pub outcome: &'static str,
}

/// The labels of a check: the reason of the refusal, or `accepted`.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct CheckLabels {
    /// The route.
    pub route: &'static str,
    /// The outcome.
    pub outcome: &'static str,
}

/// The labels of a reload.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ReloadLabels {
    /// `loaded` or `refused`.
    pub outcome: &'static str,
}

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    /// `mintage_token_requests_total`: token requests, by outcome.
    pub token_requests: Family<TokenLabels, Counter>,
    /// `mintage_token_checks_total`: tokens that were to be checked, by route and outcome.
    pub token_checks: Family<CheckLabels, Counter>,
    /// `mintage_signing_duration_seconds`: how long signatures took; one that served several requests counts once.
    pub signing: Histogram,
    /// `mintage_reloads_total`: sets of files, by outcome.
    pub reloads: Family<ReloadLabels, Counter>,
    /// `mintage_bundle_age_seconds`: how long ago the bundle was confirmed.
    pub bundle_age: Gauge<i64, AtomicI64>,
    /// `mintage_bundle_max_age_seconds`: at which age nothing is answered any more.
    pub bundle_max_age: Gauge<i64, AtomicI64>,
    /// `mintage_bundle_version`: the version in use.
    pub bundle_version: Gauge<f64, AtomicU64>,
    /// `mintage_connections`: open connections.
    pub connections: Gauge<i64, AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("mintage");
        // From 32 microseconds (a P-256 signature) to half a second.
        let signing = Histogram::new(exponential_buckets(0.000_032, 2.0, 15));
        let metrics = Self {
            token_requests: Family::default(),
            token_checks: Family::default(),
            signing: signing.clone(),
            reloads: Family::default(),
            bundle_age: Gauge::default(),
            bundle_max_age: Gauge::default(),
            bundle_version: Gauge::default(),
            connections: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "token_requests",
            "Token requests, by outcome",
            metrics.token_requests.clone(),
        );
        registry.register(
            "token_checks",
            "Tokens to be checked, by route and outcome",
            metrics.token_checks.clone(),
        );
        registry.register_with_unit(
            "signing_duration",
            "How long signatures took",
            Unit::Seconds,
            signing,
        );
        registry.register(
            "reloads",
            "Sets of files, by outcome",
            metrics.reloads.clone(),
        );
        registry.register_with_unit(
            "bundle_age",
            "How long ago the bundle was confirmed",
            Unit::Seconds,
            metrics.bundle_age.clone(),
        );
        registry.register_with_unit(
            "bundle_max_age",
            "At which age of the bundle nothing is answered any more",
            Unit::Seconds,
            metrics.bundle_max_age.clone(),
        );
        registry.register(
            "bundle_version",
            "The version of the bundle in use",
            metrics.bundle_version.clone(),
        );
        registry.register(
            "connections",
            "Open connections",
            metrics.connections.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Counts a token request.
    pub fn count_token(&self, outcome: &'static str) {
        self.token_requests
            .get_or_create(&TokenLabels { outcome })
            .inc();
    }

    /// Counts a checked token.
    pub fn count_check(&self, route: &'static str, outcome: &'static str) {
        self.token_checks
            .get_or_create(&CheckLabels { route, outcome })
            .inc();
    }

    /// Counts a set of files.
    pub fn count_reload(&self, outcome: &'static str) {
        self.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    }

    /// All of it, as `OpenMetrics` text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
