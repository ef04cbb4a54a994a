//! Prepares the compat clients from their lock files, once, in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::tools::Tools;
use crate::progress::say;
use crate::{process, workspace};

/// A program that wraps a stock client library; `tests/compat/README.md` has its protocol.
pub struct Client {
    name: &'static str,
    /// Its command line, or why it is not to be had.
    command: Result<Vec<String>, String>,
}

impl Client {
    /// Prepares all of them; one that cannot be prepared (no tool, no network) holds the reason.
    pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Self>> {
        Ok(vec![
            Self::prepare("PYTHON", "compat/python", &tools.python, python)?,
            Self::prepare("NODE", "compat/node", &tools.node, node)?,
            Self::prepare("GO", "compat/go", &tools.go, go)?,
        ])
    }

    /// Prepares one from its folder under `tests`.
    pub fn prepare(
        name: &'static str,
        folder: &str,
        tool: &Result<String, String>,
        how: Prepare,
    ) -> anyhow::Result<Self> {
        let place = Place {
            source: workspace::root().join("tests").join(folder),
            cache: workspace::cache()?.join(folder),
        };
        let command = tool.as_ref().map_err(Clone::clone).and_then(|version| {
            how(&place, version).map_err(|error| format!("it could not be prepared: {error:#}"))
        });
        Self::said(name, folder, command)
    }

    /// What is there, or why it is not: said, and kept for the tests.
    pub fn said(
        name: &'static str,
        label: &str,
        command: Result<Vec<String>, String>,
    ) -> anyhow::Result<Self> {
        match &command {
            Ok(_) => say(format_args!("{label}: ready"))?,
            Err(reason) => say(format_args!("SKIPPED {label}: {reason}"))?,
        }
        Ok(Self { name, command })
    }

    /// The environment variable in which the tests find it, or find why it is not there.
    pub fn variable(&self) -> (String, String) {
        match &self.command {
            Ok(command) => (
                format!("MINTAGE_COMPAT_{}", self.name),
                serde_json::json!(command).to_string(),
            ),
            Err(reason) => (format!("MINTAGE_COMPAT_{}_SKIP", self.name), reason.clone()),
        }
    }
}

/// Makes a client ready, given its tool's version, and gives its command line.
pub type Prepare = fn(&Place, &str) -> anyhow::Result<Vec<String>>;

/// A client's folder in the checkout, and its own folder in the cache.
pub struct Place {
    pub source: PathBuf,
    pub cache: PathBuf,
}

fn python(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    let bin = venv(place, version)?;
    Ok(vec![
        text(&bin.join("python"))?,
        text(&place.source.join("check.py"))?,
    ])
}

/// A virtual environment of what `requirements.txt` names; its folder of programs.
pub fn venv(place: &Place, version: &str) -> anyhow::Result<PathBuf> {
    let lock = place.source.join("requirements.txt");
    let interpreter = place.cache.join("venv/bin/python");
    place.once(version, &[&lock], || {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(place.cache.join("venv")))?;
        run(Command::new(&interpreter)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--requirement",
            ])
            .arg(&lock))
    })?;
    Ok(place.cache.join("venv/bin"))
}

fn node(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    let inputs =
        ["package.json", "package-lock.json", ".npmrc"].map(|name| place.source.join(name));
    let [package, lock, settings] = &inputs;
    place.once(version, &[package, lock, settings], || {
        inputs
            .iter()
            .try_for_each(|input| place.copy(input).map(drop))?;
        run(Command::new("npm")
            .args(["ci", "--loglevel=error"])
            .current_dir(&place.cache))
    })?;
    // Node looks for packages beside the file that imports them.
    let script = place.copy(&place.source.join("check.mjs"))?;
    Ok(vec!["node".into(), text(&script)?])
}

/// The program of a Go module that is one `main.go`.
pub fn go(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
    let [module, sums, main] = ["go.mod", "go.sum", "main.go"].map(|name| place.source.join(name));
    let program = place.cache.join("compat");
    place.once(version, &[&module, &sums, &main], || {
        run(Command::new("go")
            // Go write-protects its modules otherwise, and the cache could not be deleted.
            .args(["build", "-mod=readonly", "-modcacherw", "-o"])
            .arg(&program)
            .arg(".")
            .env("GOCACHE", place.cache.join("build"))
            .env("GOMODCACHE", place.cache.join("modules"))
            .current_dir(&place.source))
    })?;
    Ok(vec![text(&program)?])
}

impl Place {
    /// Runs `make` unless it has succeeded before with the same tool and inputs: what is ready needs no network.
    fn once(
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

    fn copy(&self, file: &Path) -> anyhow::Result<PathBuf> {
        let copy = self
            .cache
            .join(file.file_name().context("a file to copy has a name")?);
        fs::copy(file, &copy).with_context(|| file.display().to_string())?;
        Ok(copy)
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    if !process::run(command)? {
        bail!("`{}` failed", process::shown(command));
    }
    Ok(())
}

/// A path as it is written on a command line.
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
    fn a_client_is_made_again_only_when_an_input_changes() {
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

    #[test]
    fn a_client_that_is_not_there_says_why() {
        let client = Client {
            name: "GO",
            command: Err("go was not found".into()),
        };
        assert_eq!(
            client.variable(),
            ("MINTAGE_COMPAT_GO_SKIP".into(), "go was not found".into())
        );
        let client = Client {
            name: "GO",
            command: Ok(vec!["compat".into()]),
        };
        assert_eq!(
            client.variable(),
            ("MINTAGE_COMPAT_GO".into(), r#"["compat"]"#.into())
        );
    }
}
