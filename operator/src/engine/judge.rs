//! What is said of what went wrong, and when it is tried again.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::TenantRef;
use tokio::time::Instant;

use super::{Engine, RESTORED_FOR, Topic};
use crate::snapshot::Snapshot;

/// What went wrong, in words, by tenant.
pub(super) type Troubles = BTreeMap<TenantRef, Vec<String>>;

impl Engine {
    /// What the statuses are to say of what went wrong, and when it is tried again. Those that wait were not tried.
    pub(super) fn judge(
        &mut self,
        snapshot: &Snapshot,
        troubles: Troubles,
        waiting: &BTreeSet<TenantRef>,
        now: Instant,
    ) {
        self.tell_failures(snapshot, &troubles);
        self.retries.settle(troubles, waiting, now);
        self.restored
            .retain(|_, (since, _)| now.duration_since(*since) < RESTORED_FOR);
        let failed = self.retries.said();
        let failed =
            failed.flat_map(|(tenant, texts)| texts.iter().map(move |text| (tenant, text)));
        let brought = self.complaints.iter();
        let brought =
            brought.flat_map(|(tenant, texts)| texts.iter().map(move |text| (tenant, text)));
        let restored = self.restored.iter();
        let restored = restored.map(|(tenant, (_, text))| (tenant, text));
        self.facts.troubles = by_tenant(failed.chain(brought).chain(restored));

        let failed = self.endpoint_retries.said();
        let failed =
            failed.flat_map(|(tenant, texts)| texts.iter().map(move |text| (tenant, text)));
        self.facts.endpoint_troubles = by_tenant(failed.chain(self.outputs.complaints()));
        self.facts.withheld = BTreeMap::new();
        for (tenant, place, text) in self.outputs.withheld() {
            let of = self.facts.withheld.entry(tenant.clone()).or_default();
            of.insert(place.clone(), text.clone());
        }
        self.facts.stuck = self.truth.damaged().clone();
    }

    /// Says what just failed.
    pub(super) fn tell_failures(&self, snapshot: &Snapshot, failed: &Troubles) {
        for (tenant, texts) in failed {
            self.context.witness.failed("apply");
            for text in texts {
                tracing::warn!(event = "write-failed", %tenant, %text);
            }
            self.announce_tenant(snapshot, tenant, Topic::WriteFailed, texts.join("\n"));
        }
    }
}

fn by_tenant<'a>(all: impl Iterator<Item = (&'a TenantRef, &'a String)>) -> Troubles {
    let mut troubles = Troubles::new();
    for (tenant, text) in all {
        troubles
            .entry(tenant.clone())
            .or_default()
            .push(text.clone());
    }
    troubles
}
