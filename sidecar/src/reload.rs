//! Loads a folder, and again whenever it changes. A set of files that cannot be used leaves the last good one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::files::Files;
use crate::metrics::Metrics;
use crate::state::{Identity, Shared};

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
        }
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
            if let Ok(Some(())) = timeout(POLL, notices.recv()).await {
                sleep(SETTLE).await;
                while notices.try_recv().is_ok() {}
            } else if watcher.is_err() {
                // Without a watcher the channel is closed and would not wait.
                sleep(POLL).await;
            }
        }
    }

    /// Loads the folder if it differs from what is loaded.
    pub fn look(&mut self) {
        let files = match Files::read(&self.dir) {
            Ok(files) => files,
            Err(error) => return self.complain(&error.to_string()),
        };
        if self.loaded.as_ref() == Some(&files) {
            // What was wrong in between is mended; it is news if it comes again.
            self.shared.complain(None);
            return;
        }
        match self.shared.load(&files, &self.identity) {
            Ok(()) => {
                self.metrics.count_reload("loaded");
                self.loaded = Some(files);
                self.say_loaded();
            }
            Err(error) => self.complain(&error.to_string()),
        }
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
