//! Whose turn it is. Namespaces take turns, whatever each of them has waiting, and none may have more than its share
//! under way: one with ten thousand domains, or with hosts that never answer, delays nobody but itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use mintage_core::{Namespace, ObjectName, ObjectRef};

/// How much is under way at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// For one namespace.
    pub namespace: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: 16,
            namespace: 4,
        }
    }
}

/// The objects that wait for a check, each until its time.
#[derive(Debug, Default)]
pub struct Queue {
    limits: Limits,
    lanes: BTreeMap<Namespace, Lane>,
    running: usize,
    /// The namespace that was served last.
    last: Option<Namespace>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeSet<(Duration, ObjectName)>,
    running: usize,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Lets an object wait until a moment.
    pub fn put(&mut self, at: &ObjectRef, until: Duration) {
        let lane = self.lanes.entry(at.namespace.clone()).or_default();
        lane.waiting.insert((until, at.name.clone()));
    }

    /// Takes back what [`Self::put`] did.
    pub fn remove(&mut self, at: &ObjectRef, until: Duration) {
        if let Some(lane) = self.lanes.get_mut(&at.namespace) {
            lane.waiting.remove(&(until, at.name.clone()));
            self.sweep(&at.namespace);
        }
    }

    /// The next object whose time has come; it counts as under way until [`Self::done`].
    pub fn take(&mut self, now: Duration) -> Option<ObjectRef> {
        if self.running >= self.limits.total {
            return None;
        }
        let is_due = |(_, lane): &(&Namespace, &Lane)| {
            lane.next(self.limits).is_some_and(|next| next <= now)
        };
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut around = self
            .lanes
            .range::<Namespace, _>((after, Bound::Unbounded))
            .chain(&self.lanes);
        let namespace = around.find(is_due)?.0.clone();
        let lane = self.lanes.get_mut(&namespace)?;
        let (_, name) = lane.waiting.pop_first()?;
        lane.running += 1;
        self.running += 1;
        self.last = Some(namespace.clone());
        Some(ObjectRef::new(namespace, name))
    }

    /// A check in a namespace has ended.
    pub fn done(&mut self, namespace: &Namespace) {
        if let Some(lane) = self.lanes.get_mut(namespace) {
            lane.running -= 1;
            self.running -= 1;
            self.sweep(namespace);
        }
    }

    /// When [`Self::take`] will have something, if nothing else changes.
    pub fn next(&self) -> Option<Duration> {
        if self.running >= self.limits.total {
            return None;
        }
        self.lanes
            .values()
            .filter_map(|lane| lane.next(self.limits))
            .min()
    }

    fn sweep(&mut self, namespace: &Namespace) {
        let is_idle = |lane: &Lane| lane.waiting.is_empty() && lane.running == 0;
        if self.lanes.get(namespace).is_some_and(is_idle) {
            self.lanes.remove(namespace);
        }
    }
}

impl Lane {
    fn next(&self, limits: Limits) -> Option<Duration> {
        let (until, _) = self.waiting.first()?;
        (self.running < limits.namespace).then_some(*until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> ObjectRef {
        ObjectRef::parse(text).unwrap()
    }

    fn taken(queue: &mut Queue, now: u64) -> Vec<String> {
        let now = Duration::from_secs(now);
        std::iter::from_fn(|| queue.take(now))
            .map(|at| at.to_string())
            .collect()
    }

    #[test]
    fn nothing_before_its_time() {
        let mut queue = Queue::default();
        queue.put(&at("a/one"), Duration::from_secs(5));
        assert_eq!(queue.next(), Some(Duration::from_secs(5)));
        assert_eq!(taken(&mut queue, 4), Vec::<String>::new());
        assert_eq!(taken(&mut queue, 5), ["a/one"]);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn namespaces_take_turns() {
        let mut queue = Queue::new(Limits {
            total: 7,
            namespace: 3,
        });
        for number in 0..9 {
            queue.put(&at(&format!("a/x{number}")), Duration::ZERO);
        }
        for late in ["b/x", "c/x", "c/y"] {
            // Later than all of the others, and served before most of them.
            queue.put(&at(late), Duration::from_secs(1));
        }
        let first = taken(&mut queue, 1);
        assert_eq!(first, ["a/x0", "b/x", "c/x", "a/x1", "c/y", "a/x2"]);
        assert_eq!(queue.next(), None, "a has all that it may have under way");
        queue.done(&at("a/x0").namespace);
        assert_eq!(taken(&mut queue, 1), ["a/x3"]);
    }

    #[test]
    fn what_is_under_way_has_a_limit() {
        let mut queue = Queue::new(Limits {
            total: 2,
            namespace: 2,
        });
        for namespace in ["a", "b", "c"] {
            queue.put(&at(&format!("{namespace}/x")), Duration::ZERO);
        }
        assert_eq!(taken(&mut queue, 0), ["a/x", "b/x"]);
        assert_eq!(queue.next(), None);
        queue.done(&at("b/x").namespace);
        assert_eq!(queue.next(), Some(Duration::ZERO));
        assert_eq!(taken(&mut queue, 0), ["c/x"]);
    }

    #[test]
    fn nothing_stays_of_what_is_gone() {
        let mut queue = Queue::default();
        queue.put(&at("a/x"), Duration::ZERO);
        queue.put(&at("b/x"), Duration::ZERO);
        queue.remove(&at("a/x"), Duration::ZERO);
        assert_eq!(taken(&mut queue, 0), ["b/x"]);
        queue.done(&at("b/x").namespace);
        assert!(queue.lanes.is_empty() && queue.running == 0, "{queue:?}");
    }
}
