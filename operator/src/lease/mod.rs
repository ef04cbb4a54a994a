//! One of the replicas leads: the holder of the Lease `mintage-operator` in the operator's namespace.
//!
//! ```text
//!  Election ─lead()─► Leadership ─is_held()─► each write          holder:     renews for 10 s after its last renewal
//!     ▲                   │ lost() or release()                   candidates: wait 15 s after the last change they saw
//!     └───────────────────┘
//! ```
//!
//! The holder gives up before others may take over, both by their own monotonic clocks: how far their wall clocks are
//! apart does not matter. A process that was stopped past its turn (SIGSTOP, a frozen node) finds that out by its next
//! [`Leadership::is_held`], which asks the clock. A machine whose monotonic clock stood still meanwhile (a suspended VM)
//! does not, and neither does a request that is on its way: against those, every write names the version that it replaces
//! and the [`Leadership::epoch`], which grows with each turn.
//!
//! A process that has lost the Lease stands for election again. It need not be restarted: everything that a turn knew is
//! dropped with it, and its guards stay shut.

mod candidate;
#[cfg(test)]
mod exhaustive;
mod leadership;
mod store;
mod task;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use mintage_sidecar::clock::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use leadership::Leadership;
pub use store::NAME;

use candidate::Candidate;
use store::{Cluster, Store};
use task::Task;

/// How long what takes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Settings {
    /// How long others leave the Lease alone after they last saw it change; in whole seconds.
    pub duration: Duration,
    /// How long after the last renewal the holder still counts itself as such.
    pub deadline: Duration,
    /// How soon something is tried again, at least; half as long again at most.
    pub retry: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

impl Settings {
    /// How often the Lease is renewed.
    pub fn renew(&self) -> Duration {
        self.duration / 3
    }

    /// How long a request may take.
    fn request(&self) -> Duration {
        self.deadline / 2
    }

    /// Whether they go together; what is wrong, if not.
    pub fn check(&self) -> Result<(), String> {
        if self.duration.is_zero() || self.duration.subsec_nanos() != 0 {
            Err("the Lease's duration is in whole seconds".to_owned())
        } else if self.deadline >= self.duration {
            Err(
                "the deadline of renewals must be below the Lease's duration, or two could lead"
                    .to_owned(),
            )
        } else if self.retry.is_zero() || self.renew() + self.retry >= self.deadline {
            Err("a renewal that fails must be tried again before the deadline: a third of the duration and the time between tries must be below it".to_owned())
        } else {
            Ok(())
        }
    }
}

/// Stands for election when it is asked to.
pub struct Election {
    stands: mpsc::Sender<oneshot::Sender<Leadership>>,
    task: JoinHandle<()>,
}

impl Election {
    /// An election in a namespace. To be made on a tokio runtime.
    pub fn new(
        client: &Client,
        namespace: &str,
        identity: String,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let candidate = Candidate::new(identity, settings);
        Self::start(Cluster::new(client, namespace), candidate, settings, clock)
    }

    /// An election that is won at once, whoever leads: the turn begins when theirs must have ended.
    pub fn seizing(
        client: &Client,
        namespace: &str,
        identity: String,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let candidate = Candidate::seizing(identity, settings);
        Self::start(Cluster::new(client, namespace), candidate, settings, clock)
    }

    fn start(
        store: impl Store,
        candidate: Candidate,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // One at a time: who asks again while a turn lasts waits for the next one.
        let (stands, asked) = mpsc::channel(1);
        let task = Task::new(store, candidate, settings, clock);
        Self {
            stands,
            task: tokio::spawn(task.run(asked)),
        }
    }

    /// Waits for a turn. If the future is dropped, so is the turn that may have come meanwhile.
    pub async fn lead(&self) -> Leadership {
        let (sender, turn) = oneshot::channel();
        if self.stands.send(sender).await.is_ok()
            && let Ok(leadership) = turn.await
        {
            return leadership;
        }
        // The task ends only with this value.
        std::future::pending().await
    }

    /// Stands no more. Returns when the Lease is not held or released; its turns must have been given up before.
    pub async fn finish(self) {
        drop(self.stands);
        if let Err(error) = self.task.await {
            tracing::error!(event = "lease-failed", %error);
        }
    }
}
