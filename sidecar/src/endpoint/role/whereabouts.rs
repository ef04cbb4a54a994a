//! Where the store is, and the file that says so while the password of a database changes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{Digest, SHA256, digest};
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::endpoint::store::{Place, Store};

/// How often the file is read. Kubelet takes longer to bring a new one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A place, as it was said last; `None` until it was.
pub struct Whereabouts {
    place: Option<Place>,
    file: Option<File>,
}

struct File {
    path: PathBuf,
    /// SHA-256 of what was read last, whether it was a place or not; `None` if nothing was.
    read: Option<Digest>,
}

impl Whereabouts {
    /// Said once and for all.
    pub fn said(place: Place) -> Self {
        Self {
            place: Some(place),
            file: None,
        }
    }

    /// As a file says. It comes with a Secret, which may be made later.
    pub fn read(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read.with_context(|| path.display().to_string())?),
        };
        let text = text.map(Zeroizing::new);
        // What it is is not repeated: it may have a password.
        let place = text.as_ref().map(|text| text.trim().parse()).transpose();
        let place = place.with_context(|| path.display().to_string())?;
        let read = text.as_deref().map(|text| digest(&SHA256, text.as_bytes()));
        let path = path.to_owned();
        Ok(Self {
            place,
            file: Some(File { path, read }),
        })
    }

    /// The place.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Reads the file again; whether it says something else, which is a place. Else what was said before counts.
    pub fn look_again(&mut self) -> bool {
        let Some(file) = &mut self.file else {
            return false;
        };
        // A file that is not there for a moment has not changed.
        let Ok(text) = fs::read_to_string(&file.path).map(Zeroizing::new) else {
            return false;
        };
        let read = digest(&SHA256, text.as_bytes());
        let before = file.read.replace(read);
        if before.is_some_and(|before| before.as_ref() == read.as_ref()) {
            return false;
        }
        match text.trim().parse() {
            Ok(place) => {
                self.place = Some(place);
                true
            }
            Err(error) => {
                let path = file.path.display();
                tracing::error!(event = "store-file-unreadable", %path, %error, "what it said before counts");
                false
            }
        }
    }

    /// Has a store take up what the file says, now and then. It never ends by itself.
    pub async fn follow(mut self, store: Arc<dyn Store>) {
        loop {
            sleep(LOOK_EVERY).await;
            if !self.look_again() {
                continue;
            }
            let Some(place) = &self.place else { continue };
            match store.take_up(place) {
                Ok(()) => tracing::info!(
                    event = "store-file-read",
                    "new connections go by what it says now"
                ),
                Err(error) => tracing::error!(event = "store-moved", %error),
            }
        }
    }
}
