//! What others do to the Secrets that the operator made, as the watch shows it. Metadata only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use mintage_core::managed;
use tokio::sync::Notify;

use crate::api::{Version, shown};
use crate::pauses::Pauses;
use crate::secrets::Place;

/// The Secrets of which there is news: the version that was seen last, or `None` for one that is gone.
pub type News = BTreeMap<Place, Option<Version>>;

/// Collects the news until somebody asks for them.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<News>,
    arrived: Notify,
}

impl Drift {
    /// The news since the last call.
    pub fn take(&self) -> News {
        let mut news = self
            .shared
            .news
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut news)
    }

    /// Puts news back that could not be dealt with, unless there is newer.
    pub fn put_back(&self, place: Place, seen: Option<Version>) {
        let mut news = self
            .shared
            .news
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        news.entry(place).or_insert(seen);
    }

    /// Resolves when there is news.
    pub async fn arrived(&self) {
        self.shared.arrived.notified().await;
    }

    fn add(&self, place: Place, seen: Option<Version>) {
        let mut news = self
            .shared
            .news
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        news.insert(place, seen);
        drop(news);
        self.shared.arrived.notify_one();
    }
}

/// Watches. Resolves the first future once it has listed: what is read after that and changes later is noticed.
pub fn start(client: &Client) -> (Drift, impl Future<Output = ()> + use<>, Arc<Notify>) {
    let drift = Drift::default();
    let listed = Arc::new(Notify::new());
    let config = watcher::Config::default()
        .labels(managed::LABEL)
        .timeout(290);
    let stream = watcher::watcher(
        Api::<PartialObjectMeta<Secret>>::all(client.clone()),
        config,
    )
    .backoff(Pauses::new());
    let mut stream = stream
        .inspect_err(|error| {
            tracing::warn!(event = "watch-failed", kind = "Secret", error = %shown(error), "trying again");
        })
        .boxed();
    let (mine, ready) = (drift.clone(), Arc::clone(&listed));
    let run = async move {
        let mut known: BTreeMap<Place, Version> = BTreeMap::new();
        let mut listing = BTreeMap::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Apply(secret)) => {
                    if let Some((place, version)) = read(secret) {
                        known.insert(place.clone(), version.clone());
                        mine.add(place, Some(version));
                    }
                }
                Ok(Event::Delete(secret)) => {
                    if let Some((place, _)) = read(secret) {
                        known.remove(&place);
                        mine.add(place, None);
                    }
                }
                Ok(Event::Init) => listing.clear(),
                Ok(Event::InitApply(secret)) => listing.extend(read(secret)),
                Ok(Event::InitDone) => {
                    let now = std::mem::take(&mut listing);
                    let before = std::mem::replace(&mut known, now);
                    for (place, version) in &known {
                        if before.get(place) != Some(version) {
                            mine.add(place.clone(), Some(version.clone()));
                        }
                    }
                    for place in before
                        .into_keys()
                        .filter(|place| !known.contains_key(place))
                    {
                        mine.add(place, None);
                    }
                    ready.notify_one();
                }
                Err(_) => {}
            }
        }
    };
    (drift, run, listed)
}

fn read(secret: PartialObjectMeta<Secret>) -> Option<(Place, Version)> {
    let ObjectMeta {
        namespace,
        name,
        uid,
        resource_version,
        ..
    } = secret.metadata;
    let version = Version {
        uid: uid?,
        resource_version: resource_version?,
    };
    Some(((namespace?, name?), version))
}
