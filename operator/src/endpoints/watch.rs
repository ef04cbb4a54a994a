//! What others do to the objects of endpoints, and how their pods fare, as the watches show it.

use std::future::ready;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{SelectAll, StreamExt as _};
use futures::{TryStreamExt as _, stream::BoxStream};
use kube::core::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::Notify;

use super::Kind;
use super::objects::LABEL;
use crate::api::shown;
use crate::pauses::Pauses;

/// Something that a watch shows.
#[derive(Debug)]
pub struct Seen {
    /// The kind of the object.
    pub kind: Kind,
    /// As it is, or was last.
    pub object: DynamicObject,
    /// Whether it is gone.
    pub gone: bool,
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
            tracing::warn!(event = "watch-failed", kind = kind.name(), error = %shown(error), "trying again");
        });
    let read = move |event: watcher::Result<Event<DynamicObject>>| {
        let (object, gone) = match event.ok()? {
            Event::Apply(object) | Event::InitApply(object) => (object, false),
            Event::Delete(object) => (object, true),
            Event::Init | Event::InitDone => return None,
        };
        Some(Seen { kind, object, gone })
    };
    events.filter_map(move |event| ready(read(event))).boxed()
}
