//! What kubelet's cache does to the volume of a pod: each Secret arrives by itself, some time after it was written.
//!
//! ```text
//!  keyring  ──► wait ──┐
//!  bundle-0 ──► wait ──┼──► what has arrived ──► the folder, all files swapped at once
//!  bundle-1 ──► wait ──┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mintage_core::bundle::{Bundle, MAX_SHARDS, join};
use mintage_core::keyring::Schedule;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::volume::{Files, Volume};

/// The time between two looks at the Secrets; a Secret may wait that much longer.
const LOOK: Duration = Duration::from_millis(100);

/// Feeds the folder of one pod; it ends with this value.
pub struct Feed {
    dir: PathBuf,
    bundles: Arc<Mutex<BTreeMap<u64, BTreeSet<String>>>>,
    task: JoinHandle<Result<()>>,
}

/// One Secret.
#[derive(Default)]
struct Source {
    /// What the API has, as it was last seen.
    seen: Files,
    /// What is on its way, and when it is there.
    coming: Vec<(Instant, Files)>,
    /// What has arrived.
    here: Files,
}

impl Feed {
    /// Brings a folder to what its Secrets hold, as kubelet does before a pod starts; from then on each change of each
    /// Secret waits for a time of its own, which is at most `longest`.
    pub async fn start(mut volume: Volume, longest: Duration, seed: u64) -> Result<Self> {
        let mut sources = BTreeMap::new();
        for (name, files) in volume.secrets().await? {
            let source = Source {
                seen: files.clone(),
                here: files,
                coming: Vec::new(),
            };
            sources.insert(name, source);
        }
        volume.write(all(&sources))?;
        let bundles = Arc::new(Mutex::new(BTreeMap::new()));
        note(&bundles, &all(&sources));
        let (dir, told) = (volume.dir().to_owned(), Arc::clone(&bundles));
        let task = tokio::spawn(async move {
            let mut dice = Dice::new(seed);
            loop {
                sleep(LOOK).await;
                let secrets = volume.secrets().await?;
                look(&mut sources, secrets, Instant::now(), longest, &mut dice);
                let files = all(&sources);
                // Before the folder: what a sidecar has loaded is known.
                note(&told, &files);
                volume.write(files)?;
            }
        });
        Ok(Self { dir, bundles, task })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The keys that a version of the bundle revokes, if the folder has had it.
    pub fn revoked_by(&self, version: u64) -> Option<BTreeSet<String>> {
        let bundles = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        bundles.get(&version).cloned()
    }

    /// Fails if the feeding has ended: what is fed no longer proves nothing.
    pub async fn goes_on(&mut self) -> Result<()> {
        if !self.task.is_finished() {
            return Ok(());
        }
        let ended = (&mut self.task).await?;
        let dir = self.dir.display();
        ended.with_context(|| format!("feeding {dir}"))?;
        bail!("feeding {dir} ended")
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends what changed on its way, and lets in what has arrived.
fn look(
    sources: &mut BTreeMap<String, Source>,
    mut secrets: BTreeMap<String, Files>,
    now: Instant,
    longest: Duration,
    dice: &mut Dice,
) {
    for name in secrets.keys() {
        sources.entry(name.clone()).or_default();
    }
    for (name, source) in sources {
        let files = secrets.remove(name).unwrap_or_default();
        if files != source.seen {
            source.seen.clone_from(&files);
            source.coming.push((now + dice.time(longest), files));
        }
        // What came later into the API is never followed by what came before, however long that took.
        if let Some(last) = source.coming.iter().rposition(|(due, _)| *due <= now) {
            let arrived = source.coming.drain(..=last).next_back();
            source.here = arrived.map(|(_, files)| files).unwrap_or_default();
        }
    }
}

fn all(sources: &BTreeMap<String, Source>) -> Files {
    let files = sources.values().flat_map(|source| &source.here);
    files
        .map(|(name, bytes)| (name.clone(), bytes.clone()))
        .collect()
}

/// Notes which keys the bundle among some files revokes.
fn note(bundles: &Mutex<BTreeMap<u64, BTreeSet<String>>>, files: &Files) {
    let shards: Vec<_> = (0..MAX_SHARDS)
        .map(|index| files.get(&format!("bundle-{index}")).map(Vec::as_slice))
        .collect();
    // Parts of two bundles are none; a sidecar keeps what it has.
    let Ok(bundle) = join(&shards) else { return };
    let mut bundles = bundles.lock().unwrap_or_else(PoisonError::into_inner);
    bundles
        .entry(bundle.version)
        .or_insert_with(|| revoked(&bundle));
}

fn revoked(bundle: &Bundle) -> BTreeSet<String> {
    let keys = bundle.body.keys.iter().map(|trusted| &trusted.key);
    keys.filter(|key| matches!(key.schedule, Schedule::Revoked { .. }))
        .map(|key| key.kid().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        BTreeMap::from([("file".to_owned(), text.as_bytes().to_vec())])
    }

    #[test]
    fn each_secret_arrives_in_its_own_time_and_never_goes_back() {
        let (begin, longest) = (Instant::now(), Duration::from_secs(3));
        let (mut sources, mut dice) = (BTreeMap::new(), Dice::new(1));
        let secrets = |text: &str| -> BTreeMap<String, Files> {
            let names = ["bundle", "keyring"].into_iter();
            names.map(|name| (name.to_owned(), files(text))).collect()
        };
        let mut arrivals: BTreeMap<String, Vec<(u32, Files)>> = BTreeMap::new();
        for tick in 0..60 {
            let text = (tick / 5).min(4).to_string();
            let now = begin + LOOK * tick;
            look(&mut sources, secrets(&text), now, longest, &mut dice);
            for (name, source) in &sources {
                let known = arrivals.entry(name.clone()).or_default();
                if !source.here.is_empty() && known.last().map(|last| &last.1) != Some(&source.here)
                {
                    known.push((tick, source.here.clone()));
                }
            }
        }
        for known in arrivals.values() {
            assert_eq!(known.last().unwrap().1, files("4"), "the last one arrives");
            assert!(known.is_sorted_by(|one, next| one.1 < next.1), "{known:?}");
        }
        assert_ne!(arrivals["bundle"], arrivals["keyring"]);
    }
}
