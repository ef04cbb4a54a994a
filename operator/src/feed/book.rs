//! Who follows, what they go by, and what is newest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mintage_core::bundle::{self, Bundle};
use mintage_core::{Namespace, TenantRef, UnixTime};
use mintage_sidecar::feed::News;
use tokio::sync::watch;
use tokio::time::Instant;

/// A namespace under a tenant.
pub type Place = (TenantRef, Namespace);

/// What a stream is sent: the newest bundle. The stream ends when the sender is gone.
pub type Newest = watch::Receiver<Option<Arc<News>>>;

/// What a sidecar goes by, as it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The tenant of its bundle.
    pub tenant: TenantRef,
    /// The version.
    pub version: u64,
    /// When the content was last confirmed.
    pub renewed_at: UnixTime,
    /// Why a newer one is not used, if it says so.
    pub refused: Option<String>,
}

/// One pod's stream.
#[derive(Debug)]
struct Stream {
    /// Which of the pod's streams: a later one takes the place of an earlier one.
    number: u64,
    namespace: Namespace,
    standing: Option<Standing>,
    /// Since when it goes by the newest bundle, and how long that took it.
    took: Option<Duration>,
    newest: watch::Sender<Option<Arc<News>>>,
}

/// What is newest at a place.
#[derive(Debug)]
struct Told {
    version: u64,
    /// The bundle, once anybody has been behind.
    news: Option<Arc<News>>,
    since: Instant,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Book {
    last: u64,
    /// By the pods' UIDs.
    streams: HashMap<String, Stream>,
    by_place: BTreeMap<Place, BTreeSet<String>>,
    told: BTreeMap<Place, Told>,
}

/// Whether a plan is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// The bundle of somebody who is behind is not at hand.
    Plan,
    /// Nobody is behind, or what they lack is on its way.
    Nothing,
}

impl Book {
    /// Takes up a stream of a pod; an earlier one of the same pod ends.
    pub fn enter(&mut self, uid: &str, namespace: &Namespace) -> (u64, Newest) {
        self.remove(uid);
        self.last += 1;
        let (newest, receiver) = watch::channel(None);
        let stream = Stream {
            number: self.last,
            namespace: namespace.clone(),
            standing: None,
            took: None,
            newest,
        };
        self.streams.insert(uid.to_owned(), stream);
        (self.last, receiver)
    }

    /// Ends a stream, unless a later one of the same pod has taken its place.
    pub fn leave(&mut self, uid: &str, number: u64) {
        if self.streams.get(uid).is_some_and(|of| of.number == number) {
            self.remove(uid);
        }
    }

    /// Ends the streams of pods that are not among the living.
    pub fn keep_only(&mut self, lives: impl Fn(&str) -> bool) {
        let dead: Vec<String> = self
            .streams
            .keys()
            .filter(|uid| !lives(uid))
            .cloned()
            .collect();
        for uid in dead {
            self.remove(&uid);
        }
    }

