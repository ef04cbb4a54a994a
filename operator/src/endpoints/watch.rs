//! What others do to the objects of endpoints, and how their pods fare, as the watches show it.

use std::collections::BTreeSet;
use std::future::ready;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{SelectAll, StreamExt as _};
use futures::{TryStreamExt as _, stream::BoxStream};
use kube::core::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::Notify;

use super::Kind;
use super::objects::LABEL;
use crate::api::shown;
use crate::pauses::Pauses;

/// Something that a watch shows.
#[derive(Debug)]
pub enum Seen {
    /// An object as it is.
    There(Kind, DynamicObject),
    /// An object as it was last.
    Gone(Kind, DynamicObject),
    /// The UIDs of all that there are of a kind: what was deleted while nobody watched is not among them.
    Listed(Kind, BTreeSet<String>),
}

/// Collects what is seen until somebody asks for it.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    arrived: Notify,
}

impl Changes {
    /// What was seen since the last call.
    pub fn take(&self) -> Vec<Seen> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut seen)
    }

    /// Resolves when something was seen.
    pub async fn arrived(&self) {
        self.0.arrived.notified().await;
    }

    fn add(&self, seen: Seen) {
        let mut all = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(seen);
        drop(all);
        self.0.arrived.notify_one();
    }
}

/// Watches. The future never ends by itself.
pub fn start(client: &Client, kinds: &[Kind]) -> (Changes, impl Future<Output = ()> + use<>) {
    let changes = Changes::default();
    let mut streams: SelectAll<BoxStream<'static, Seen>> = SelectAll::new();
    for &kind in kinds {
        streams.push(watch(client, kind));
    }
    let mine = changes.clone();
    let run = async move {
        while let Some(seen) = streams.next().await {
            mine.add(seen);
        }
    };
    (changes, run)
}

fn watch(client: &Client, kind: Kind) -> BoxStream<'static, Seen> {
    let resource = kind.resource();
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let config = watcher::Config::default().labels(LABEL).timeout(290);
    let events = watcher::watcher(api, config)
        .backoff(Pauses::new())
        .inspect_err(move |error| {
            if kind.is_foreign() && is_missing(error) {
                // Whoever asks for one is told so; here it would be said every few seconds.
                tracing::debug!(event = "watch-failed", kind = kind.name(), error = %shown(error));
            } else {
                tracing::warn!(event = "watch-failed", kind = kind.name(), error = %shown(error), "trying again");
            }
        });
    let mut reader = Reader::new(kind);
    events
        .filter_map(move |event| ready(event.ok().and_then(|event| reader.read(event))))
        .boxed()
}

/// Whether there is nothing of a kind to watch, or it is not this operator's to see.
fn is_missing(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) =
        error
    else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if [403, 404].contains(&status.code))
}

/// Reads the events of one kind.
struct Reader {
    kind: Kind,
    listing: BTreeSet<String>,
}

impl Reader {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            listing: BTreeSet::new(),
        }
    }

    fn read(&mut self, event: Event<DynamicObject>) -> Option<Seen> {
        match event {
            Event::Apply(object) => Some(Seen::There(self.kind, object)),
            Event::Delete(object) => Some(Seen::Gone(self.kind, object)),
            Event::Init => {
                self.listing.clear();
                None
            }
            Event::InitApply(object) => {
                self.listing.extend(object.uid());
                Some(Seen::There(self.kind, object))
            }
            Event::InitDone => Some(Seen::Listed(self.kind, mem::take(&mut self.listing))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str) -> DynamicObject {
        let object = json!({"metadata": {"name": uid, "uid": uid}});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_list_says_what_there_is_and_so_what_is_gone() {
        let mut reader = Reader::new(Kind::Service);
        let listing = [
            Event::Init,
            Event::InitApply(object("a")),
            // It was broken off.
            Event::Init,
            Event::InitApply(object("b")),
            Event::InitDone,
            Event::Delete(object("b")),
            Event::Init,
            Event::InitDone,
        ];
        let seen: Vec<Seen> = listing
            .into_iter()
            .filter_map(|event| reader.read(event))
            .collect();
        let lists = seen.iter().filter_map(|seen| match seen {
            Seen::Listed(_, there) => Some(there.iter().map(String::as_str).collect()),
            _ => None,
        });
        assert_eq!(lists.collect::<Vec<Vec<_>>>(), [vec!["b"], vec![]]);
        assert!(matches!(seen[3], Seen::Gone(Kind::Service, _)));
    }
}
