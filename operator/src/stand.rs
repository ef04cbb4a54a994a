//! Leads whenever the Lease is this process's, until the process ends.
//!
//! A turn that is lost is dropped where it stands: what was on its way meets its preconditions at the API server. Then this
//! process stands again; it is not started anew, since it serves the webhook all the while. On the way out a turn finishes
//! the write that it has begun before it releases the Lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::health::Health;
use crate::lease::{Election, Leadership};
use crate::metrics::Metrics;

/// What a leader does.
pub trait Duty: Send + Sync {
    /// Does it until `shutdown` says so, or until it finds that another process leads. It is dropped when the Lease is
    /// lost.
    fn perform(
        &self,
        turn: Leadership,
        shutdown: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send;
}

/// After a turn that ended by itself another one is had no sooner than this.
const PAUSE: Duration = Duration::from_secs(2);

/// Stands for election, does what a leader does, and stands again, until `shutdown` says so.
///
/// What the leader does has `patience` to end after that; the Lease is released in any case.
pub async fn stand(
    election: Election,
    duty: impl Duty,
    patience: Duration,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        let turn = tokio::select! {
            biased;
            () = ended(&mut shutdown) => break,
            turn = election.lead() => turn,
        };
        metrics.start_leading();
        health.beat();
        let mut ending = shutdown.clone();
        let overdue = async {
            ended(&mut ending).await;
            sleep(patience).await;
        };
        tokio::select! {
            biased;
            () = turn.lost() => {}
            () = duty.perform(turn.clone(), shutdown.clone()) => {}
            () = overdue => tracing::warn!(
                event = "leader-cut-off",
                "what the leader was doing did not end in time"
            ),
        }
        health.stop_beating();
        metrics.stop_leading();
        turn.release().await;
        drop(turn);
        if timeout(PAUSE, ended(&mut shutdown)).await.is_ok() {
            break;
        }
    }
    election.finish().await;
}

async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the process.
    shutdown.wait_for(|end| *end).await.ok();
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::lease::tests::{Memory, election};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    impl Log {
        fn add(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }

        fn lines(&self) -> Vec<String> {
            self.0.lock().unwrap().clone()
        }
    }

    /// Works until it is told to end, and then takes a while to finish.
    struct Work {
        log: Log,
        memory: Arc<Memory>,
        turns: Arc<AtomicUsize>,
        finish: Duration,
    }

    impl Duty for Work {
        async fn perform(&self, turn: Leadership, mut shutdown: watch::Receiver<bool>) {
            self.turns.fetch_add(1, Ordering::SeqCst);
            self.log.add("begun");
            ended(&mut shutdown).await;
            sleep(self.finish).await;
            let holder = self.memory.holder();
            self.log.add(&format!(
                "finished, held: {}, by {holder:?}",
                turn.is_held()
            ));
        }
    }

    async fn until(what: impl Fn() -> bool) {
        let wait = async {
            while !what() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), wait)
            .await
            .expect("it takes too long");
    }

    struct Standing {
        log: Log,
        memory: Arc<Memory>,
        turns: Arc<AtomicUsize>,
        end: watch::Sender<bool>,
        task: tokio::task::JoinHandle<()>,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
    }

    fn start(finish: Duration, patience: Duration) -> Standing {
        let (log, memory, turns) = (Log::default(), Arc::<Memory>::default(), Arc::default());
        let work = Work {
            log: log.clone(),
            memory: Arc::clone(&memory),
            turns: Arc::clone(&turns),
            finish,
        };
        let (end, shutdown) = watch::channel(false);
        let (health, metrics) = (Arc::<Health>::default(), Arc::new(Metrics::new(|_| {})));
        let election = election(&memory, "a");
        let (for_task, counted) = (Arc::clone(&health), Arc::clone(&metrics));
        let standing = stand(election, work, patience, for_task, counted, shutdown);
        Standing {
            log,
            memory,
            turns,
            end,
            task: tokio::spawn(standing),
            health,
            metrics,
        }
    }

    #[tokio::test]
    async fn the_write_under_way_is_finished_before_the_lease_is_released() {
        let standing = start(Duration::from_millis(100), Duration::from_secs(10));
        until(|| standing.turns.load(Ordering::SeqCst) == 1).await;
        let text = standing.metrics.encode().unwrap();
        assert!(text.contains("mintage_operator_leader 1\n"), "{text}");
        standing.end.send_replace(true);
        standing.task.await.unwrap();
        let finished = "finished, held: true, by Some(\"a\")".to_owned();
        assert_eq!(standing.log.lines(), ["begun".to_owned(), finished]);
        assert_eq!(standing.memory.holder(), None);
        assert_eq!(standing.health.stalled(), None);
        let text = standing.metrics.encode().unwrap();
        assert!(text.contains("mintage_operator_leader 0\n"), "{text}");
    }

    #[tokio::test]
    async fn what_does_not_end_is_cut_off() {
        let standing = start(Duration::from_hours(1), Duration::from_millis(50));
        until(|| standing.turns.load(Ordering::SeqCst) == 1).await;
        standing.end.send_replace(true);
        let ended = timeout(Duration::from_secs(10), standing.task).await;
        ended.expect("it does not end").unwrap();
        assert_eq!(standing.log.lines(), ["begun"]);
        assert_eq!(standing.memory.holder(), None);
    }

    #[tokio::test]
    async fn who_lost_the_lease_stops_at_once_and_stands_again() {
        let standing = start(Duration::ZERO, Duration::from_secs(1));
        until(|| standing.turns.load(Ordering::SeqCst) == 1).await;
        standing.memory.set_away(true);
        until(|| {
            let text = standing.metrics.encode().unwrap();
            text.contains("mintage_operator_leader 0\n")
        })
        .await;
        assert_eq!(standing.log.lines(), ["begun"]);
        standing.memory.set_away(false);
        until(|| standing.turns.load(Ordering::SeqCst) == 2).await;
        standing.end.send_replace(true);
        standing.task.await.unwrap();
    }

    #[tokio::test]
    async fn who_never_led_ends_at_once() {
        let standing = start(Duration::ZERO, Duration::from_secs(1));
        standing.memory.set_away(true);
        standing.end.send_replace(true);
        let ended = timeout(Duration::from_secs(10), standing.task).await;
        ended.expect("it does not end").unwrap();
    }
}
