//! Loads a folder, and again whenever it changes or the operator sends a newer bundle. A set of files that cannot be used
//! leaves the last good one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::feed::{Inlet, Pushed, Standing};
use crate::files::Files;
use crate::metrics::Metrics;
use crate::state::{Identity, LoadError, Shared};

/// The folder is looked at this often even if nobody says that it changed.
const POLL: Duration = Duration::from_secs(5);

/// A change is often several events; they are waited for this long.
const SETTLE: Duration = Duration::from_millis(50);

/// Keeps a folder loaded.
pub struct Reloader {
    dir: PathBuf,
    identity: Identity,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    loaded: Option<Files>,
    feed: Option<Inlet>,
    /// The bundle that came by the stream, while it is newer than the folder's.
    pushed: Option<Arc<Pushed>>,
    /// Why the last one that came is not used.
    refused: Option<String>,
}

impl Reloader {
    /// For a folder that is not loaded yet.
    pub fn new(dir: &Path, identity: Identity, shared: Arc<Shared>, metrics: Arc<Metrics>) -> Self {
        Self {
            dir: dir.to_owned(),
            identity,
            shared,
            metrics,
            loaded: None,
            feed: None,
            pushed: None,
            refused: None,
        }
    }

    /// The same with the operator's stream.
    #[must_use]
    pub fn fed(mut self, feed: Inlet) -> Self {
        self.feed = Some(feed);
        self
    }

    /// Loads now, and then whenever the folder changes; never returns. Parsing keys takes time, so it is done beside
    /// the workers that answer requests.
    pub async fn run(mut self) {
        let (notice, mut notices) = mpsc::channel(1);
        // kubelet swaps the link `..data`: the folder is watched, since a watched file would be the old one for ever.
        let notify = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| may_be_a_change(event.kind)) {
                // A full channel says already that something changed.
                notice.try_send(()).ok();
            }
        });
        let watcher = notify.and_then(|mut watcher| {
            watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!(event = "watch-failed", %error, "the folder is polled only");
        }
        loop {
            let look = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match look.await {
                Ok(back) => back,
                Err(error) => {
                    // It is cancelled when the process ends meanwhile, and that is nothing to report.
                    if error.is_panic() {
                        tracing::error!(
                            event = "reload-ended",
                            "loading panicked; the last good bundle stays"
                        );
                    }
                    return;
                }
            };
            let pushed = async {
                if let Some(feed) = &mut self.feed
                    && feed.pushed.changed().await.is_ok()
                {
                    // It is taken by the look.
                    feed.pushed.mark_changed();
                } else {
                    // Nothing will come any more.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = pushed => {}
                notice = timeout(POLL, notices.recv()) => {
                    if let Ok(Some(())) = notice {
                        sleep(SETTLE).await;
                        while notices.try_recv().is_ok() {}
                    } else if watcher.is_err() {
                        // Without a watcher the channel is closed and would not wait.
                        sleep(POLL).await;
                    }
                }
            }
        }
    }

    /// Loads what is newest, of the folder and of what the operator sent, if that differs from what is loaded.
    pub fn look(&mut self) {
        let arrived = self.feed.as_mut().and_then(|feed| {
            let has_arrived = feed.pushed.has_changed().unwrap_or_default();
            has_arrived.then(|| feed.pushed.borrow_and_update().clone())?
        });
        match Files::read(&self.dir) {
            Ok(files) => self.look_at(files, arrived),
            Err(error) => self.complain(&error.to_string()),
        }
        self.tell();
    }

    fn look_at(&mut self, files: Files, arrived: Option<Arc<Pushed>>) {
        let mounted = files.bundle_version();
        let is_newer =
            |pushed: &Arc<Pushed>| mounted.is_none_or(|mounted| mounted < pushed.version);
        self.pushed = self.pushed.take().filter(is_newer);
        if let Some(pushed) = arrived.filter(is_newer) {
            match self.load(with(&files, &pushed)) {
                Ok(()) => {
                    self.refused = None;
                    self.pushed = Some(pushed);
                    return;
                }
                Err(error) => self.refused = Some(error.to_string()),
            }
        }
        // What is wrong with the rest of the files is said below.
        if let Some(pushed) = &self.pushed
            && self.load(with(&files, &Arc::clone(pushed))).is_ok()
        {
            return;
        }
        if let Err(error) = self.load(files) {
            self.complain(&error.to_string());
        }
    }

    fn load(&mut self, files: Files) -> Result<(), LoadError> {
        if self.loaded.as_ref() == Some(&files) {
            // What was wrong in between is mended; it is news if it comes again.
            self.shared.complain(None);
            return Ok(());
        }
        self.shared.load(&files, &self.identity)?;
        self.metrics.count_reload("loaded");
        self.loaded = Some(files);
        self.say_loaded();
        Ok(())
    }

    /// Says what the sidecar goes by.
    fn tell(&self) {
        let (Some(feed), Some(loaded)) = (&self.feed, self.shared.current()) else {
            return;
        };
        let standing = Standing {
            tenant: Some(loaded.bundle.body.tenant.clone()),
            version: loaded.bundle.version,
            renewed_at: loaded.bundle.renewed_at,
            refused: self.refused.clone(),
            feed: loaded.bundle.body.feed.clone(),
        };
        feed.standing.send_if_modified(|known| {
            let is_new = *known != standing;
            *known = standing;
            is_new
        });
    }

    fn say_loaded(&self) {
        let Some(loaded) = self.shared.current() else {
            return;
        };
        tracing::info!(
            event = "bundle-loaded",
            version = loaded.bundle.version,
            tenant = %loaded.bundle.body.tenant,
            workload = %self.identity.workload,
        );
        if let Err(reason) = &loaded.accepted {
            tracing::info!(event = "no-audience-accepted", %reason);
        }
    }

    /// Logs a complaint, unless it is the last one again.
    fn complain(&self, complaint: &str) {
        if self
            .shared
            .complaint()
            .is_some_and(|last| *last == complaint)
        {
            return;
        }
        self.metrics.count_reload("refused");
        let kept = self.shared.current().map(|loaded| loaded.bundle.version);
        tracing::warn!(
            event = "bundle-refused",
            reason = complaint,
            kept_version = kept
        );
        self.shared.complain(Some(complaint.to_owned()));
    }
}

/// The same files with the bundle that came by the stream.
fn with(files: &Files, pushed: &Pushed) -> Files {
    let mut newer = files.clone();
    newer.replace_bundle(&pushed.shards);
    newer
}

/// Whether files may differ after an event. Opening and reading change nothing, and the reloader itself does both:
/// taken for changes they would have it look again, and again.
fn may_be_a_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::EventKind;
    use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};

    use super::may_be_a_change;

    #[test]
    fn reading_is_no_change() {
        for access in [
            AccessKind::Any,
            AccessKind::Read,
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
        ] {
            assert!(!may_be_a_change(EventKind::Access(access)), "{access:?}");
        }
    }

    #[test]
    fn whatever_writes_may_be_a_change() {
        for kind in [
            EventKind::Any,
            EventKind::Other,
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::Any),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Remove(RemoveKind::Any),
        ] {
            assert!(may_be_a_change(kind), "{kind:?}");
        }
    }
}
