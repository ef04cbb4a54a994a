//! What the statuses of tenants say of their pods.
//!
//! Pods come and go. So that a rollout does not become a write for each pod, a tenant says at once what is new, and then
//! nothing else for a while; what it says afterwards is how things are then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mintage_core::code::Coded as _;
use mintage_core::{ObjectRef, TenantRef};
use tokio::time::Instant;

use super::Reason;

/// How long a tenant says the same at least.
const PACE: Duration = Duration::from_secs(30);

/// How many pods are named.
const NAMED: usize = 3;

/// The pods of one tenant that are stale.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stale {
    by_reason: BTreeMap<Reason, usize>,
    /// The first few by name.
    named: BTreeSet<ObjectRef>,
}

impl Stale {
    /// Counts a pod.
    pub fn add(&mut self, reason: Reason, pod: ObjectRef) {
        *self.by_reason.entry(reason).or_default() += 1;
        self.named.insert(pod);
        if self.named.len() > NAMED {
            self.named.pop_last();
        }
    }

    /// In words, with the mend.
    pub fn message(&self) -> String {
        let pods: usize = self.by_reason.values().sum();
        let have = if pods == 1 { "pod has" } else { "pods have" };
        let reasons = self.by_reason.iter();
        let reasons: Vec<_> = reasons
            .map(|(reason, count)| format!("{count} {}", reason.code()))
            .collect();
        let named: Vec<_> = self.named.iter().map(ToString::to_string).collect();
        let more = if pods > named.len() { " and more" } else { "" };
        format!(
            "{pods} {have} no current sidecar ({}): {}{more}. Start them anew (kubectl rollout restart), or label those that are to have none mintage.dev/inject: \"false\"",
            reasons.join(", "),
            named.join(", ")
        )
    }
}

/// What is known of the sidecars of pods.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Sidecars {
    /// The tenants that have stale pods.
    Known(Arc<BTreeMap<TenantRef, Stale>>),
    /// No webhook gives pods their sidecars, and none is missing.
    #[default]
    NotInjected,
    /// Nobody has looked yet.
    Unknown,
}

impl Sidecars {
    /// Takes over what is said now; whether that is another thing.
    pub(super) fn become_known(&mut self, said: &Said) -> bool {
        let stale = said.0.iter();
        let stale = stale
            .filter(|(_, (_, stale))| *stale != Stale::default())
            .map(|(tenant, (_, stale))| (tenant.clone(), stale.clone()));
        let now = Self::Known(Arc::new(stale.collect()));
        let is_news = *self != now;
        *self = now;
        is_news
    }
}

/// What is said of each tenant, and since when. One that has no stale pods any more is forgotten, but only after a while.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<TenantRef, (Instant, Stale)>);

impl Said {
    /// Hears what was found now; when it is to hear again what is found, though nothing changed.
    pub fn hear(&mut self, found: &BTreeMap<TenantRef, Stale>, now: Instant) -> Option<Instant> {
        let mut due: Option<Instant> = None;
        for (tenant, stale) in found {
            if !self.0.contains_key(tenant) {
                self.0.insert(tenant.clone(), (now, stale.clone()));
            }
        }
        let none = Stale::default();
        self.0.retain(|tenant, (since, said)| {
            let found = found.get(tenant).unwrap_or(&none);
            if now.duration_since(*since) >= PACE {
                if said == found {
                    return *said != none;
                }
                (*since, *said) = (now, found.clone());
            }
            if said != found || *said == none {
                let again = *since + PACE;
                due = Some(due.map_or(again, |due| due.min(again)));
            }
            true
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> TenantRef {
        TenantRef::parse("identity/acme").unwrap()
    }

    /// So many pods of a tenant.
    fn found(pods: usize) -> BTreeMap<TenantRef, Stale> {
        let mut stale = Stale::default();
        for number in 0..pods {
            let pod = ObjectRef::parse(&format!("shop/app-{number}")).unwrap();
            stale.add(Reason::Outdated, pod);
        }
        if pods == 0 {
            return BTreeMap::new();
        }
        BTreeMap::from([(acme(), stale)])
    }

    fn says(said: &Said) -> usize {
        let mut sidecars = Sidecars::Unknown;
        assert!(
            sidecars.become_known(said),
            "it is known for the first time"
        );
        assert!(!sidecars.become_known(said), "nothing changed");
        let Sidecars::Known(stale) = sidecars else {
            panic!("{sidecars:?}")
        };
        let of_acme = stale.get(&acme());
        of_acme.map_or(0, |stale| stale.by_reason[&Reason::Outdated])
    }

    #[test]
    fn what_is_new_is_said_at_once_and_the_rest_when_its_time_has_come() {
        let begun = Instant::now();
        let mut said = Said::default();
        let mut hear = |pods, after: u64| {
            let due = said.hear(&found(pods), begun + Duration::from_secs(after));
            (says(&said), due.map(|due| (due - begun).as_secs()))
        };
        assert_eq!(hear(0, 0), (0, None));
        assert_eq!(hear(4, 10), (4, None));
        // A rollout, pod by pod.
        assert_eq!(hear(3, 20), (4, Some(40)));
        assert_eq!(hear(2, 30), (4, Some(40)));
        assert_eq!(hear(2, 40), (2, None));
        assert_eq!(hear(0, 50), (2, Some(70)));
        assert_eq!(hear(0, 70), (0, Some(100)));
        // Back and forth: not sooner either.
        assert_eq!(hear(1, 80), (0, Some(100)));
        assert_eq!(hear(1, 100), (1, None));
        assert_eq!(hear(1, 5000), (1, None));
        assert_eq!(hear(0, 5001), (0, Some(5031)));
        assert_eq!(hear(0, 5031), (0, None));
    }

    #[test]
    fn one_that_goes_back_and_forth_writes_no_more_often_than_the_pace() {
        let begun = Instant::now();
        let (mut said, mut last, mut writes) = (Said::default(), 0, 0);
        for second in 0..3600 {
            let pods = usize::try_from(second % 7).unwrap();
            said.hear(&found(pods), begun + Duration::from_secs(second));
            writes += usize::from(says(&said) != last);
            last = says(&said);
        }
        assert!((100..=120).contains(&writes), "{writes}");
        let later = begun + Duration::from_hours(2);
        said.hear(&found(0), later);
        said.hear(&found(0), later + PACE);
        assert!(said.0.is_empty());
    }

    #[test]
    fn the_words_count_and_name_the_first_few() {
        let message = |pods| found(pods)[&acme()].message();
        assert_eq!(
            message(1),
            "1 pod has no current sidecar (1 outdated): shop/app-0. Start them anew (kubectl rollout restart), or label those that are to have none mintage.dev/inject: \"false\""
        );
        assert!(message(3).contains(
            "3 pods have no current sidecar (3 outdated): shop/app-0, shop/app-1, shop/app-2. Start"
        ));
        assert!(message(1000).contains("1000 pods have no current sidecar (1000 outdated): shop/app-0, shop/app-1, shop/app-10 and more."));
        assert!(message(100_000).len() < 300);
    }
}
