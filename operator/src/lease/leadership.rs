//! A turn of leadership, as those see it who write in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::candidate::Moment;

/// A turn of leadership. Clones are of the same turn; when the last one is dropped the Lease is released.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    held: Arc<Held>,
    orders: mpsc::UnboundedSender<Order>,
    lost: watch::Receiver<bool>,
}

/// Until when a turn lasts.
#[derive(Debug)]
pub struct Held {
    /// What moments count from.
    origin: Instant,
    /// Microseconds since `origin`; 0 once it is over.
    until: AtomicU64,
    epoch: AtomicI32,
}

/// What a turn is told by its owners.
#[derive(Debug)]
pub enum Order {
    /// Keep the Lease as it is, but renew it no more.
    Leave(oneshot::Sender<()>),
    /// Raise the epoch above this; answered once it has been written.
    Raise(i32, oneshot::Sender<()>),
    /// Release the Lease.
    Release(oneshot::Sender<()>),
}

impl Held {
    pub fn new(origin: Instant, epoch: i32) -> Self {
        Self {
            origin,
            until: AtomicU64::new(0),
            epoch: AtomicI32::new(epoch),
        }
    }

    pub fn set(&self, until: Moment, epoch: i32) {
        self.epoch.store(epoch, Ordering::SeqCst);
        self.until.store(micros(until), Ordering::SeqCst);
    }

    pub fn end(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    fn is_held(&self) -> bool {
        micros(self.origin.elapsed()) < self.until.load(Ordering::SeqCst)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Leadership {
    pub(super) fn new(
        held: Arc<Held>,
    ) -> (Self, mpsc::UnboundedReceiver<Order>, watch::Sender<bool>) {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (end, lost) = watch::channel(false);
        let handle = Handle { held, orders, lost };
        (Self(Arc::new(handle)), ordered, end)
    }

    /// Whether the Lease is held at this moment, by this process's monotonic clock. To be asked before each write.
    pub fn is_held(&self) -> bool {
        self.0.held.is_held()
    }

    /// The number of this turn: higher than that of every turn before it.
    pub fn epoch(&self) -> i32 {
        self.0.held.epoch.load(Ordering::SeqCst)
    }

    /// Resolves when the turn is over.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lost = self.0.lost.clone();
        async move {
            // An error means that the task is gone, and with it the turn.
            lost.wait_for(|lost| *lost).await.ok();
        }
    }

    /// Has the epoch rise above a number that was met in what an earlier leader wrote; whether the turn still lasts then.
    ///
    /// That number is higher than this turn's where the Lease was deleted, or is missing from a backup that was restored.
    pub async fn raise_above(&self, met: i32) -> bool {
        if met >= self.epoch() {
            self.order(|done| Order::Raise(met, done)).await;
        }
        self.is_held() && self.epoch() > met
    }

    /// Ends the turn, and lets the next candidate begin at once. From the call on no guard of this turn opens.
    pub async fn release(&self) {
        self.0.held.end();
        self.order(Order::Release).await;
    }

    /// Ends the turn, but leaves the Lease so that others wait for its duration before they take over.
    pub async fn leave(&self) {
        self.0.held.end();
        self.order(Order::Leave).await;
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, is_done) = oneshot::channel();
        // Without a receiver the turn is over already, and without an answer it is over by now.
        if self.0.orders.send(order(done)).is_ok() {
            is_done.await.ok();
        }
    }
}
