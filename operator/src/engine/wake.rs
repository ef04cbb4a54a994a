//! When to look again though nothing was seen.

use std::time::Duration;

use tokio::time::Instant;

use super::Engine;

impl Engine {
    /// When to look again: at the next moment at which the plan changes by itself, at the next retry, and often enough
    /// to notice that the Lease is lost.
    pub(super) fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let soon = now + Duration::from_secs(5);
        let due = self.next_due.map(|due| {
            let left = due.0 - self.context.clock.now().0;
            now + Duration::from_secs(u64::try_from(left).unwrap_or(0))
        });
        let wake = due.into_iter().chain(self.next_try()).min();
        wake.map_or(soon, |wake| wake.min(soon))
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_due
            .is_some_and(|due| self.context.clock.now() >= due)
            || self.next_try().is_some_and(|next| next <= now)
    }

    /// When something is tried again that failed.
    fn next_try(&self) -> Option<Instant> {
        let all = [
            self.retries.next(),
            self.endpoint_retries.next_after(self.tried),
            self.outputs.next_try(self.tried),
        ];
        all.into_iter().flatten().min()
    }
}
