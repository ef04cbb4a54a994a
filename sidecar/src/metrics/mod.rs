//! What can be counted and measured, in `OpenMetrics`. `docs/observability.md` lists it for those who read it.

mod labels;
pub mod process;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use mintage_core::UnixTime;
use mintage_core::keyring::State;
use mintage_core::world::AudienceAlg;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::server::Connections;
use crate::state::Loaded;

pub use labels::IssuedLabels;
use labels::{
    AlgLabels, CentralLabels, CheckLabels, KeyLabels, ReloadLabels, RequestLabels, RouteLabels,
    TokenLabels,
};
use process::Process;

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    bundle_age: Gauge<i64, AtomicI64>,
    bundle_max_age: Gauge<i64, AtomicI64>,
    bundle_version: Gauge<f64, AtomicU64>,
    central_requests: Family<CentralLabels, Counter>,
    connections: Gauge<i64, AtomicI64>,
    feed_connected: Gauge<i64, AtomicI64>,
    feed_news: Counter,
    keys: Family<KeyLabels, Gauge<i64, AtomicI64>>,
    process: Process,
    reloads: Family<ReloadLabels, Counter>,
    request_durations: Durations<RouteLabels>,
    requests: Family<RequestLabels, Counter>,
    signing: Durations<AlgLabels>,
    token_checks: Family<CheckLabels, Counter>,
    token_requests: Family<TokenLabels, Counter>,
    tokens_issued: Family<IssuedLabels, Counter>,
}

