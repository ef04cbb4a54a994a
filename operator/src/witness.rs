//! What happens in the engine, as metrics and Events.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use mintage_core::UnixTime;
use mintage_core::plan::Plan;
use mintage_crds::{GROUP, VERSION};

use crate::engine::{News, Witness};
use crate::events::{Events, Severity};
use crate::health::Health;
use crate::metrics::Metrics;

/// Tells metrics, Events and probes.
pub struct Told {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The Events.
    pub events: Events,
    /// For the probes.
    pub health: Arc<Health>,
}

impl Witness for Told {
    fn wrote(&self, object: &'static str, outcome: &'static str) {
        self.metrics.count_write(object, outcome);
        self.health.beat();
    }

    fn planned(&self, plan: &Plan, now: UnixTime, took: Duration) {
        self.metrics.count_plan(plan, now, took);
        self.metrics.set_next_rotation(plan.next_due);
    }

    fn made_key(&self, took: Duration) {
        self.metrics.count_key(took);
    }

    fn failed(&self, stage: &'static str) {
        self.metrics.count_error(stage);
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
