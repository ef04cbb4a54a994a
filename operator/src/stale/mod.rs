//! Pods that ask for a sidecar and have none, or another than they would get now: made while no operator answered, before
//! their namespace opted in, or under an older operator. Nobody is restarted; it is said, so that somebody does it:
//!
//! - to whatever made the pod, by an Event, at most once an hour;
//! - to the admin of the tenant, by a condition that changes every half a minute at most;
//! - to whoever watches the metrics.
//!
//! A pod that goes without one on purpose, as those of a node's own network do, is no stale one; whatever made it hears of
//! it all the same.

mod said;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use mintage_core::{Namespace, ObjectRef, TenantRef};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::events::{Events, Severity};
use crate::metrics::Metrics;
use said::Said;
pub use said::{Sidecars, Stale};

/// Who made a pod hears of it so often at most.
const REMIND: Duration = Duration::from_hours(1);

/// Pods are looked at so often at most: they come and go in bursts.
const SETTLE: Duration = Duration::from_secs(10);

mintage_core::coded! {
    /// Why a pod is stale.
    pub enum Reason {
        /// It has no sidecar.
        Missing = "missing",
        /// It has another sidecar than it would get now.
        Outdated = "outdated",
        /// It would not be admitted now.
        Refused = "refused",
    }
}

mintage_core::coded! {
    /// The reasons of Events.
    pub enum Topic {
        /// Pods of an owner go without a sidecar, although their namespace asks for one.
        InjectionSkipped = "InjectionSkipped",
        /// Pods of an owner are stale.
        StalePod = "StalePod",
    }
}

impl Reason {
    /// All of them.
    pub const ALL: &'static [Self] = <Self as mintage_core::code::Coded>::ALL;
}

/// What made a pod, or the pod itself.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Owner {
    /// As `apps/v1`.
    pub api_version: String,
    /// As `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Which life of it.
    pub uid: String,
}

/// A pod, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its place.
    pub at: ObjectRef,
    /// What made it.
    pub owner: Owner,
    /// The tenant that it would have now; if it would not be admitted, the one that it has, if that can be believed.
    pub tenant: Option<TenantRef>,
    /// The hash of the sidecar that it has.
    pub has: Option<String>,
    /// The hash of the sidecar that it would get now, or why it would not be admitted.
    pub wants: Result<String, String>,
    /// Whether it goes without a sidecar on purpose.
    pub skipped: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Survey {
    /// How many pods are stale, and why.
    pub by_reason: BTreeMap<Reason, usize>,
    /// Which pods of each tenant.
    pub by_tenant: BTreeMap<TenantRef, Stale>,
    /// What each owner is to hear.
    pub owners: BTreeMap<(Namespace, Owner), Told>,
    /// The owners of pods that go without a sidecar on purpose.
    pub skipped: BTreeSet<(Namespace, Owner)>,
}

/// What an owner is to hear.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// How many of its pods are stale.
    pub pods: usize,
    /// Why, for one of them.
    pub reason: Reason,
    /// Why it would not be admitted.
    pub refusal: Option<String>,
}

/// Looks at pods that are to have a sidecar. Those that are ending do not belong among them.
pub fn survey(pods: impl IntoIterator<Item = Pod>) -> Survey {
    let mut found = Survey::default();
    for pod in pods {
        if pod.skipped {
            found.skipped.insert((pod.at.namespace, pod.owner));
            continue;
        }
        let (reason, refusal) = match (&pod.has, &pod.wants) {
            (Some(has), Ok(wants)) if has == wants => continue,
            // It ends by itself, or has ended: metadata do not say. The next one has what is current.
            (Some(_), _) if pod.owner.kind == "Job" => continue,
            // It is missing whatever it would get.
            (None, Ok(_)) => (Reason::Missing, None),
            (None, Err(refusal)) => (Reason::Missing, Some(refusal.clone())),
            (Some(_), Ok(_)) => (Reason::Outdated, None),
            (Some(_), Err(refusal)) => (Reason::Refused, Some(refusal.clone())),
        };
        *found.by_reason.entry(reason).or_default() += 1;
        if let Some(tenant) = pod.tenant {
            let of_tenant = found.by_tenant.entry(tenant).or_default();
            of_tenant.add(reason, pod.at.clone());
        }
        found
            .owners
            .entry((pod.at.namespace, pod.owner))
            .and_modify(|told| told.pods += 1)
            .or_insert(Told {
                pods: 1,
                reason,
                refusal,
            });
    }
    found
}

