//! What can be counted and measured, in `OpenMetrics`. `docs/operations.md` lists it for those who read it.

mod labels;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use mintage_core::UnixTime;
use mintage_core::code::Coded as _;
use mintage_core::keyring::State;
use mintage_core::ownership::Kind;
use mintage_core::plan::Plan;
use mintage_sidecar::metrics::process::Process;
use mintage_sidecar::server::Connections;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::stale::Reason;
use labels::{
    CodeLabels, ErrorLabels, EventLabels, KeyLabels, ObjectLabels, StaleLabels, WriteLabels,
};

type Level = Gauge<i64, AtomicI64>;

/// Everything that is measured, but for what the webhook measures.
pub struct Metrics {
    registry: Registry,
    connections: Level,
    errors: Family<ErrorLabels, Counter>,
    events: Family<EventLabels, Counter>,
    feed_refusals: Family<CodeLabels, Counter>,
    feed_streams: Level,
    key_making: Histogram,
    keys: Family<KeyLabels, Level>,
    leader: Level,
    next_rotation: Level,
    objects: Family<ObjectLabels, Level>,
    process: Process,
    plan_duration: Histogram,
    plans: Counter,
    pods_stale: Family<StaleLabels, Level>,
    writes: Family<WriteLabels, Counter>,
}

/// The stages in which something can go wrong, so that each has a series from the start and the first error shows in a
/// rate.
const STAGES: [&str; 6] = ["apply", "conflict", "drift", "keys", "load", "status"];

/// The codes with which sidecars are refused the stream.
const REFUSALS: [&str; 4] = [
    "OTHER",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
];

const KINDS: [(Kind, &str); 4] = [
    (Kind::ApiAudience, "ApiAudience"),
    (Kind::Application, "Application"),
    (Kind::CustomDomain, "CustomDomain"),
    (Kind::Tenant, "Tenant"),
];

/// Keys that are removed are in no keyring any more.
const STATES: [(State, &str); 4] = [
    (State::Next, "next"),
    (State::Active, "active"),
    (State::Retiring, "retiring"),
    (State::Revoked, "revoked"),
];