    fn remove(&mut self, uid: &str) {
        let Some(stream) = self.streams.remove(uid) else {
            return;
        };
        if let Some(place) = stream.place()
            && let Some(uids) = self.by_place.get_mut(&place)
        {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_place.remove(&place);
            }
        }
    }

    /// Takes down what a stream reports.
    pub fn report(&mut self, uid: &str, number: u64, standing: Standing, now: Instant) -> Wanted {
        let Some(stream) = self.streams.get_mut(uid).filter(|of| of.number == number) else {
            return Wanted::Nothing;
        };
        let before = stream.place();
        stream.standing = Some(standing);
        let place = stream.place();
        if before != place {
            if let Some(uids) = before.and_then(|before| self.by_place.get_mut(&before)) {
                uids.remove(uid);
            }
            if let Some(place) = &place {
                let uids = self.by_place.entry(place.clone()).or_default();
                uids.insert(uid.to_owned());
            }
        }
        let told = place.and_then(|place| self.told.get(&place));
        told.map_or(Wanted::Nothing, |told| stream.bring(told, now))
    }

    /// Takes up what is newest, and sends it to those who are behind.
    pub fn publish<'a>(
        &mut self,
        bundles: impl Iterator<Item = (&'a Place, &'a Bundle)>,
        now: Instant,
    ) {
        for (place, bundle) in bundles {
            let told = self.told.entry(place.clone()).or_insert_with(|| Told {
                version: bundle.version,
                news: None,
                since: now,
            });
            if told.version != bundle.version {
                *told = Told {
                    version: bundle.version,
                    news: None,
                    since: now,
                };
            }
            for uid in self.by_place.get(place).into_iter().flatten() {
                let Some(stream) = self.streams.get_mut(uid) else {
                    continue;
                };
                if stream.bring(told, now) == Wanted::Plan {
                    // A bundle that is too large is said elsewhere: in the tenant's status.
                    let Ok(shards) = bundle::split(bundle) else {
                        continue;
                    };
                    let version = bundle.version;
                    told.news = Some(Arc::new(News { version, shards }));
                    stream.bring(told, now);
                }
            }
        }
    }

    /// Forgets the places that are told nothing any more.
    pub fn forget(&mut self, is_told: impl Fn(&Place) -> bool) {
        self.told.retain(|place, _| is_told(place));
    }

    /// How many there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// What a pod's sidecar goes by, if it follows and has said so.
    pub fn standing(&self, uid: &str) -> Option<&Standing> {
        self.streams.get(uid)?.standing.as_ref()
    }

    /// How long a pod's sidecar took to go by the newest bundle, if it does.
    pub fn took(&self, uid: &str) -> Option<Duration> {
        self.streams.get(uid)?.took
    }

    /// The highest version that any namespace of a tenant was told.
    pub fn newest_of(&self, tenant: &TenantRef) -> u64 {
        let told = self.told.iter().filter(|((of, _), _)| of == tenant);
        told.map(|(_, told)| told.version).max().unwrap_or_default()
    }

    /// The newest version at a place.
    pub fn newest(&self, place: &Place) -> Option<u64> {
        self.told.get(place).map(|told| told.version)
    }
}

impl Stream {
    fn place(&self) -> Option<Place> {
        let standing = self.standing.as_ref()?;
        Some((standing.tenant.clone(), self.namespace.clone()))
    }