impl Told {
    /// In words, with the mend.
    fn message(&self, owner: &Owner) -> String {
        let what = match self.reason {
            Reason::Missing => "asks for a Mintage sidecar and has none",
            Reason::Outdated => "has another Mintage sidecar than it would get now",
            Reason::Refused => "has a Mintage sidecar, but would not be admitted any more",
        };
        let pods = match (self.pods, owner.kind.as_str()) {
            (_, "Pod") => "The pod".to_owned(),
            (1, _) => "A pod".to_owned(),
            (pods, _) => format!("Each of {pods} pods"),
        };
        match &self.refusal {
            Some(refusal) => format!("{pods} {what}: {refusal}"),
            None => format!(
                "{pods} {what}: start it anew (kubectl rollout restart), or label it mintage.dev/inject: \"false\" if it is to have none"
            ),
        }
    }
}

/// What an owner hears whose pods go without a sidecar on purpose.
const SKIPPED: &str = "Pods of this namespace get a Mintage sidecar; this one's do not, since they share the node's network or processes, are static, or run on Windows: label them mintage.dev/inject: \"false\" to say so";

/// Whom was told when; `None` of pods that go without a sidecar on purpose.
#[derive(Debug, Default)]
struct Reminders(HashMap<(Namespace, Owner, Option<Reason>), Instant>);

impl Reminders {
    /// Whether an owner is to be told now. Owners that are in order again are forgotten, but only after a while: one that
    /// goes back and forth is told no more often.
    fn due(
        &mut self,
        namespace: &Namespace,
        owner: &Owner,
        reason: Option<Reason>,
        now: Instant,
    ) -> bool {
        let key = (namespace.clone(), owner.clone(), reason);
        let due = self
            .0
            .get(&key)
            .is_none_or(|last| now.duration_since(*last) >= REMIND);
        if due {
            self.0.insert(key, now);
        }
        due
    }

    /// Tells the owners that are to hear of it now.
    fn tell(&mut self, survey: &Survey, events: &Events, now: Instant) {
        self.forget_old(now);
        for ((namespace, owner), told) in &survey.owners {
            if self.due(namespace, owner, Some(told.reason), now) {
                let about = reference(namespace, owner);
                let message = told.message(owner);
                events.publish(about, Topic::StalePod, Severity::Warning, &message);
            }
        }
        for (namespace, owner) in &survey.skipped {
            if self.due(namespace, owner, None, now) {
                let about = reference(namespace, owner);
                events.publish(about, Topic::InjectionSkipped, Severity::Normal, SKIPPED);
            }
        }
    }

    fn forget_old(&mut self, now: Instant) {
        self.0.retain(|_, last| now.duration_since(*last) < REMIND);
    }
}

/// Reports stale pods for as long as it is polled: after each change that `pods` shows, and hourly. `look` gives the pods
/// that are to have a sidecar, once they are known; `sidecars` is told what the tenants' statuses are to say.
pub async fn keep<T: Send + Sync>(
    mut pods: watch::Receiver<T>,
    look: impl Fn(&T) -> Option<Vec<Pod>> + Send,
    sidecars: watch::Sender<Sidecars>,
    events: Events,
    metrics: Arc<Metrics>,
) {
    let mut reminders = Reminders::default();
    let mut said = Said::default();
    loop {
        let survey = {
            let pods = pods.borrow_and_update();
            look(&pods).map(survey)
        };
        let now = Instant::now();
        let mut again = now + REMIND;
        if let Some(survey) = survey {
            metrics.set_stale(&survey.by_reason);
            reminders.tell(&survey, &events, now);
            let due = said.hear(&survey.by_tenant, now);
            again = due.map_or(again, |due| due.min(again));
            sidecars.send_if_modified(|known| known.become_known(&said));
        }
        sleep(SETTLE).await;
        tokio::select! {
            changed = pods.changed() => {
                if changed.is_err() {
                    return std::future::pending().await;
                }
            }
            () = sleep_until(again) => {}
        }
    }
}

fn reference(namespace: &Namespace, owner: &Owner) -> ObjectReference {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ObjectReference {
        api_version: text(&owner.api_version),
        kind: text(&owner.kind),
        name: text(&owner.name),
        namespace: Some(namespace.to_string()),
        uid: text(&owner.uid),
        ..ObjectReference::default()
    }
}

