//! Programs that are prepared once, from what the checkout pins, and then kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process;

/// A program's folder in the checkout, and its own folder in the cache.
pub struct Place {
    /// The folder in the checkout, which nothing is written to.
    pub source: PathBuf,
    /// The folder in the cache.
    pub cache: PathBuf,
}

impl Place {
    /// Runs `make` unless it has succeeded before with the same tool and inputs: what is ready needs no network.
    pub fn once(
        &self,
        tool: &str,
        inputs: &[impl AsRef<Path>],
        make: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let stamp = self.cache.join("stamp");
        let mut wanted = format!("{tool}\n").into_bytes();
        for input in inputs {
            let input = input.as_ref();
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

    /// The files of the checkout's folder with an extension, in the folders below as well.
    pub fn sources(&self, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut folders = vec![self.source.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|found| found == extension) {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Copies a file to the cache.
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

/// A path as a word of a command line.
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
            let outcome = place.once(tool, std::slice::from_ref(&lock), || {
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

    #[test]
    fn sources_are_found_in_folders_below() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            source: folder.path().into(),
            cache: folder.path().join("cache"),
        };
        fs::create_dir(folder.path().join("below")).unwrap();
        for name in ["main.go", "below/other.go", "go.sum"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let expected = ["below/other.go", "main.go"].map(|name| folder.path().join(name));
        assert_eq!(place.sources("go").unwrap(), expected);
    }
}
