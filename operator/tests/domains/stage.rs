//! The leader's task with checks that a test decides, on a clock that it moves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mintage_core::{ObjectRef, UnixTime};
use mintage_crds::CustomDomain;
use mintage_operator::domains::{Check, Outcome, Pace, Subject, run};
use mintage_operator::snapshot::{Finding, Snapshot};
use mintage_sidecar::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub const HOUR: Duration = Duration::from_hours(1);

/// When the test begins, for people.
const BEGUN: i64 = 1_800_000_000;

/// What a check finds, how long it takes, and whether it is settled without one.
pub type Answer = (Outcome, Duration);

/// What checks find, by the time since the beginning.
type Answers = dyn Fn(&Subject, Duration) -> Answer + Send + Sync;

/// Checks of a test.
pub struct Checks {
    begun: Instant,
    answers: Box<Answers>,
    settled: Option<Outcome>,
    log: Mutex<Vec<(Duration, ObjectRef)>>,
    under_way: Mutex<BTreeMap<String, usize>>,
    /// The most that were under way at once: in all, and for one namespace.
    pub most: Mutex<(usize, usize)>,
}

impl Check for Checks {
    fn settled(&self, _: &Subject) -> Option<Outcome> {
        self.settled.clone()
    }

    async fn ask(&self, subject: &Subject) -> Outcome {
        let now = self.begun.elapsed();
        self.log.lock().unwrap().push((now, subject.at.clone()));
        let namespace = subject.at.namespace.to_string();
        {
            let mut under_way = self.under_way.lock().unwrap();
            *under_way.entry(namespace.clone()).or_default() += 1;
            let mut most = self.most.lock().unwrap();
            most.0 = most.0.max(under_way.values().sum());
            most.1 = most.1.max(under_way[&namespace]);
        }
        let (outcome, takes) = (self.answers)(subject, now);
        sleep(takes).await;
        *self.under_way.lock().unwrap().get_mut(&namespace).unwrap() -= 1;
        outcome
    }
}

struct Simulated(Instant);

impl Clock for Simulated {
    fn now(&self) -> UnixTime {
        let passed = i64::try_from(self.0.elapsed().as_secs()).unwrap();
        UnixTime(BEGUN + passed)
    }
}

/// The task, and what it works with.
pub struct Stage {
    pub checks: Arc<Checks>,
    pub snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    pub findings: mpsc::Receiver<Finding>,
    pub task: JoinHandle<()>,
}

impl Stage {
    /// Starts the task before there are objects.
    pub fn start(answers: impl Fn(&Subject, Duration) -> Answer + Send + Sync + 'static) -> Self {
        Self::settled(None, answers)
    }

    /// With checks that are settled so, if at all.
    pub fn settled(
        settled: Option<Outcome>,
        answers: impl Fn(&Subject, Duration) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let begun = Instant::now();
        let checks = Arc::new(Checks {
            begun,
            answers: Box::new(answers),
            settled,
            log: Mutex::default(),
            under_way: Mutex::default(),
            most: Mutex::default(),
        });
        let (snapshots, following) = watch::channel(None);
        let (sender, findings) = mpsc::channel(8);
        let clock = Arc::new(Simulated(begun));
        let task = run(
            Arc::clone(&checks),
            Pace::default(),
            following,
            sender,
            clock,
        );
        Self {
            checks,
            snapshots,
            findings,
            task: tokio::spawn(task),
        }
    }

    /// Shows objects, and nothing else.
    pub fn show(&self, objects: impl IntoIterator<Item = CustomDomain>) {
        let place = |object: &CustomDomain| {
            let meta = &object.metadata;
            let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
            ObjectRef::parse(&format!("{}/{}", namespace.unwrap(), name.unwrap())).unwrap()
        };
        let domains = objects
            .into_iter()
            .map(|object| (place(&object), Arc::new(object)));
        let snapshot = Snapshot {
            domains: Arc::new(domains.collect()),
            ..Snapshot::default()
        };
        self.snapshots.send(Some(Arc::new(snapshot))).unwrap();
    }

    /// What is said until a moment after the beginning.
    pub async fn until(&mut self, moment: Duration) -> Vec<(Duration, Finding)> {
        let mut said = Vec::new();
        let end = tokio::time::sleep_until(self.checks.begun + moment);
        tokio::pin!(end);
        loop {
            tokio::select! {
                finding = self.findings.recv() => {
                    said.push((self.checks.begun.elapsed(), finding.unwrap()));
                }
                () = &mut end => return said,
            }
        }
    }

    /// When an object was checked.
    pub fn checked(&self, at: &str) -> Vec<Duration> {
        let log = self.checks.log.lock().unwrap();
        let of = log.iter().filter(|(_, of)| of.to_string() == at);
        of.map(|(moment, _)| *moment).collect()
    }

    /// When anything was checked.
    pub fn all_checks(&self) -> Vec<Duration> {
        let log = self.checks.log.lock().unwrap();
        log.iter().map(|(moment, _)| *moment).collect()
    }
}

/// A new object that is to be shown by a TXT record.
pub fn object(at: &str, uid: &str) -> CustomDomain {
    object_with(at, uid, "DnsTxt", &Value::Null)
}

pub fn object_with(at: &str, uid: &str, method: &str, status: &Value) -> CustomDomain {
    let (namespace, name) = at.split_once('/').unwrap();
    serde_json::from_value(json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": "CustomDomain",
        "metadata": { "namespace": namespace, "name": name, "uid": uid },
        "spec": {
            "tenantRef": { "name": "acme" },
            "domain": format!("{name}.{namespace}.example"),
            "verification": { "method": method },
        },
        "status": status,
    }))
    .unwrap()
}

/// The object with the status that the operator gives it for a finding.
pub fn with_status(object: &CustomDomain, verified: bool, message: &str) -> CustomDomain {
    let subject = Subject::of(object).unwrap();
    let (status, reason) = if verified {
        ("True", "Shown")
    } else {
        ("False", "NotShown")
    };
    let mut object = object.clone();
    let status = json!({
        "challenge": subject.challenge(),
        "conditions": [{
            "type": "Verified", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-25T12:00:00Z",
        }],
    });
    object.status = Some(serde_json::from_value(status).unwrap());
    object
}

/// The message of an object that is shown by its TXT record.
pub fn shown(object: &CustomDomain) -> String {
    let challenge = Subject::of(object).unwrap().challenge().unwrap();
    format!("shown by the TXT record {}", challenge.location)
}

pub fn contradicted() -> Outcome {
    Outcome::Contradicted("nothing, the name does not exist".to_owned())
}

pub fn unanswered() -> Outcome {
    Outcome::Unanswered("the DNS server does not answer in time".to_owned())
}

/// What most checks take.
pub const QUICK: Duration = Duration::from_millis(20);
