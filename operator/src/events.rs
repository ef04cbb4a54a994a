//! Events: what people find beside an object in `kubectl describe`.
//!
//! Sending one never holds anything up and never fails: they go to a bounded queue, from which one task sends them. What
//! an object has said a short while ago it does not say again, and no object says much at once, so that one that goes back
//! and forth does not fill etcd.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use mintage_core::code::Coded;
use mintage_core::managed::FIELD_MANAGER;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;

/// The same object says the same so often at most.
const REPEAT: Duration = Duration::from_mins(10);

/// So many an object can say at once...
const BURST: u32 = 15;

/// ...and then one more in so long. Above the rate of any honest object, far below one that would be felt.
const REFILL: Duration = Duration::from_secs(30);

/// How many may wait to be sent.
const QUEUE: usize = 256;

/// One that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The API server's bound, in bytes.
const MAX_NOTE: usize = 1024;

/// Whether somebody should look at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// Nothing to worry about.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Takes Events. Clones are of the same.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<Said>,
    limiter: Arc<Mutex<Limiter>>,
    metrics: Arc<Metrics>,
}

struct Said {
    about: ObjectReference,
    event: Event,
}

impl Events {
    /// Starts the task that sends them, under this process's name. It ends with the last clone. To be called on a tokio
    /// runtime.
    pub fn start(client: Client, instance: String, metrics: Arc<Metrics>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(instance),
        };
        tokio::spawn(send_all(client, reporter, waiting, Arc::clone(&metrics)));
        Self {
            queue,
            limiter: Arc::default(),
            metrics,
        }
    }

    /// Says something of an object; the reason's name is what `kubectl` shows. The namespace and the UID of `about` make
    /// the Event appear beside the object.
    pub fn publish(
        &self,
        about: ObjectReference,
        reason: impl Coded,
        severity: Severity,
        message: &str,
    ) {
        let reason = reason.code();
        let verdict = {
            // Nothing in there panics half-way, so what a poisoned lock holds is whole.
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            limiter.judge(&about, reason, message, Instant::now())
        };
        if verdict != Verdict::Send {
            self.metrics.count_event(verdict.outcome());
            return;
        }
        let event = Event {
            type_: match severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: reason.to_owned(),
            note: Some(shortened(message, MAX_NOTE)),
            action: reason.to_owned(),
            secondary: None,
        };
        if self.queue.try_send(Said { about, event }).is_err() {
            self.metrics.count_event("dropped");
        }
    }
}

async fn send_all(
    client: Client,
    reporter: Reporter,
    mut waiting: mpsc::Receiver<Said>,
    metrics: Arc<Metrics>,
) {
    while let Some(Said { about, event }) = waiting.recv().await {
        // A recorder of its own for each: one that remembers takes another message under the same reason for a
        // repetition, and counts the old one up instead of sending the new one.
        let recorder = Recorder::new(client.clone(), reporter.clone());
        let sent = timeout(PATIENCE, recorder.publish(&event, &about)).await;
        let error = match sent {
            Ok(Ok(())) => {
                metrics.count_event("sent");
                continue;
            }
            Ok(Err(error)) => crate::api::shown(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        metrics.count_event("failed");
        tracing::warn!(event = "event-not-sent", reason = event.reason, error);
    }
}

/// Cut at a character, with a mark.
fn shortened(text: &str, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - MARK.len()).rfind(|end| text.is_char_boundary(*end));
    format!("{}{MARK}", &text[..end.unwrap_or_default()])
}

/// What is to become of an Event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Dropped,
    Repeated,
    Send,
}

impl Verdict {
    fn outcome(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Repeated => "repeated",
            Self::Send => "sent",
        }
    }
}

/// Remembers what was said.
#[derive(Default)]
struct Limiter {
    /// When what was said, by a hash of object, reason and message.
    said: HashMap<u64, Instant>,
    /// What each object may still say.
    room: HashMap<u64, Room>,
    tidied: Option<Instant>,
}

struct Room {
    left: u32,
    since: Instant,
}

