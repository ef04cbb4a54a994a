//! How often a password may be wrong, and how many are checked at a time.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mintage_core::{Seconds, Uid, UnixTime};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many failures in so many seconds.
#[derive(Clone, Copy)]
struct Limit {
    failures: u32,
    window: Seconds,
}

/// Of one account from one address.
const PAIR: Limit = Limit {
    failures: 10,
    window: 300,
};
/// Of one account from anywhere: many addresses guess slowly at most.
const ACCOUNT: Limit = Limit {
    failures: 100,
    window: 3600,
};
/// From one address, at any accounts.
const ADDRESS: Limit = Limit {
    failures: 50,
    window: 600,
};

/// The accounts and addresses that are remembered: a few megabytes.
const REMEMBERED: u64 = 50_000;

/// Failures are forgotten then at the latest.
const LONGEST: Duration = Duration::from_hours(1);

/// How many passwords are checked at a time: each takes 19 MiB and a core.
const AT_A_TIME: usize = 4;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    Account(Uid, String),
    Address(IpAddr),
    Pair(Uid, String, IpAddr),
}

#[derive(Default)]
struct Window {
    began: i64,
    failures: u32,
}

/// Counts failures. Each replica of an endpoint counts for itself.
pub struct Throttle {
    windows: Cache<Key, Arc<Mutex<Window>>>,
    hashing: Arc<Semaphore>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            windows: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(LONGEST)
                .build(),
            hashing: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

/// Who tries to sign in.
pub struct Attempt {
    keys: Vec<(Key, Limit)>,
}

impl Attempt {
    /// An attempt at an account, by the name that was typed, whether there is one or not.
    pub fn new(tenant: &Uid, account: &str, address: Option<IpAddr>) -> Self {
        let account: String = account.trim().to_lowercase().chars().take(255).collect();
        let mut keys = vec![(Key::Account(tenant.clone(), account.clone()), ACCOUNT)];
        if let Some(address) = address.map(network) {
            keys.push((Key::Address(address), ADDRESS));
            keys.push((Key::Pair(tenant.clone(), account, address), PAIR));
        }
        Self { keys }
    }
}

/// An IPv6 client has a whole network of addresses to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

impl Throttle {
    /// How long to wait before another attempt; `None` if it may be made.
    pub fn wait(&self, attempt: &Attempt, now: UnixTime) -> Option<Duration> {
        let waits = attempt.keys.iter().filter_map(|(key, limit)| {
            let window = self.windows.get(key)?;
            let window = window.lock().unwrap_or_else(PoisonError::into_inner);
            let ends = window.began + limit.window;
            (window.failures >= limit.failures && now.0 < ends).then_some(ends - now.0)
        });
        let seconds = waits.max()?;
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(1)))
    }

    /// Counts a failure.
    pub fn failed(&self, attempt: &Attempt, now: UnixTime) {
        for (key, limit) in &attempt.keys {
            let window = self.windows.get_with(key.clone(), Arc::default);
            let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
            // A clock that was set back ends no window, and begins none that never ends.
            if !(window.began..window.began + limit.window).contains(&now.0) {
                *window = Window {
                    began: now.0,
                    failures: 0,
                };
            }
            window.failures += 1;
        }
    }

    /// Forgets the failures of an account at this address; those of the address stay.
    pub fn succeeded(&self, attempt: &Attempt) {
        for (key, _) in attempt
            .keys
            .iter()
            .filter(|(key, _)| matches!(key, Key::Pair(..)))
        {
            self.windows.invalidate(key);
        }
    }

    /// Waits for its turn to check a password.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.hashing).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_000_000);

    fn attempt(account: &str, address: &str) -> Attempt {
        Attempt::new(
            &Uid::parse("t").unwrap(),
            account,
            Some(address.parse().unwrap()),
        )
    }

    #[test]
    fn ten_wrong_passwords_of_an_account_from_one_address_are_enough() {
        let throttle = Throttle::default();
        for _ in 0..10 {
            assert_eq!(throttle.wait(&attempt("ada", "192.0.2.1"), NOW), None);
            throttle.failed(&attempt("Ada ", "192.0.2.1"), NOW);
        }
        let wait = |account, address, at| throttle.wait(&attempt(account, address), at);
        assert_eq!(wait("ada", "192.0.2.1", NOW), Some(Duration::from_mins(5)));
        assert_eq!(
            wait("ada", "192.0.2.2", NOW),
            None,
            "the owner elsewhere is not locked out"
        );
        assert_eq!(wait("bob", "192.0.2.1", NOW), None);
        assert_eq!(wait("ada", "192.0.2.1", NOW + 300), None);
        throttle.succeeded(&attempt("ada", "192.0.2.1"));
        assert_eq!(wait("ada", "192.0.2.1", NOW), None);
    }

    #[test]
    fn one_address_cannot_try_many_accounts_nor_many_addresses_one() {
        let throttle = Throttle::default();
        for account in 0..50 {
            throttle.failed(&attempt(&account.to_string(), "2001:db8::1"), NOW);
        }
        assert!(
            throttle
                .wait(&attempt("new", "2001:db8::9:1"), NOW)
                .is_some(),
            "one network"
        );
        assert!(
            throttle
                .wait(&attempt("new", "2001:db8:0:1::1"), NOW)
                .is_none()
        );
        for host in 0..100 {
            throttle.failed(&attempt("ada", &format!("198.51.100.{host}")), NOW);
        }
        assert!(throttle.wait(&attempt("ada", "203.0.113.1"), NOW).is_some());
    }
}
