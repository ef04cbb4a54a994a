//! What happens in the engine, as metrics, Events and spans.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use mintage_core::UnixTime;
use mintage_core::plan::Plan;
use mintage_crds::{GROUP, VERSION};
use mintage_sidecar::traces::Traces;

use crate::engine::{News, Witness};
use crate::events::{Events, Severity};
use crate::health::Health;
use crate::metrics::Metrics;

/// Tells metrics, Events, probes and traces.
pub struct Told {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The Events.
    pub events: Events,
    /// For the probes.
    pub health: Arc<Health>,
    /// The spans.
    pub traces: Option<Arc<Traces>>,
    /// Since when keys are wanted that are not there.
    pub wanted_since: Mutex<Option<UnixTime>>,
}

impl Told {
    /// When the next key or bundle is due: in the past while a key is wanted that is not there.
    fn next_due(&self, plan: &Plan, now: UnixTime) -> Option<UnixTime> {
        let since = self.wanted_since.lock();
        // Nothing panics while it is held, so what a poisoned lock holds is whole.
        let mut since = since.unwrap_or_else(PoisonError::into_inner);
        if plan.wanted.is_empty() {
            *since = None;
            plan.next_due
        } else {
            Some(*since.get_or_insert(now))
        }
    }

    fn trace(&self, name: &'static str, took: Duration, counts: &[(&'static str, usize)]) {
        if let Some(traces) = &self.traces {
            traces.did(name, took, counts);
        }
    }
}

impl Witness for Told {
    fn wrote(&self, object: &'static str, outcome: &'static str) {
        self.metrics.count_write(object, outcome);
        self.health.beat();
    }

    fn planned(&self, plan: &Plan, now: UnixTime, took: Duration) {
        self.metrics.count_plan(plan, now, took);
        self.metrics.set_next_rotation(self.next_due(plan, now));
        self.health.beat();
        let counts = [
            ("mintage.objects", plan.statuses.len()),
            ("mintage.bundles", plan.bundles.len()),
            ("mintage.keys.wanted", plan.wanted.len()),
        ];
        self.trace("plan", took, &counts);
    }

    fn made_key(&self, took: Duration) {
        self.metrics.count_key(took);
        self.health.beat();
        self.trace("make key", took, &[]);
    }

    fn failed(&self, stage: &'static str) {
        self.metrics.count_error(stage);
        self.health.beat();
    }

    fn announce(&self, news: News) {
        let about = ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some(news.object.kind.to_string()),
            name: Some(news.object.at.name.to_string()),
            namespace: Some(news.object.at.namespace.to_string()),
            uid: Some(news.uid),
            ..ObjectReference::default()
        };
        let severity = if news.reason.is_warning() {
            Severity::Warning
        } else {
            Severity::Normal
        };
        self.events
            .publish(about, news.reason, severity, &news.message);
    }

    fn beat(&self) {
        self.health.beat();
    }
}