impl Limiter {
    fn judge(
        &mut self,
        about: &ObjectReference,
        reason: &str,
        message: &str,
        now: Instant,
    ) -> Verdict {
        self.tidy(now);
        let object = hash(&[
            about.kind.as_deref().unwrap_or_default(),
            about.namespace.as_deref().unwrap_or_default(),
            about.name.as_deref().unwrap_or_default(),
            about.uid.as_deref().unwrap_or_default(),
        ]);
        let key = hash(&[&object.to_string(), reason, message]);
        if self.said.contains_key(&key) {
            return Verdict::Repeated;
        }
        let room = self.room.entry(object).or_insert(Room {
            left: BURST,
            since: now,
        });
        room.refill(now);
        if room.left == 0 {
            return Verdict::Dropped;
        }
        room.left -= 1;
        self.said.insert(key, now);
        Verdict::Send
    }

    /// Forgets what no longer matters, so that memory is bounded by what was said in a short while.
    fn tidy(&mut self, now: Instant) {
        let due = |last: Instant| now.duration_since(last) >= Duration::from_secs(1);
        if !self.tidied.is_none_or(due) {
            return;
        }
        self.tidied = Some(now);
        self.said.retain(|_, at| now.duration_since(*at) < REPEAT);
        self.room
            .retain(|_, room| now.duration_since(room.since) < REFILL * BURST);
    }
}

impl Room {
    fn refill(&mut self, now: Instant) {
        let periods = now.duration_since(self.since).as_secs() / REFILL.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        if periods > 0 {
            self.left = self.left.saturating_add(periods).min(BURST);
            self.since += REFILL * periods;
        }
    }
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectReference {
        ObjectReference {
            kind: Some("Tenant".to_owned()),
            namespace: Some("identity".to_owned()),
            name: Some(name.to_owned()),
            uid: Some("1".to_owned()),
            ..ObjectReference::default()
        }
    }

    #[test]
    fn the_same_is_said_once_in_ten_minutes() {
        let mut limiter = Limiter::default();
        let begun = Instant::now();
        let mut judge = |name, reason, message, after: u64| {
            let now = begun + Duration::from_secs(after);
            limiter.judge(&object(name), reason, message, now)
        };
        assert_eq!(judge("acme", "NotServed", "no", 0), Verdict::Send);
        assert_eq!(judge("acme", "NotServed", "no", 599), Verdict::Repeated);
        assert_eq!(judge("acme", "NotServed", "another", 599), Verdict::Send);
        assert_eq!(judge("acme", "Served", "no", 599), Verdict::Send);
        assert_eq!(judge("other", "NotServed", "no", 599), Verdict::Send);
        assert_eq!(judge("acme", "NotServed", "no", 600), Verdict::Send);
    }

    #[test]
    fn an_object_that_goes_back_and_forth_does_not_flood() {
        let mut limiter = Limiter::default();
        let begun = Instant::now();
        let mut sent = 0;
        // A new text each second for an hour.
        for second in 0..3600 {
            let now = begun + Duration::from_secs(second);
            let message = second.to_string();
            let verdict = limiter.judge(&object("acme"), "NotServed", &message, now);
            sent += usize::from(verdict == Verdict::Send);
        }
        assert_eq!(sent, 15 + 3599 / 30);
        assert!(limiter.said.len() < 40, "{}", limiter.said.len());
        let later = begun + Duration::from_hours(2);
        let verdict = limiter.judge(&object("other"), "Served", "", later);
        assert_eq!(verdict, Verdict::Send);
        assert_eq!((limiter.said.len(), limiter.room.len()), (1, 1));
    }

    #[test]
    fn a_note_fits_the_bound() {
        assert_eq!(shortened("short", 1024), "short");
        let long = "é".repeat(1000);
        let cut = shortened(&long, 1024);
        assert!(cut.len() <= 1024 && cut.ends_with('…'), "{}", cut.len());
        assert_eq!(cut.chars().count(), 511);
    }
}
