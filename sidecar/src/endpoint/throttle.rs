//! How often something may fail for which the endpoint does costly work, and how many passwords are checked at a time.
//!
//! What is limited has a cost, or can be guessed: passwords, answers of providers (requests to the provider and signatures),
//! tokens of workloads (requests to the API server). Client secrets are not: 256 bits cannot be guessed, a wrong one costs a
//! few microseconds, and a limit of an application would let anybody lock it out, as one of an address would let a single pod
//! that still has an old secret lock out all others behind the same address.

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
const PASSWORDS: Limit = Limit {
    failures: 50,
    window: 600,
};

/// From one address, of what has the endpoint ask somebody else: a provider, or the API server. The window is short, since many
/// may share an address, and whoever is asked may be away for a while. At 5 s each, which is how long an answer is waited for,
/// one address has less than a third of the 16 reviews that there are at once.
const ASKING: Limit = Limit {
    failures: 60,
    window: 60,
};

/// The accounts and addresses that are remembered: a few megabytes.
const REMEMBERED: u64 = 50_000;

/// Failures are forgotten then at the latest.
const LONGEST: Duration = Duration::from_hours(1);

/// What the passwords that are checked at a time may take in memory, in MiB: four of those that `mintage users add` hashes, or
/// one of the dearest that are taken (64 MiB).
const MEMORY: u32 = 80;

/// What an address tries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Trying {
    /// The answer of a provider.
    Answer,
    /// The token of a workload.
    Assertion,
    /// A password.
    Password,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    Account(Uid, String),
    Address(Trying, IpAddr),
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
            hashing: Arc::new(Semaphore::new(MEMORY as usize)),
        }
    }
}

/// Who tries something.
pub struct Attempt {
    keys: Vec<(Key, Limit)>,
}

impl Attempt {
    /// Comes back with an answer of a provider.
    pub fn with_answer(address: Option<IpAddr>) -> Self {
        Self::asking(Trying::Answer, address)
    }

    /// Shows a token of a workload that is to be reviewed.
    pub fn with_assertion(address: Option<IpAddr>) -> Self {
        Self::asking(Trying::Assertion, address)
    }

    fn asking(what: Trying, address: Option<IpAddr>) -> Self {
        let address = address.map(network);
        let keys = address.map(|address| (Key::Address(what, address), ASKING));
        Self {
            keys: keys.into_iter().collect(),
        }
    }

