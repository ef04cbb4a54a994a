//! The leader's task: follows the objects, checks each when its time has come, and says what it found when that changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mintage_core::{ObjectRef, UnixTime};
use mintage_crds::CustomDomain;
use mintage_crds::domain::VerificationMethod;
use mintage_sidecar::clock::{Clock, random_u32};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::challenge::Subject;
use super::checker::Check;
use super::outcome::{self, Outcome};
use super::queue::{Limits, Queue};
use super::schedule::{self, Pace, Past, Record, Standing};
use crate::snapshot::{Finding, Snapshot, Snapshots};

/// Checks the domains of the snapshots until nobody wants the findings, or there are no more snapshots. Of each object
/// it says once what is known of it, and then what changes. `clock` is for texts only: what is due when is counted by
/// tokio's clock, which nobody sets.
pub async fn run<C: Check>(
    checker: Arc<C>,
    pace: Pace,
    mut snapshots: Snapshots,
    findings: mpsc::Sender<Finding>,
    clock: Arc<dyn Clock>,
) {
    let mut watch = Watch {
        checker,
        pace,
        clock,
        started: Instant::now(),
        known: BTreeMap::new(),
        queue: Queue::new(Limits::default()),
        checks: JoinSet::new(),
        under_way: HashMap::new(),
        news: Vec::new(),
    };
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            watch.follow(&snapshot);
        }
        // Until the objects change.
        loop {
            watch.start_what_is_due();
            for finding in watch.news.drain(..) {
                if findings.send(finding).await.is_err() {
                    return;
                }
            }
            let wake = watch.queue.next().map(|next| watch.started + next);
            tokio::select! {
                changed = snapshots.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(ended) = watch.checks.join_next_with_id() => watch.conclude(ended),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = findings.closed() => return,
            }
        }
    }
}

/// What the task remembers.
struct Watch<C> {
    checker: Arc<C>,
    pace: Pace,
    clock: Arc<dyn Clock>,
    started: Instant,
    known: BTreeMap<ObjectRef, Known>,
    queue: Queue,
    checks: JoinSet<Outcome>,
    under_way: HashMap<Id, Subject>,
    /// What is to be said.
    news: Vec<Finding>,
}

/// What is known of one object.
struct Known {
    /// The object as it was seen last.
    object: Arc<CustomDomain>,
    subject: Subject,
    record: Record,
    /// Since when a proof that was there has not been found, by the clock of people.
    doubted_since: Option<UnixTime>,
    /// What was said of it last.
    said: Option<Finding>,
}

impl<C: Check> Watch<C> {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Brings what is known up to date with the objects that there are.
    fn follow(&mut self, snapshot: &Snapshot) {
        let gone = |at: &&ObjectRef| !snapshot.domains.contains_key(*at);
        let gone: Vec<ObjectRef> = self.known.keys().filter(gone).cloned().collect();
        for at in gone {
            self.forget(&at);
        }
        for (at, object) in &*snapshot.domains {
            self.see(at, object);
        }
    }

