//! Programs that are prepared once, from what the checkout pins, and then kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process;

/// A program's folder in the checkout, and its own folder in the cache.
pub struct Place {
    /// In the checkout: lock files and settings.
    pub source: PathBuf,
    /// In the cache: whatever is made of them.
    pub cache: PathBuf,
}

impl Place {
    /// Runs `make` unless it has succeeded before with the same tool and inputs: what is ready needs no network.
    pub fn once(
        &self,
        tool: &str,
        inputs: &[&Path],
        make: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let stamp = self.cache.join("stamp");
        let mut wanted = format!("{tool}\n").into_bytes();
        for input in inputs {
            wanted.extend(fs::read(input).with_context(|| input.display().to_string())?);
        }
        if fs::read(&stamp).is_ok_and(|made| made == wanted) {
            return Ok(());
        }
        fs::create_dir_all(&self.cache).with_context(|| self.cache.display().to_string())?;
        // An interrupted preparation leaves no stamp.
        if stamp.exists() {
            fs::remove_file(&stamp).with_context(|| stamp.display().to_string())?;
        }
        make()?;
        fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())
    }

    /// Copies a file of the checkout to the cache, for tools that write beside what they read.
    pub fn copy(&self, file: &Path) -> anyhow::Result<PathBuf> {
        let copy = self
            .cache
            .join(file.file_name().context("a file to copy has a name")?);
        fs::copy(file, &copy).with_context(|| file.display().to_string())?;
        Ok(copy)
    }
}

/// Runs a command that has to succeed.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    if !process::run(command)? {
        bail!("`{}` failed", process::shown(command));
    }
    Ok(())
}

/// A path as an argument of a command line.
pub fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path
        .to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))?
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ready_is_made_again_only_when_an_input_changes() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            source: folder.path().into(),
            cache: folder.path().join("cache"),
        };
        let lock = place.source.join("lock");
        fs::write(&lock, "one").unwrap();
        let mut count = 0;
        let mut make = |tool: &str, works: bool| {
            let outcome = place.once(tool, &[&lock], || {
                count += 1;
                if works { Ok(()) } else { bail!("no network") }
            });
            (count, outcome.is_ok())
        };

        assert_eq!(make("1.0", false), (1, false));
        assert_eq!(
            make("1.0", true),
            (2, true),
            "a failed preparation is tried again"
        );
        assert_eq!(
            make("1.0", false),
            (2, true),
            "what is ready is not touched"
        );
        assert_eq!(make("1.1", true), (3, true));
        fs::write(&lock, "two").unwrap();
        assert_eq!(make("1.1", true), (4, true));
    }
}
