//! Crashes on demand, for the tests of what a crash leaves behind. Builds for release have none.

#[cfg(debug_assertions)]
mod armed {
    use std::env;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// `MINTAGE_CRASH_AT=<n>`: the process dies before its n-th write; with `after:<n>`, right after it.
    static PLAN: LazyLock<Option<(bool, u64)>> = LazyLock::new(|| {
        let plan = env::var("MINTAGE_CRASH_AT").ok()?;
        let (after, number) = match plan.strip_prefix("after:") {
            Some(number) => (true, number),
            None => (false, plan.as_str()),
        };
        Some((after, number.parse().ok()?))
    });

    static WRITES: AtomicU64 = AtomicU64::new(0);
    static WRITTEN: AtomicU64 = AtomicU64::new(0);

    pub fn before_write() {
        reach(&WRITES, false);
    }

    pub fn after_write() {
        reach(&WRITTEN, true);
    }

    fn reach(count: &AtomicU64, after: bool) {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        if *PLAN == Some((after, number)) {
            // Nothing is finished, flushed or released, as with SIGKILL.
            std::process::abort();
        }
    }
}

#[cfg(debug_assertions)]
pub use armed::{after_write, before_write};

#[cfg(not(debug_assertions))]
pub fn before_write() {}

#[cfg(not(debug_assertions))]
pub fn after_write() {}