    /// An attempt at an account, by the name that was typed, whether there is one or not.
    pub fn with_password(tenant: &Uid, account: &str, address: Option<IpAddr>) -> Self {
        let account: String = account.trim().to_lowercase().chars().take(255).collect();
        let mut keys = vec![(Key::Account(tenant.clone(), account.clone()), ACCOUNT)];
        if let Some(address) = address.map(network) {
            keys.push((Key::Address(Trying::Password, address), PASSWORDS));
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
    /// Counts an attempt as failed before it is made, so that many at once are as many as one after the other; or says how
    /// long to wait before another one.
    pub fn begin(&self, attempt: &Attempt, now: UnixTime) -> Result<(), Duration> {
        let windows = attempt.keys.iter().map(|(key, limit)| {
            let window = self.windows.get_with(key.clone(), Arc::default);
            (window, *limit)
        });
        let windows: Vec<_> = windows.collect();
        // All of an attempt, always in the same order: none is counted where another one says to wait.
        let locked = windows.iter().map(|(window, limit)| {
            let window = window.lock().unwrap_or_else(PoisonError::into_inner);
            (window, *limit)
        });
        let mut locked: Vec<_> = locked.collect();
        let waits = locked.iter().filter_map(|(window, limit)| {
            let ends = window.began + limit.window;
            (window.failures >= limit.failures && now.0 < ends).then_some(ends - now.0)
        });
        if let Some(seconds) = waits.max() {
            return Err(Duration::from_secs(u64::try_from(seconds).unwrap_or(1)));
        }
        for (window, limit) in &mut locked {
            // A clock that was set back ends no window, and begins none that never ends.
            if !(window.began..window.began + limit.window).contains(&now.0) {
                **window = Window {
                    began: now.0,
                    failures: 0,
                };
            }
            window.failures += 1;
        }
        Ok(())
    }

    /// It did not fail: forgets the failures of the account at this address, and this one of the others.
    pub fn succeeded(&self, attempt: &Attempt) {
        for (key, _) in &attempt.keys {
            if matches!(key, Key::Pair(..)) {
                self.windows.invalidate(key);
            } else if let Some(window) = self.windows.get(key) {
                let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
                window.failures = window.failures.saturating_sub(1);
            }
        }
    }

    /// Waits for its turn to check a password, which takes so much memory, in KiB.
    pub async fn turn(&self, memory: u32) -> Option<OwnedSemaphorePermit> {
        let memory = memory.div_ceil(1024).min(MEMORY);
        let hashing = Arc::clone(&self.hashing);
        hashing.acquire_many_owned(memory).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_000_000);

    fn attempt(account: &str, address: &str) -> Attempt {
        Attempt::with_password(
            &Uid::parse("t").unwrap(),
            account,
            Some(address.parse().unwrap()),
        )
    }

    #[test]
    fn ten_wrong_passwords_of_an_account_from_one_address_are_enough() {
        let throttle = Throttle::default();
        let begin = |account, address, at| throttle.begin(&attempt(account, address), at);
        for _ in 0..10 {
            assert_eq!(begin("Ada ", "192.0.2.1", NOW), Ok(()));
        }
        let five_minutes = Err(Duration::from_mins(5));
        assert_eq!(begin("ada", "192.0.2.1", NOW), five_minutes);
        assert_eq!(
            begin("ada", "192.0.2.1", NOW - 60),
            Err(Duration::from_mins(6))
        );
        assert_eq!(
            begin("ada", "192.0.2.2", NOW),
            Ok(()),
            "the owner elsewhere is not locked out"
        );
        assert_eq!(begin("bob", "192.0.2.1", NOW), Ok(()));
        assert_eq!(begin("ada", "192.0.2.1", NOW + 300), Ok(()));
    }

    #[test]
    fn whoever_signs_in_has_all_attempts_again_and_has_used_none_of_the_address() {
        let throttle = Throttle::default();
        let ada = attempt("ada", "192.0.2.1");
        for _ in 0..20 {
            for _ in 0..2 {
                assert_eq!(throttle.begin(&ada, NOW), Ok(()));
            }
            throttle.succeeded(&ada);
        }
        for bob in 0..30 {
            let bob = attempt(&bob.to_string(), "192.0.2.1");
            assert_eq!(throttle.begin(&bob, NOW), Ok(()));
        }
        // Twenty failures of Ada's and thirty of others.
        assert!(throttle.begin(&attempt("eve", "192.0.2.1"), NOW).is_err());
    }

    #[test]
    fn one_address_cannot_try_many_accounts_nor_many_addresses_one() {
        let throttle = Throttle::default();
        let begin = |account: &str, address: &str| throttle.begin(&attempt(account, address), NOW);
        for account in 0..50 {
            assert_eq!(begin(&account.to_string(), "2001:db8::1"), Ok(()));
        }
        assert!(begin("new", "2001:db8::9:1").is_err(), "one network");
        assert!(begin("new", "2001:db8:0:1::1").is_ok());
        for host in 0..100 {
            assert_eq!(begin("ada", &format!("198.51.100.{host}")), Ok(()));
        }
        assert!(begin("ada", "203.0.113.1").is_err());
    }
    #[test]
    fn what_asks_others_is_limited_by_address_and_kind_for_a_minute() {
        let throttle = Throttle::default();
        let address = |text: &str| Some(text.parse().unwrap());
        let answer = |at: &str| Attempt::with_answer(address(at));
        let assertion = |at: &str| Attempt::with_assertion(address(at));
        for _ in 0..60 {
            assert_eq!(throttle.begin(&answer("2001:db8::1"), NOW), Ok(()));
        }
        let a_minute = Err(Duration::from_mins(1));
        assert_eq!(throttle.begin(&answer("2001:db8::2"), NOW), a_minute);
        assert_eq!(throttle.begin(&answer("192.0.2.1"), NOW), Ok(()));
        assert_eq!(throttle.begin(&assertion("2001:db8::1"), NOW), Ok(()));
        assert_eq!(throttle.begin(&attempt("ada", "2001:db8::1"), NOW), Ok(()));
        assert_eq!(throttle.begin(&answer("2001:db8::1"), NOW + 60), Ok(()));
        // Those that do not fail take nothing of it.
        for _ in 0..200 {
            let good = assertion("192.0.2.1");
            assert_eq!(throttle.begin(&good, NOW), Ok(()));
            throttle.succeeded(&good);
        }
        // Nobody is locked out where addresses are not known.
        for _ in 0..200 {
            assert_eq!(throttle.begin(&Attempt::with_answer(None), NOW), Ok(()));
        }
    }
}
