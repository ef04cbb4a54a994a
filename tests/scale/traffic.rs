//! What the operator writes, by the API server's audit log.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use mintage_tests::cluster::{ControlPlane, Event, Mark};
use mintage_tests::operator::{ACCOUNT, NAMESPACE};
use tokio::time::Instant;

/// Nothing was written for so long: it is done. Longer than any turn of the engine takes.
const SILENCE: Duration = Duration::from_secs(20);

/// How long it may take until it is done.
const PATIENCE: Duration = Duration::from_mins(20);

/// The audit log from some moment on.
pub struct Traffic<'a> {
    plane: &'a ControlPlane,
    from: Mark,
    began: Instant,
}

/// What was written.
pub struct Writes {
    events: Vec<Event>,
    /// The moment of [`Timestamp::now`] that belongs to that of [`Instant::now`].
    clocks: (Timestamp, Instant),
}

impl<'a> Traffic<'a> {
    /// From now on.
    pub fn new(plane: &'a ControlPlane) -> Self {
        Self {
            plane,
            from: plane.audit_mark(),
            began: Instant::now(),
        }
    }

    /// What the operator wrote so far, without its Lease.
    pub fn writes(&self) -> Result<Writes> {
        let account = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
        let mut events = self.plane.audit_since(self.from)?;
        events.retain(|event| {
            let reads = matches!(event.verb.as_str(), "get" | "list" | "watch");
            event.user == account && event.resource != "leases" && !reads
        });
        Ok(Writes {
            events,
            clocks: (now(), Instant::now()),
        })
    }

    /// Waits until nothing is written any more.
    pub async fn until_silent(&self) -> Result<Writes> {
        let (mut mark, mut quiet_since) = (self.plane.audit_mark(), Instant::now());
        while quiet_since.elapsed() < SILENCE {
            ensure!(
                self.began.elapsed() < PATIENCE,
                "it wrote still after {PATIENCE:?}"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
            let since = Self {
                plane: self.plane,
                from: mark,
                began: self.began,
            };
            // A line that is being written is read again with the next look: lines end where the log ended.
            let next = self.plane.audit_mark();
            if !since.writes()?.events.is_empty() {
                quiet_since = Instant::now();
            }
            mark = next;
        }
        self.writes()
    }
}

impl Writes {
    /// How many.
    pub fn count(&self) -> usize {
        self.events.len()
    }

    /// How many by what was written.
    pub fn by_kind(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in &self.events {
            *counts.entry(kind(event)).or_default() += 1;
        }
        counts
    }

    /// How many that failed.
    pub fn failed(&self) -> usize {
        self.events.iter().filter(|event| event.code >= 400).count()
    }

    /// The object that was written most, and how often.
    pub fn busiest(&self) -> Option<(String, usize)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        // An Event is told in an object of its own each time.
        for event in self
            .events
            .iter()
            .filter(|event| event.resource != "events")
        {
            let at = format!("{} {}/{}", kind(event), event.namespace, event.name);
            *counts.entry(at).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count)
    }

    /// The time from a moment to the last write.
    pub fn until_last(&self, begun: Instant) -> Result<Duration> {
        let last = self.events.iter().map(|event| event.received).max();
        let last = last.context("nothing was written")?;
        let ago = Duration::try_from(self.clocks.0.duration_since(last))?;
        Ok((self.clocks.1 - begun).saturating_sub(ago))
    }
}

fn kind(event: &Event) -> String {
    if event.subresource.is_empty() {
        event.resource.clone()
    } else {
        format!("{}/{}", event.resource, event.subresource)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the API server's log has the machine's time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