    /// Sends what is newest, unless the sidecar goes by it or has been sent it.
    fn bring(&mut self, told: &Told, now: Instant) -> Wanted {
        let version = self.standing.as_ref().map_or(0, |known| known.version);
        if version >= told.version {
            self.took.get_or_insert(now.duration_since(told.since));
            return Wanted::Nothing;
        }
        self.took = None;
        let sent = self.newest.borrow().as_ref().map(|news| news.version);
        if sent == Some(told.version) {
            return Wanted::Nothing;
        }
        match &told.news {
            Some(news) => {
                self.newest.send_replace(Some(Arc::clone(news)));
                Wanted::Nothing
            }
            None => Wanted::Plan,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use mintage_core::Uid;
    use mintage_core::bundle::Body;
    use mintage_core::sorted::SortedMap;

    use super::*;

    /// The place of all that is published here.
    pub fn place() -> Place {
        let tenant = TenantRef::parse("identity/acme").unwrap();
        (tenant, Namespace::parse("shop").unwrap())
    }

    fn bundle(version: u64) -> Bundle {
        let (tenant, namespace) = place();
        Bundle {
            version,
            renewed_at: UnixTime(1),
            body: Body {
                tenant,
                tenant_uid: Uid::parse("tenant").unwrap(),
                namespace,
                domain: mintage_core::Domain::parse("acme.example.com").unwrap(),
                domains: SortedMap::new(),
                max_age: 3600,
                default_audience: None,
                feed: None,
                endpoint: None,
                issue: Vec::new(),
                accept: Vec::new(),
                keys: Vec::new(),
            },
        }
    }

    /// The place is told this version.
    pub fn publish(book: &mut Book, version: u64) {
        let (place, bundle) = (place(), bundle(version));
        book.publish([(&place, &bundle)].into_iter(), Instant::now());
    }

    /// A stream says that its pod goes by a version, which was renewed at that second.
    pub fn report(book: &mut Book, uid: &str, number: u64, version: u64) -> Wanted {
        let standing = Standing {
            tenant: place().0,
            version,
            renewed_at: UnixTime(version.cast_signed()),
            refused: None,
        };
        book.report(uid, number, standing, Instant::now())
    }

    fn sent(newest: &Newest) -> Option<u64> {
        newest.borrow().as_ref().map(|news| news.version)
    }

    #[tokio::test]
    async fn whoever_is_behind_is_sent_what_is_newest_and_nobody_else() {
        let mut book = Book::default();
        publish(&mut book, 5);
        let (one, newest) = book.enter("one", &place().1);
        assert_eq!(report(&mut book, "one", one, 5), Wanted::Nothing);
        assert_eq!(sent(&newest), None);
        publish(&mut book, 6);
        assert_eq!(sent(&newest), Some(6));
        assert_eq!(book.took("one"), None);
        assert_eq!(report(&mut book, "one", one, 6), Wanted::Nothing);
        assert!(book.took("one").is_some());
        // Another one in the same namespace is brought what is at hand.
        let (other, newest) = book.enter("other", &place().1);
        assert_eq!(report(&mut book, "other", other, 5), Wanted::Nothing);
        assert_eq!(sent(&newest), Some(6));
    }

    #[tokio::test]
    async fn a_plan_is_wanted_for_whoever_comes_with_an_older_bundle() {
        let mut book = Book::default();
        publish(&mut book, 5);
        let (one, newest) = book.enter("one", &place().1);
        assert_eq!(report(&mut book, "one", one, 4), Wanted::Plan);
        publish(&mut book, 5);
        assert_eq!(sent(&newest), Some(5));
        // It cannot use it and says so again: it is not sent again.
        assert_eq!(report(&mut book, "one", one, 4), Wanted::Nothing);
    }

    #[tokio::test]
    async fn a_report_before_anything_is_published_waits_for_it() {
        let mut book = Book::default();
        let (one, newest) = book.enter("one", &place().1);
        assert_eq!(report(&mut book, "one", one, 4), Wanted::Nothing);
        publish(&mut book, 5);
        assert_eq!(sent(&newest), Some(5));
    }

    #[tokio::test]
    async fn a_namespace_is_sent_its_own_bundle_whatever_is_reported() {
        let mut book = Book::default();
        publish(&mut book, 5);
        let (spy, newest) = book.enter("spy", &Namespace::parse("other").unwrap());
        assert_eq!(report(&mut book, "spy", spy, 1), Wanted::Nothing);
        publish(&mut book, 6);
        assert_eq!(sent(&newest), None);
    }

    #[tokio::test]
    async fn a_place_that_is_told_nothing_any_more_is_forgotten() {
        let mut book = Book::default();
        publish(&mut book, 5);
        assert_eq!(book.newest(&place()), Some(5));
        assert_eq!(book.newest_of(&place().0), 5);
        book.forget(|_| true);
        assert_eq!(book.newest(&place()), Some(5));
        book.forget(|_| false);
        assert_eq!(book.newest(&place()), None);
        assert_eq!(book.newest_of(&place().0), 0);
    }

    #[tokio::test]
    async fn a_later_stream_of_a_pod_takes_the_place_of_the_earlier_one() {
        let mut book = Book::default();
        publish(&mut book, 5);
        let (first, mut newest) = book.enter("one", &place().1);
        report(&mut book, "one", first, 5);
        let (second, _kept) = book.enter("one", &place().1);
        assert!(newest.changed().await.is_err(), "the first one ends");
        report(&mut book, "one", second, 5);
        // What the first one says or leaves behind counts no more.
        report(&mut book, "one", first, 9);
        book.leave("one", first);
        assert_eq!(book.streams(), 1);
        assert_eq!(book.standing("one").unwrap().version, 5);
        book.leave("one", second);
        assert_eq!(book.streams(), 0);
        assert!(book.by_place.is_empty());
    }

    #[tokio::test]
    async fn streams_of_the_dead_end() {
        let mut book = Book::default();
        let (_, mut newest) = book.enter("one", &place().1);
        let (_, _other) = book.enter("other", &place().1);
        book.keep_only(|uid| uid == "other");
        assert!(newest.changed().await.is_err());
        assert_eq!(book.streams(), 1);
    }
}
