//! Room for newcomers: when all slots of a listener are taken, the connection that has had no request for longest makes
//! way, so that clients that only hold connections keep nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// A connection that had a request less than this ago is not asked to leave: its client may be about to send the next.
const GRACE: Duration = Duration::from_secs(1);

/// How long a newcomer waits until it is looked again for somebody who can leave.
const STEP: Duration = Duration::from_millis(50);

/// What a connection's state holds instead of a time: this and one less than the number of its requests, or that it is
/// leaving.
const BUSY: u64 = 1 << 63;
const LEAVING: u64 = BUSY - 1;

/// The slots of a listener, and who has them.
pub struct Room {
    slots: Arc<Semaphore>,
    visitors: Mutex<Visitors>,
    opened: Instant,
    grace: Duration,
}

#[derive(Default)]
struct Visitors {
    last: u64,
    all: BTreeMap<u64, Arc<Activity>>,
}

/// Whether a connection has a request under way, or since when it has none.
pub struct Activity {
    /// Milliseconds since `opened` at which the last request ended, or [`BUSY`] and more, or [`LEAVING`].
    state: AtomicU64,
    opened: Instant,
    leave: Notify,
}

/// A request under way. A connection with HTTP/2 can have several, and breaks some off.
pub struct Request(Arc<Activity>);

/// A connection in the room; it is out of it once this value is dropped.
pub struct Visit {
    /// What the connection tells of itself.
    pub activity: Arc<Activity>,
    number: u64,
    room: Arc<Room>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// An empty room.
    pub fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(slots)),
            visitors: Mutex::default(),
            opened: Instant::now(),
            grace: GRACE,
        })
    }

    /// Waits for a slot, and has others make way for it.
    pub async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let mut slot = Arc::clone(&self.slots).try_acquire_owned();
        while slot.is_err() {
            self.make_way();
            let wait = timeout(STEP, Arc::clone(&self.slots).acquire_owned());
            match wait.await {
                Ok(Ok(free)) => slot = Ok(free),
                // The semaphore is never closed.
                Ok(Err(_)) => return None,
                Err(_) => {}
            }
        }
        slot.ok()
    }

    /// Asks the connection that has been without a request for longest to leave, if that is long enough.
    pub fn make_way(&self) {
        let latest = millis(self.opened.elapsed().saturating_sub(self.grace));
        let visitors = self.lock();
        let states = visitors.all.values().map(|activity| {
            let state = activity.state.load(Ordering::Acquire);
            (state, activity)
        });
        let idlest = states
            .filter(|(state, _)| *state < latest)
            .min_by_key(|(state, _)| *state);
        if let Some((state, activity)) = idlest {
            // A request that has come since then is served.
            let left = activity.state.compare_exchange(
                state,
                LEAVING,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if left.is_ok() {
                activity.leave.notify_one();
            }
        }
    }

    /// Lets a connection in; without a slot it is one more than there are.
    pub fn enter(self: &Arc<Self>, slot: Option<OwnedSemaphorePermit>) -> Visit {
        let activity = Arc::new(Activity {
            state: AtomicU64::new(millis(self.opened.elapsed())),
            opened: self.opened,
            leave: Notify::new(),
        });
        let mut visitors = self.lock();
        visitors.last += 1;
        let number = visitors.last;
        visitors.all.insert(number, Arc::clone(&activity));
        drop(visitors);
        Visit {
            activity,
            number,
            room: Arc::clone(self),
            _slot: slot,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Visitors> {
        // Nothing in here panics half-way, so what a poisoned lock holds is whole.
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let now = millis(self.0.opened.elapsed());
        self.0
            .update(|state| if state == BUSY { now } else { state - 1 });
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.room.lock().all.remove(&self.number);
    }
}

impl Activity {
    /// A request was read; it is under way until the value is dropped, with its answer or without.
    pub fn begin(self: &Arc<Self>) -> Request {
        self.update(|state| if state < BUSY { BUSY } else { state + 1 });
        Request(Arc::clone(self))
    }

    fn update(&self, next: impl Fn(u64) -> u64) {
        let set = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |state| {
                Some(next(state))
            });
        // It fails only where there is no next state.
        debug_assert!(set.is_ok());
    }

    /// Resolves when the connection is to make way, unless it has a request by then.
    pub async fn asked_to_leave(&self) {
        loop {
            self.leave.notified().await;
            if self.state.load(Ordering::Acquire) == LEAVING {
                return;
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(LEAVING - 1)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    fn room(slots: usize, grace: Duration) -> Arc<Room> {
        let mut room = Room::new(slots);
        Arc::get_mut(&mut room).unwrap().grace = grace;
        room
    }

    async fn leaves(visit: &Visit) -> bool {
        let asked = visit.activity.asked_to_leave();
        timeout(Duration::ZERO, asked).await.is_ok()
    }

    #[tokio::test]
    async fn the_idlest_makes_way_and_no_busy_one_does() {
        let room = room(3, Duration::ZERO);
        let [idle, busy, idlest] = [(); 3].map(|()| room.enter(None));
        let [first, second] = [(); 2].map(|()| busy.activity.begin());
        let request = idle.activity.begin();
        sleep(SHORT).await;
        drop((request, first));
        sleep(SHORT).await;
        room.make_way();
        assert!(leaves(&idlest).await);
        assert!(!leaves(&idle).await);
        room.make_way();
        assert!(leaves(&idle).await);
        room.make_way();
        assert!(!leaves(&busy).await);
        drop(second);
        sleep(SHORT).await;
        room.make_way();
        assert!(leaves(&busy).await);
    }

    #[tokio::test]
    async fn a_client_that_has_just_been_served_is_left_alone() {
        let room = room(1, Duration::from_hours(1));
        let visit = room.enter(None);
        sleep(SHORT).await;
        room.make_way();
        assert!(!leaves(&visit).await);
    }

    #[tokio::test]
    async fn a_request_that_came_meanwhile_is_served() {
        let room = room(1, Duration::ZERO);
        let visit = room.enter(None);
        sleep(SHORT).await;
        room.make_way();
        let _request = visit.activity.begin();
        assert!(!leaves(&visit).await);
    }

    #[tokio::test]
    async fn a_newcomer_gets_the_slot_of_who_leaves() {
        let room = room(1, SHORT);
        let first = room.enter(room.slot().await);
        let leaving = tokio::spawn(async move { first.activity.asked_to_leave().await });
        assert!(room.slot().await.is_some());
        leaving.await.unwrap();
        assert!(room.lock().all.is_empty());
    }
}