    fn see(&mut self, at: &ObjectRef, object: &Arc<CustomDomain>) {
        let known = self.known.get_mut(at);
        if known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(&known.object, object))
        {
            return;
        }
        let Some(subject) = Subject::of(object) else {
            self.forget(at);
            return;
        };
        let Some(known) = known.filter(|known| known.subject.uid == subject.uid) else {
            let past = Past::of(object, &subject);
            self.begin(object, subject, past);
            return;
        };
        known.object = Arc::clone(object);
        if known.subject == subject {
            return;
        }
        // The method is another one now. What was shown in one way stays so until it is clear that it is not in the
        // other; what was taken without a proof does not.
        let has_proof = |subject: &Subject| subject.method != VerificationMethod::None;
        if has_proof(&known.subject) && has_proof(&subject) {
            known.subject = subject;
            self.queue.remove(at, known.record.next_check);
            known.record.next_check = self.started.elapsed();
            self.queue.put(at, known.record.next_check);
        } else {
            self.begin(object, subject, Past::New);
        }
    }

    /// Begins a record, in the place of any that is there.
    fn begin(&mut self, object: &Arc<CustomDomain>, subject: Subject, past: Past) {
        let at = subject.at.clone();
        self.forget(&at);
        let uid = subject.uid.clone();
        let record = Record::begin(uid, past, self.now(), random_u32(), &self.pace);
        self.queue.put(&at, record.next_check);
        let settled = self.checker.settled(&subject);
        let said_before = schedule::condition(object);
        let pending = outcome::pending(&subject);
        let known = Known {
            object: Arc::clone(object),
            subject,
            record,
            doubted_since: None,
            said: None,
        };
        self.known.insert(at.clone(), known);
        match (settled, past, said_before) {
            (Some(outcome), ..) => self.learn(&at, &outcome),
            // It speaks of another challenge, and must not be believed until the check has ended.
            (None, Past::New, Some(condition)) if condition.status == "True" => {
                self.say(&at, pending);
            }
            (None, Past::New, _) | (None, _, None) => {}
            (None, _, Some(condition)) => self.say(&at, condition.message.clone()),
        }
    }

    fn forget(&mut self, at: &ObjectRef) {
        if let Some(known) = self.known.remove(at) {
            self.queue.remove(at, known.record.next_check);
        }
    }

    fn start_what_is_due(&mut self) {
        let now = self.now();
        while let Some(at) = self.queue.take(now) {
            let Some(known) = self.known.get(&at) else {
                self.queue.done(&at.namespace);
                continue;
            };
            let (checker, subject) = (Arc::clone(&self.checker), known.subject.clone());
            // A task of its own, so that a panic in the reading of an answer ends this check and nothing else.
            let check = self
                .checks
                .spawn(async move { checker.ask(&subject).await });
            self.under_way.insert(check.id(), known.subject.clone());
        }
    }

    /// A check has ended. What it found counts if the object is still what was checked.
    fn conclude(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = ended.unwrap_or_else(|error| {
            tracing::error!(event = "domain-check-failed", %error);
            let text = "the check itself failed, as the operator's log says";
            (error.id(), Outcome::Unanswered(text.to_owned()))
        });
        let Some(subject) = self.under_way.remove(&id) else {
            return;
        };
        self.queue.done(&subject.at.namespace);
        let is_same = |known: &Known| known.subject == subject;
        if self.known.get(&subject.at).is_some_and(is_same) {
            self.learn(&subject.at, &outcome);
        }
    }

    fn learn(&mut self, at: &ObjectRef, outcome: &Outcome) {
        let now = self.now();
        let Some(known) = self.known.get_mut(at) else {
            return;
        };
        self.queue.remove(at, known.record.next_check);
        let record = known.record.clone();
        known.record = record.after(outcome, now, random_u32(), &self.pace);
        self.queue.put(at, known.record.next_check);
        known.doubted_since = match known.record.standing {
            Standing::Doubted(_) => Some(known.doubted_since.unwrap_or_else(|| self.clock.now())),
            Standing::Proven | Standing::Unproven { .. } => None,
        };
        let message = outcome::message(&known.subject, outcome, known.doubted_since, &self.pace);
        self.say(at, message);
    }

    fn say(&mut self, at: &ObjectRef, message: String) {
        let Some(known) = self.known.get_mut(at) else {
            return;
        };
        let finding = Finding {
            at: at.clone(),
            uid: known.subject.uid.clone(),
            verified: known.record.is_verified(),
            message,
        };
        if known.said.as_ref() != Some(&finding) {
            tracing::info!(
                event = "domain",
                object = %at,
                domain = %known.subject.domain,
                verified = finding.verified,
                message = finding.message,
            );
            known.said = Some(finding.clone());
            self.news.push(finding);
        }
    }
}