impl Metrics {
    /// Nothing counted yet. `others` registers what other parts measure.
    pub fn new(others: impl FnOnce(&mut Registry)) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            connections: Gauge::default(),
            errors: Family::default(),
            events: Family::default(),
            feed_refusals: Family::default(),
            feed_streams: Gauge::default(),
            // An RSA key takes a tenth of a second, or several on a busy core.
            key_making: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            keys: Family::default(),
            leader: Gauge::default(),
            next_rotation: Gauge::default(),
            objects: Family::default(),
            process: Process::default(),
            // From a tenth of a millisecond to three seconds.
            plan_duration: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            plans: Counter::default(),
            pods_stale: Family::default(),
            writes: Family::default(),
        };
        metrics.register();
        others(&mut metrics.registry);
        for stage in STAGES {
            drop(metrics.errors.get_or_create(&ErrorLabels { stage }));
        }
        for code in REFUSALS {
            drop(metrics.feed_refusals.get_or_create(&CodeLabels { code }));
        }
        metrics.stop_leading();
        metrics
    }

    fn register(&mut self) {
        self.process
            .register(&mut self.registry, env!("CARGO_PKG_VERSION"));
        let of = self.registry.sub_registry_with_prefix("mintage_operator");
        of.register(
            "connections",
            "Open connections to health and metrics",
            self.connections.clone(),
        );
        of.register("errors", "What went wrong, by stage", self.errors.clone());
        of.register("events", "Events, by outcome", self.events.clone());
        of.register(
            "feed_refusals",
            "Sidecars that may not follow the stream, by gRPC code",
            self.feed_refusals.clone(),
        );
        of.register(
            "feed_streams",
            "Sidecars that follow the stream",
            self.feed_streams.clone(),
        );
        of.register_with_unit(
            "key_making",
            "How long keys took to make",
            Unit::Seconds,
            self.key_making.clone(),
        );
        of.register(
            "keys",
            "Keys of tenants and namespaces, by state",
            self.keys.clone(),
        );
        of.register("leader", "Whether this process leads", self.leader.clone());
        of.register_with_unit(
            "next_rotation_timestamp",
            "When a key or bundle is due next, in seconds since 1970; 0 if none is",
            Unit::Seconds,
            self.next_rotation.clone(),
        );
        of.register(
            "objects",
            "Resources, by kind and readiness",
            self.objects.clone(),
        );
        of.register_with_unit(
            "plan_duration",
            "How long plans took",
            Unit::Seconds,
            self.plan_duration.clone(),
        );
        of.register("plans", "Plans", self.plans.clone());
        of.register(
            "pods_stale",
            "Pods that should have another sidecar, by reason",
            self.pods_stale.clone(),
        );
        of.register(
            "writes",
            "Writes to the API server, by object and outcome",
            self.writes.clone(),
        );
    }

    /// This process leads.
    pub fn start_leading(&self) {
        self.leader.set(1);
    }

    /// This process does not lead. What only a leader knows is said no more, or two replicas would say different things.
    pub fn stop_leading(&self) {
        self.leader.set(0);
        self.next_rotation.set(0);
        self.keys.clear();
        self.objects.clear();
        self.set_stale(&BTreeMap::new());
    }

    /// Counts a plan, and says what is in it.
    pub fn count_plan(&self, plan: &Plan, now: UnixTime, took: Duration) {
        self.plans.inc();
        self.plan_duration.observe(took.as_secs_f64());
        let mut objects: BTreeMap<(Kind, bool), i64> = BTreeMap::new();
        for status in &plan.statuses {
            let at = (status.object.kind, status.reason.is_ready());
            *objects.entry(at).or_default() += 1;
        }
        for (kind, name) in KINDS {
            for (is_ready, ready) in [(true, "true"), (false, "false")] {
                let count = objects.get(&(kind, is_ready)).copied().unwrap_or_default();
                let labels = ObjectLabels { kind: name, ready };
                self.objects.get_or_create(&labels).set(count);
            }
        }
        let mut counts = [0; STATES.len()];
        for key in plan.state.keyrings.iter().flat_map(|ring| &ring.keys) {
            let state = key.state(now);
            let known = STATES.iter().position(|(known, _)| *known == state);
            if let Some(index) = known {
                counts[index] += 1;
            }
        }
        for ((_, state), count) in STATES.iter().zip(counts) {
            self.keys.get_or_create(&KeyLabels { state }).set(count);
        }
    }

    /// Says when the next key or bundle is due.
    pub fn set_next_rotation(&self, at: Option<UnixTime>) {
        self.next_rotation.set(at.map_or(0, |at| at.0));
    }

    /// Counts a write; the outcome is `done`, or what was wrong.
    pub fn count_write(&self, object: &'static str, outcome: &'static str) {
        let labels = WriteLabels { object, outcome };
        self.writes.get_or_create(&labels).inc();
    }

    /// Counts something that went wrong.
    pub fn count_error(&self, stage: &'static str) {
        self.errors.get_or_create(&ErrorLabels { stage }).inc();
    }

    /// Counts an Event.
    pub fn count_event(&self, outcome: &'static str) {
        self.events.get_or_create(&EventLabels { outcome }).inc();
    }

    /// Counts a sidecar that may not follow the stream.
    pub fn count_feed_refusal(&self, code: tonic::Code) {
        let code = code_name(code);
        self.feed_refusals.get_or_create(&CodeLabels { code }).inc();
    }

    /// Says how many sidecars follow the stream.
    pub fn set_feed_streams(&self, streams: usize) {
        self.feed_streams
            .set(i64::try_from(streams).unwrap_or(i64::MAX));
    }

    /// Counts a key that was made.
    pub fn count_key(&self, took: Duration) {
        self.key_making.observe(took.as_secs_f64());
    }

    /// Says how many pods are stale; those that are not named are none.
    pub fn set_stale(&self, counts: &BTreeMap<Reason, usize>) {
        for reason in Reason::ALL {
            let count = counts.get(reason).copied().unwrap_or_default();
            let labels = StaleLabels {
                reason: reason.code(),
            };
            self.pods_stale
                .get_or_create(&labels)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// All of it, as `OpenMetrics` text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        self.process.measure();
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A refusal's code, as gRPC writes it.
fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
        tonic::Code::Unavailable => "UNAVAILABLE",
        _ => "OTHER",
    }
}

