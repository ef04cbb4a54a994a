//! When to try again what failed, by tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use mintage_core::TenantRef;
use mintage_sidecar::clock::random_u32;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(2);

/// The tenants that wait, each for longer after each failure, with jitter.
#[derive(Debug, Default)]
pub struct Retries {
    waiting: BTreeMap<TenantRef, Waiting>,
    again: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    failures: u32,
    until: Instant,
}

impl Retries {
    /// A tenant failed.
    pub fn fail(&mut self, tenant: &TenantRef, now: Instant) {
        let waiting = self.waiting.entry(tenant.clone()).or_insert(Waiting {
            failures: 0,
            until: now,
        });
        let whole = FIRST
            .saturating_mul(2_u32.saturating_pow(waiting.failures))
            .min(LONGEST);
        waiting.failures += 1;
        // Between half and the whole of it.
        let half = whole / 2;
        waiting.until = now + half + half.mul_f64(f64::from(random_u32()) / f64::from(u32::MAX));
    }

    /// A tenant is well.
    pub fn succeed(&mut self, tenant: &TenantRef) {
        self.waiting.remove(tenant);
    }

    /// Whether a tenant is to be left alone for now.
    pub fn waits(&self, tenant: &TenantRef, now: Instant) -> bool {
        self.waiting
            .get(tenant)
            .is_some_and(|waiting| now < waiting.until)
    }

    /// Something that is about no tenant in particular is to be tried again.
    pub fn again(&mut self, now: Instant) {
        self.again = Some(now + FIRST);
    }

    /// A turn begins: what is to be tried again by now is tried with it.
    pub fn begin(&mut self, now: Instant) {
        self.again.take_if(|again| *again <= now);
    }

    /// When the next turn is due.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.waiting.values().map(|waiting| waiting.until);
        waiting.chain(self.again).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_up_to_a_limit() {
        let tenant = TenantRef::parse("identity/acme").unwrap();
        let other = TenantRef::parse("identity/globex").unwrap();
        let mut retries = Retries::default();
        let now = Instant::now();
        for number in 0..20 {
            retries.fail(&tenant, now);
            let wait = retries.next().unwrap() - now;
            let whole = FIRST
                .saturating_mul(2_u32.saturating_pow(number))
                .min(LONGEST);
            assert!(wait >= whole / 2 && wait <= whole, "{number}: {wait:?}");
            assert!(retries.waits(&tenant, now) && !retries.waits(&other, now));
        }
        retries.succeed(&tenant);
        assert_eq!(retries.next(), None);
    }
}