/// The namespaces whose pods never get a sidecar, whatever their labels say: the webhook is not asked there.
pub fn excluded(own: &Namespace, others: &[Namespace]) -> BTreeSet<Namespace> {
    let system = ["kube-node-lease", "kube-public", "kube-system"];
    let system = system
        .into_iter()
        .map(|name| Namespace::parse(name).expect("it is a name"));
    system
        .chain([own.clone()])
        .chain(others.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(owner: &str, has: Option<&str>, wants: Result<&str, &str>) -> Pod {
        Pod {
            at: ObjectRef::parse(&format!("shop/{owner}-0")).unwrap(),
            owner: Owner {
                api_version: "apps/v1".to_owned(),
                kind: "ReplicaSet".to_owned(),
                name: owner.to_owned(),
                uid: "1".to_owned(),
            },
            tenant: Some(TenantRef::parse("identity/acme").unwrap()),
            has: has.map(str::to_owned),
            wants: wants.map(str::to_owned).map_err(str::to_owned),
            skipped: false,
        }
    }

    #[test]
    fn pods_are_stale_without_a_current_sidecar() {
        let found = survey([
            pod("good", Some("a"), Ok("a")),
            pod("late", None, Ok("a")),
            pod("old", Some("b"), Ok("a")),
            pod("old", Some("b"), Ok("a")),
            pod("gone", Some("a"), Err("no tenant")),
            pod("lost", None, Err("no tenant")),
        ]);
        let counts = [
            (Reason::Missing, 2),
            (Reason::Outdated, 2),
            (Reason::Refused, 1),
        ];
        assert_eq!(found.by_reason, BTreeMap::from(counts));
        let tenant = TenantRef::parse("identity/acme").unwrap();
        assert_eq!(
            found.by_tenant[&tenant].message(),
            "5 pods have no current sidecar (2 missing, 2 outdated, 1 refused): shop/gone-0, shop/late-0, shop/lost-0 and more. Start them anew (kubectl rollout restart), or label those that are to have none mintage.dev/inject: \"false\""
        );
        let told: Vec<_> = found
            .owners
            .iter()
            .map(|((_, owner), told)| (&*owner.name, told.pods, told.reason))
            .collect();
        let expected = [
            ("gone", 1, Reason::Refused),
            ("late", 1, Reason::Missing),
            ("lost", 1, Reason::Missing),
            ("old", 2, Reason::Outdated),
        ];
        assert_eq!(told, expected);
        assert_eq!(survey([]), Survey::default());
    }

    #[test]
    fn pods_that_go_without_a_sidecar_on_purpose_are_not_stale() {
        let mut skipped = pod("node", None, Ok("a"));
        skipped.skipped = true;
        let owner = (skipped.at.namespace.clone(), skipped.owner.clone());
        let expected = Survey {
            skipped: BTreeSet::from([owner]),
            ..Survey::default()
        };
        assert_eq!(survey([skipped.clone(), skipped]), expected);
    }

    #[test]
    fn pods_of_jobs_are_stale_only_without_any_sidecar() {
        let of_job = |has, wants| {
            let mut pod = pod("nightly", has, wants);
            "Job".clone_into(&mut pod.owner.kind);
            pod
        };
        let found = survey([
            of_job(Some("b"), Ok("a")),
            of_job(Some("a"), Err("no tenant")),
            of_job(None, Ok("a")),
        ]);
        assert_eq!(found.by_reason, BTreeMap::from([(Reason::Missing, 1)]));
    }

    #[test]
    fn the_words_name_the_mend() {
        let found = survey([
            pod("old", Some("b"), Ok("a")),
            pod("old", Some("b"), Ok("a")),
            pod("gone", Some("a"), Err("no tenant admits namespace shop")),
        ]);
        let messages: Vec<String> = found
            .owners
            .iter()
            .map(|((_, owner), told)| told.message(owner))
            .collect();
        assert_eq!(
            messages,
            [
                "A pod has a Mintage sidecar, but would not be admitted any more: no tenant admits namespace shop",
                "Each of 2 pods has another Mintage sidecar than it would get now: start it anew (kubectl rollout restart), or label it mintage.dev/inject: \"false\" if it is to have none",
            ]
        );
    }

    #[test]
    fn an_owner_is_told_once_an_hour() {
        let mut reminders = Reminders::default();
        let begun = Instant::now();
        let Pod { at, owner, .. } = pod("old", None, Ok("a"));
        let mut due = |reason, after: u64| {
            let now = begun + Duration::from_secs(after);
            reminders.forget_old(now);
            reminders.due(&at.namespace, &owner, reason, now)
        };
        assert!(due(Some(Reason::Missing), 0));
        assert!(!due(Some(Reason::Missing), 3599));
        assert!(due(Some(Reason::Outdated), 3599));
        assert!(due(None, 3599));
        assert!(due(Some(Reason::Missing), 3600));
        assert!(!due(None, 3600));
    }

    #[test]
    fn the_own_and_the_systems_namespaces_are_left_out() {
        let own = Namespace::parse("mintage-system").unwrap();
        let other = Namespace::parse("legacy").unwrap();
        let excluded = excluded(&own, std::slice::from_ref(&other));
        assert_eq!(excluded.len(), 5);
        assert!(excluded.contains(&own) && excluded.contains(&other));
    }
}