/// From 32 microseconds (a P-256 signature, or a small request) to half a second.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_032, 2.0, 15))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            bundle_age: Gauge::default(),
            bundle_max_age: Gauge::default(),
            bundle_version: Gauge::default(),
            central_requests: Family::default(),
            connections: Gauge::default(),
            feed_connected: Gauge::default(),
            feed_news: Counter::default(),
            keys: Family::default(),
            process: Process::default(),
            reloads: Family::default(),
            request_durations: Family::new_with_constructor(durations),
            requests: Family::default(),
            signing: Family::new_with_constructor(durations),
            token_checks: Family::default(),
            token_requests: Family::default(),
            tokens_issued: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// The same, beside what somebody else registers.
    pub fn with(register: impl FnOnce(&mut Registry)) -> Self {
        let mut metrics = Self::default();
        register(&mut metrics.registry);
        metrics
    }

    fn register(&mut self) {
        self.process
            .register(&mut self.registry, env!("CARGO_PKG_VERSION"));
        let of = self.registry.sub_registry_with_prefix("mintage");
        of.register_with_unit(
            "bundle_age",
            "How long ago the bundle was confirmed",
            Unit::Seconds,
            self.bundle_age.clone(),
        );
        of.register_with_unit(
            "bundle_max_age",
            "At which age of the bundle nothing is answered any more",
            Unit::Seconds,
            self.bundle_max_age.clone(),
        );
        of.register(
            "bundle_version",
            "The version of the bundle in use",
            self.bundle_version.clone(),
        );
        of.register(
            "central_requests",
            "Requests to the tenant's endpoint, by outcome",
            self.central_requests.clone(),
        );
        of.register("connections", "Open connections", self.connections.clone());
        of.register(
            "feed_connected",
            "Whether the operator's stream is there: 1, or 0 while news come with the mounted files only",
            self.feed_connected.clone(),
        );
        of.register(
            "feed_news",
            "Bundles that came by the operator's stream",
            self.feed_news.clone(),
        );
        of.register(
            "keys",
            "Public keys in the bundle, by owner and state",
            self.keys.clone(),
        );
        of.register("reloads", "Sets of files, by outcome", self.reloads.clone());
        of.register_with_unit(
            "request_duration",
            "From a request's headers to its answer",
            Unit::Seconds,
            self.request_durations.clone(),
        );
        of.register(
            "requests",
            "Requests, by route and status",
            self.requests.clone(),
        );
        of.register_with_unit(
            "signing_duration",
            "How long signatures took",
            Unit::Seconds,
            self.signing.clone(),
        );
        of.register(
            "token_checks",
            "Tokens to be checked, by route and outcome",
            self.token_checks.clone(),
        );
        of.register(
            "token_requests",
            "Token requests, by outcome",
            self.token_requests.clone(),
        );
        of.register(
            "tokens_issued",
            "Tokens that were handed out, by algorithm, dialect and source",
            self.tokens_issued.clone(),
        );
    }

    /// Counts a request and how long it took.
    pub fn count_request(&self, route: &'static str, status: u16, took: Duration) {
        self.requests
            .get_or_create(&RequestLabels { route, status })
            .inc();
        self.request_durations
            .get_or_create(&RouteLabels { route })
            .observe(took.as_secs_f64());
    }

    /// Counts a token that was handed out.
    pub fn count_issued(&self, labels: &IssuedLabels) {
        self.tokens_issued.get_or_create(labels).inc();
    }

    /// Counts a request to the tenant's endpoint.
    pub fn count_central(&self, outcome: &'static str) {
        self.central_requests
            .get_or_create(&CentralLabels { outcome })
            .inc();
    }

    /// Counts a token request; the outcome is the rule that refused, or `issued`, `reused`, `kept`.
    pub fn count_token(&self, outcome: &'static str) {
        self.token_requests
            .get_or_create(&TokenLabels { outcome })
            .inc();
    }

    /// Counts a checked token; the outcome is the reason of the refusal, or `accepted`.
    pub fn count_check(&self, route: &'static str, outcome: &'static str) {
        self.token_checks
            .get_or_create(&CheckLabels { route, outcome })
            .inc();
    }

    /// Counts a signature; one that served several requests counts once.
    pub fn count_signature(&self, alg: AudienceAlg, took: Duration) {
        let alg = alg.as_str();
        self.signing
            .get_or_create(&AlgLabels { alg })
            .observe(took.as_secs_f64());
    }

    /// Whether the operator's stream is there.
    pub fn set_feed(&self, connected: bool) {
        self.feed_connected.set(connected.into());
    }

    /// Counts a bundle that came by the operator's stream.
    pub fn count_news(&self) {
        self.feed_news.inc();
    }

    /// Counts a set of files, `loaded` or `refused`.
    pub fn count_reload(&self, outcome: &'static str) {
        self.reloads.get_or_create(&ReloadLabels { outcome }).inc();
    }

    /// All of it, as `OpenMetrics` text; what is loaded is looked at now.
    pub fn encode(
        &self,
        now: UnixTime,
        loaded: Option<&Loaded>,
    ) -> Result<String, std::fmt::Error> {
        if let Some(loaded) = loaded {
            self.observe(now, loaded);
        }
        self.process.measure();
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn observe(&self, now: UnixTime, loaded: &Loaded) {
        let body = &loaded.bundle.body;
        self.bundle_age.set(loaded.age(now));
        self.bundle_max_age.set(body.max_age);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a version is a count of seconds, far below 2^52"
        )]
        self.bundle_version.set(loaded.bundle.version as f64);
        let mut counts: BTreeMap<_, i64> = BTreeMap::new();
        for trusted in &body.keys {
            let owner = match &trusted.namespace {
                None => "tenant",
                Some(namespace) if *namespace == body.namespace => "own",
                Some(_) => "others",
            };
            *counts
                .entry((owner, name(trusted.key.state(now))))
                .or_default() += 1;
        }
        for owner in ["others", "own", "tenant"] {
            for state in [
                State::Next,
                State::Active,
                State::Retiring,
                State::Removed,
                State::Revoked,
            ] {
                let state = name(state);
                let count = counts.get(&(owner, state)).copied().unwrap_or_default();
                self.keys
                    .get_or_create(&KeyLabels { owner, state })
                    .set(count);
            }
        }
    }
}

impl Connections for Metrics {
    fn add_connections(&self, change: i64) {
        self.connections.inc_by(change);
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Next => "next",
        State::Removed => "removed",
        State::Retiring => "retiring",
        State::Revoked => "revoked",
    }
}
