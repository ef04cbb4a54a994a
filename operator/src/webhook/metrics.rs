//! What can be counted of the webhook.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use mintage_core::UnixTime;
use mintage_core::code::Coded;
use mintage_sidecar::server::Connections;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

mintage_core::coded! {
    /// What became of a request.
    pub enum Answered {
        /// The pod got a sidecar.
        Injected = "injected",
        /// The request was none that an API server sends.
        Malformed = "malformed",
        /// The code is at fault.
        Panicked = "panicked",
        /// The pod was refused.
        Refused = "refused",
        /// The pod goes without a sidecar.
        Skipped = "skipped",
        /// The pod has a current sidecar already.
        Unchanged = "unchanged",
        /// Refused for now: the operator does not know enough yet.
        Unready = "unready",
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    outcome: &'static str,
}

/// What is counted and measured of the webhook and its certificate; clones share their figures.
#[derive(Clone, Debug)]
pub struct Metrics {
    certificate_expiry: Gauge<i64, AtomicI64>,
    connections: Gauge<i64, AtomicI64>,
    durations: Histogram,
    requests: Family<Labels, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::<Labels, Counter>::default();
        // All from the start, so that a rate over the first one is right.
        for answered in Answered::ALL {
            let outcome = answered.code();
            drop(requests.get_or_create(&Labels { outcome }));
        }
        Self {
            certificate_expiry: Gauge::default(),
            connections: Gauge::default(),
            // From a quarter of a millisecond to eight seconds; the API server waits for ten.
            durations: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            requests,
        }
    }
}

impl Metrics {
    /// Registers them under `mintage_operator_webhook_…` in a registry without a prefix.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("mintage_operator_webhook");
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the certificate that is served expires, in seconds since 1970; 0 without one",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register_with_unit(
            "request_duration",
            "From a request to its answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "requests",
            "Requests of API servers, by what became of them",
            self.requests.clone(),
        );
    }

    /// Counts a request.
    pub fn count(&self, answered: Answered, took: Duration) {
        let outcome = answered.code();
        self.requests.get_or_create(&Labels { outcome }).inc();
        self.durations.observe(took.as_secs_f64());
    }

    /// How many requests had an outcome.
    pub fn counted(&self, answered: Answered) -> u64 {
        let outcome = answered.code();
        self.requests.get_or_create(&Labels { outcome }).get()
    }

    /// Says when the certificate that is served expires.
    pub fn set_certificate_expiry(&self, at: UnixTime) {
        self.certificate_expiry.set(at.0);
    }

    /// When the certificate that is served expires, as it was said last.
    pub fn certificate_expiry(&self) -> UnixTime {
        UnixTime(self.certificate_expiry.get())
    }
}

impl Connections for Metrics {
    fn add_connections(&self, change: i64) {
        self.connections.inc_by(change);
    }
}