impl Connections for Metrics {
    fn add_connections(&self, change: i64) {
        self.connections.inc_by(change);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mintage_core::plan::{Input, plan};
    use mintage_core::world::World;

    use super::*;

    /// Every metric, with its kind.
    const METRICS: [(&str, &str); 22] = [
        ("mintage_build", "info"),
        ("mintage_log_lines_dropped", "counter"),
        ("mintage_operator_connections", "gauge"),
        ("mintage_operator_errors", "counter"),
        ("mintage_operator_events", "counter"),
        ("mintage_operator_feed_refusals", "counter"),
        ("mintage_operator_feed_streams", "gauge"),
        ("mintage_operator_key_making_seconds", "histogram"),
        ("mintage_operator_keys", "gauge"),
        ("mintage_operator_leader", "gauge"),
        ("mintage_operator_next_rotation_timestamp_seconds", "gauge"),
        ("mintage_operator_objects", "gauge"),
        ("mintage_operator_plan_duration_seconds", "histogram"),
        ("mintage_operator_plans", "counter"),
        ("mintage_operator_pods_stale", "gauge"),
        (
            "mintage_operator_webhook_certificate_expiry_timestamp_seconds",
            "gauge",
        ),
        ("mintage_operator_webhook_connections", "gauge"),
        (
            "mintage_operator_webhook_request_duration_seconds",
            "histogram",
        ),
        ("mintage_operator_webhook_requests", "counter"),
        ("mintage_operator_writes", "counter"),
        ("process_open_fds", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
    ];

    fn metrics() -> Metrics {
        Metrics::new(|registry| crate::webhook::Metrics::default().register(registry))
    }

    fn planned(metrics: &Metrics) {
        let world = World::default();
        let input = Input::first(&world);
        let now = UnixTime(1_764_000_000);
        metrics.count_plan(&plan(now, input), now, Duration::from_millis(2));
    }

    /// The rows of the table, and what the program has.
    #[test]
    fn every_metric_is_documented_and_no_other() {
        let metrics = metrics();
        metrics.start_leading();
        // A family is there from its first member on.
        planned(&metrics);
        metrics.count_write("truth", "done");
        metrics.count_event("sent");
        let text = metrics.encode().unwrap();
        let kinds = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        assert_eq!(kinds.collect::<BTreeSet<_>>(), BTreeSet::from(METRICS));

        let page = include_str!("../../../docs/operations.md");
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            let name = cells.next()?.trim_end_matches('`');
            let kind = cells.next()?;
            (name.starts_with("mintage_") || name.starts_with("process_")).then_some((name, kind))
        });
        assert_eq!(rows.collect::<BTreeSet<_>>(), BTreeSet::from(METRICS));
    }

    #[test]
    fn who_does_not_lead_says_nothing_that_only_a_leader_knows() {
        let metrics = metrics();
        metrics.start_leading();
        planned(&metrics);
        metrics.set_next_rotation(Some(UnixTime(7)));
        metrics.set_stale(&BTreeMap::from([(Reason::Missing, 3)]));
        let text = metrics.encode().unwrap();
        for line in [
            "mintage_operator_leader 1",
            "mintage_operator_next_rotation_timestamp_seconds 7",
            "mintage_operator_pods_stale{reason=\"missing\"} 3",
            "mintage_operator_objects{kind=\"Tenant\",ready=\"true\"} 0",
            "mintage_operator_keys{state=\"active\"} 0",
            "mintage_operator_plans_total 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
        metrics.stop_leading();
        let text = metrics.encode().unwrap();
        for line in [
            "mintage_operator_leader 0",
            "mintage_operator_next_rotation_timestamp_seconds 0",
            "mintage_operator_pods_stale{reason=\"missing\"} 0",
            "mintage_operator_plans_total 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
        for family in ["mintage_operator_objects{", "mintage_operator_keys{"] {
            assert!(!text.contains(family), "{family} in {text}");
        }
    }

    #[test]
    fn stages_have_their_series_before_something_goes_wrong() {
        let text = metrics().encode().unwrap();
        for stage in STAGES {
            let line = format!("mintage_operator_errors_total{{stage=\"{stage}\"}} 0\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }
}
