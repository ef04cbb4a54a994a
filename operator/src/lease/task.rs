//! What runs an election: asks the machine what to do, does it, and publishes until when the turn lasts.

use std::sync::Arc;

use mintage_sidecar::clock::{self, Clock};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::Settings;
use super::candidate::{Answer, Candidate, Moment, Record, Request, Step};
use super::leadership::{Held, Leadership, Order};
use super::store::Store;

/// The one task of an election.
pub struct Task<S> {
    store: S,
    candidate: Candidate,
    settings: Settings,
    clock: Arc<dyn Clock>,
    origin: Instant,
    /// Whom the log last named as the holder.
    named: Option<String>,
}

/// Why a turn ended.
enum End {
    /// As its owners wished.
    Asked,
    Lost,
}

impl<S: Store> Task<S> {
    pub fn new(store: S, candidate: Candidate, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            candidate,
            settings,
            clock,
            origin: Instant::now(),
            named: None,
        }
    }

    /// Stands for each who asks, one after the other, until nobody can ask any more.
    pub async fn run(mut self, mut asked: mpsc::Receiver<oneshot::Sender<Leadership>>) {
        while let Some(mut reply) = asked.recv().await {
            self.candidate.stand();
            if self.stand(&mut reply).await {
                self.turn(reply).await;
            }
        }
    }

    /// Until there is a turn; `false` if nobody waits for it any more.
    async fn stand(&mut self, reply: &mut oneshot::Sender<Leadership>) -> bool {
        while self.candidate.turn().is_none() {
            match self.next() {
                Step::Send(request) => {
                    self.send(&request).await;
                    self.name_holder();
                }
                Step::Wait(until) => {
                    tokio::select! {
                        () = reply.closed() => return false,
                        () = sleep_until(self.origin + until) => {}
                    }
                }
            }
            // Only between requests: one that was sent may have won.
            if reply.is_closed() && self.candidate.turn().is_none() {
                return false;
            }
        }
        true
    }

    fn name_holder(&mut self) {
        let holder = self.candidate.holder().map(str::to_owned);
        if self.candidate.turn().is_none() && holder != self.named {
            if let Some(holder) = &holder {
                tracing::info!(event = "standing-by", leader = holder);
            }
            self.named = holder;
        }
    }

    async fn turn(&mut self, reply: oneshot::Sender<Leadership>) {
        let Some(turn) = self.candidate.turn() else {
            return;
        };
        let begins = turn.begins;
        let epoch = self.candidate.epoch().unwrap_or_default();
        let held = Arc::new(Held::new(self.origin, epoch));
        let (leadership, mut orders, lose) = Leadership::new(Arc::clone(&held));
        let end = if self.wait_for(begins).await {
            self.publish(&held);
            tracing::info!(event = "leading", epoch);
            // Whoever waited may be gone: then the turn is dropped here, and ends as it begins.
            reply.send(leadership).ok();
            self.keep(&held, &mut orders).await
        } else {
            End::Lost
        };
        held.end();
        lose.send_replace(true);
        self.named = None;
        match end {
            End::Asked => tracing::info!(event = "leading-ended", epoch),
            End::Lost => {
                tracing::warn!(event = "leading-lost", epoch, "standing for election again");
            }
        }
    }

    /// Waits until nobody else can still believe to lead; whether the turn lasts so long.
    async fn wait_for(&mut self, begins: Moment) -> bool {
        while self.now() < begins {
            let step = self.next();
            if self.candidate.turn().is_none() {
                return false;
            }
            match step {
                Step::Send(request) => self.send(&request).await,
                Step::Wait(until) => sleep_until(self.origin + until.min(begins)).await,
            }
        }
        self.candidate.turn().is_some()
    }

    async fn keep(&mut self, held: &Held, orders: &mut mpsc::UnboundedReceiver<Order>) -> End {
        let mut raising = None;
        loop {
            let step = self.next();
            let until = match step {
                _ if self.candidate.turn().is_none() => return End::Lost,
                Step::Wait(until) => until,
                Step::Send(request) => {
                    self.send(&request).await;
                    self.publish(held);
                    raising = raising.and_then(|order| self.raised(order));
                    continue;
                }
            };
            let order = tokio::select! {
                order = orders.recv() => order,
                () = sleep_until(self.origin + until) => continue,
            };
            match order {
                Some(Order::Raise(met, done)) => {
                    self.candidate.raise_above(met);
                    raising = self.raised((met, done));
                }
                Some(Order::Leave(done)) => {
                    done.send(()).ok();
                    return End::Asked;
                }
                Some(Order::Release(done)) => {
                    held.end();
                    self.release().await;
                    done.send(()).ok();
                    return End::Asked;
                }
                // Dropped by everybody.
                None => {
                    held.end();
                    self.release().await;
                    return End::Asked;
                }
            }
        }
    }

    /// Answers who waits for a higher epoch, if it is written; else gives the order back.
    fn raised(
        &self,
        (met, done): (i32, oneshot::Sender<()>),
    ) -> Option<(i32, oneshot::Sender<()>)> {
        if self.candidate.epoch().is_some_and(|epoch| epoch > met) {
            done.send(()).ok();
            None
        } else {
            Some((met, done))
        }
    }

    async fn release(&mut self) {
        let wall = self.clock.micros();
        let Some(mut request) = self.candidate.release(wall) else {
            return;
        };
        // A renewal whose answer was lost may have made another version.
        for _ in 0..2 {
            match self.ask(&request, self.settings.request()).await {
                Answer::Conflict => {}
                Answer::Absent | Answer::Is(_) | Answer::Unknown => return,
            }
            let Request::Replace(record, _) = request else {
                return;
            };
            let Answer::Is(stored) = self.ask(&Request::Get, self.settings.request()).await else {
                return;
            };
            if !is_same_turn(&stored.record, &record) {
                return;
            }
            request = Request::Replace(record, stored.version);
        }
    }

    fn now(&self) -> Moment {
        self.origin.elapsed()
    }

    fn next(&mut self) -> Step {
        self.candidate.next(self.now(), self.clock.micros())
    }

    /// Tells until when the turn lasts.
    fn publish(&self, held: &Held) {
        match (self.candidate.held_until(), self.candidate.epoch()) {
            (Some(until), Some(epoch)) => held.set(until, epoch),
            _ => held.end(),
        }
    }

    async fn send(&mut self, request: &Request) {
        let sent = self.now();
        // A turn that ends meanwhile must be noticed.
        let left = self
            .candidate
            .held_until()
            .map(|until| until.saturating_sub(sent));
        let limit = left.map_or(self.settings.request(), |left| {
            left.min(self.settings.request())
        });
        let answer = self.ask(request, limit).await;
        let jitter = f64::from(clock::random_u32()) / f64::from(u32::MAX);
        let now = self.now();
        self.candidate.answered(request, answer, sent, now, jitter);
    }

    async fn ask(&self, request: &Request, limit: std::time::Duration) -> Answer {
        let answer = timeout(limit, self.store.ask(request)).await;
        answer.unwrap_or_else(|_| {
            tracing::warn!(event = "lease-request-slow", "no answer in {limit:?}");
            Answer::Unknown
        })
    }
}

/// Whether a record is of the turn that another one ends.
fn is_same_turn(record: &Record, ending: &Record) -> bool {
    record.acquired == ending.acquired && record.transitions <= ending.transitions
}
