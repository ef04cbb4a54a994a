//! Observe: watches of everything that a plan depends on, put together to one [`Snapshot`] after the other.
//!
//! ```text
//!  Tenants, ApiAudiences, Applications, CustomDomains ─┐
//!  Namespaces, Pods (metadata only) ───────────────────┤
//!  those with a sidecar that run ──────────────────────┴─► Index ─► settle 100 ms ─► Snapshot
//! ```
//!
//! Whether a pod runs stands in its status, which is never read: the API server selects those that do.
//!
//! Each watch lists anew when the API server forgets where it was (410 Gone) or after an error, with jittered backoff;
//! what the list no longer has is gone. Nothing is published until every watch has listed once.

mod index;
mod parsed;
mod pods;
mod seen;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use mintage_crds::{ApiAudience, Application, CustomDomain, Tenant};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::inject;
use crate::pauses::Pauses;
use crate::snapshot::Snapshots;
pub use parsed::VERIFIED;

use index::Index;

/// How the watches are taken together.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Changes are often several events; they are waited for this long.
    pub settle: Duration,
    /// How long a namespace counts as opted in after its last pod that asked for a sidecar is gone: a Job that comes
    /// back in between finds its namespace's keys still there.
    pub linger: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(100),
            linger: Duration::from_mins(10),
        }
    }
}

/// An event of one of the watches.
enum Seen {
    /// It is by far the largest of them.
    Tenant(Box<watcher::Event<Tenant>>),
    Audience(watcher::Event<ApiAudience>),
    Application(watcher::Event<Application>),
    Domain(watcher::Event<CustomDomain>),
    Namespace(watcher::Event<kube::core::PartialObjectMeta<Namespace>>),
    Pod(watcher::Event<kube::core::PartialObjectMeta<Pod>>),
    Running(watcher::Event<kube::core::PartialObjectMeta<Pod>>),
}

/// Starts to watch. The future is to be run for as long as snapshots are wanted; it never ends by itself.
pub fn start(client: &Client, settings: Settings) -> (Snapshots, impl Future<Output = ()> + use<>) {
    let (sender, snapshots) = watch::channel(None);
    let mut streams: SelectAll<BoxStream<'static, Seen>> = SelectAll::new();
    streams.push(objects(client, config(), |event| {
        Seen::Tenant(Box::new(event))
    }));
    streams.push(objects(client, config(), Seen::Audience));
    streams.push(objects(client, config(), Seen::Application));
    streams.push(objects(client, config(), Seen::Domain));
    streams.push(objects(client, config(), Seen::Namespace));
    streams.push(objects(client, config(), Seen::Pod));
    streams.push(objects(client, running(), Seen::Running));
    (snapshots, run(streams, settings, sender))
}

async fn run(
    mut streams: SelectAll<BoxStream<'static, Seen>>,
    settings: Settings,
    sender: watch::Sender<Option<Arc<crate::snapshot::Snapshot>>>,
) {
    let mut index = Index::new(settings.linger);
    let mut due: Option<Instant> = None;
    loop {
        let wait = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            seen = streams.next() => {
                let Some(seen) = seen else { return };
                if index.take(seen) {
                    due = Some(sooner(due, Instant::now() + settings.settle));
                }
            }
            () = wait => {
                let now = Instant::now();
                if let Some(snapshot) = index.publish(now) {
                    sender.send_replace(Some(Arc::new(snapshot)));
                }
                due = index.next_due();
            }
        }
    }
}

fn sooner(known: Option<Instant>, other: Instant) -> Instant {
    known.map_or(other, |known| known.min(other))
}

/// Objects of one kind; as `PartialObjectMeta`, their metadata only: a tenth of the memory, and nothing that could be
/// secret.
fn objects<K>(
    client: &Client,
    config: watcher::Config,
    wrap: fn(watcher::Event<K>) -> Seen,
) -> BoxStream<'static, Seen>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let stream = watcher(Api::<K>::all(client.clone()), config);
    cared_for(stream).map(wrap).boxed()
}

/// Under the five minutes after which an idle connection is dropped by what stands in between.
fn config() -> watcher::Config {
    watcher::Config::default().timeout(290)
}

/// The pods with a sidecar that run: the API server looks into their statuses for us.
fn running() -> watcher::Config {
    let label = format!("{}=true", inject::INJECTED);
    config().fields("status.phase=Running").labels(&label)
}

/// Retries with jittered backoff, and says what goes wrong.
fn cared_for<K>(
    stream: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
) -> BoxStream<'static, watcher::Event<K>>
where
    K: Resource<DynamicType = ()> + Send + 'static,
{
    let stream = stream.backoff(Pauses::new()).inspect_err(|error| {
        let kind = K::kind(&());
        tracing::warn!(event = "watch-failed", %kind, error = %crate::api::shown(error), "trying again");
    });
    // An error is followed by a new list: what was missed meanwhile is in it.
    stream.filter_map(async |event| event.ok()).boxed()
}
