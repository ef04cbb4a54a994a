//! The clients in Java.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use aws_lc_rs::digest;

use super::Language;
use crate::place::{Place, run, text};

pub(super) const LANGUAGE: Language = Language {
    folder: "java",
    libraries: &["nimbus", "spring"],
    prepare,
    command,
};

fn prepare(place: &Place, version: &str) -> anyhow::Result<()> {
    let [project, lock] = ["pom.xml", "jars.sha256"].map(|name| place.source.join(name));
    let sources = place.sources("java")?;
    let mut inputs = vec![project.clone(), lock.clone()];
    inputs.extend(sources.iter().cloned());
    place.once(version, &inputs, || {
        let [jars, classes] = ["jars", "classes"].map(|name| place.cache.join(name));
        for folder in [&jars, &classes] {
            // What an older lock named must not stay on the class path.
            if folder.exists() {
                fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
            }
        }
        run(Command::new("mvn")
            .args(["--batch-mode", "--quiet", "--strict-checksums", "--file"])
            .arg(&project)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", text(&jars)?))
            .arg(format!(
                "-Dmaven.repo.local={}",
                text(&place.cache.join("repository"))?
            )))?;
        check(&jars, &lock)?;
        run(Command::new("javac")
            .arg("-d")
            .arg(&classes)
            .arg("-cp")
            .arg(jars.join("*"))
            .args(&sources))
    })
}

fn command(place: &Place, library: &str) -> anyhow::Result<Vec<String>> {
    let path = [place.cache.join("classes"), place.cache.join("jars/*")];
    let (first, rest) = library.split_at(1);
    Ok(vec![
        "java".into(),
        "-cp".into(),
        std::env::join_paths(path)?
            .into_string()
            .ok()
            .context("the cache's folder is not UTF-8")?,
        first.to_uppercase() + rest,
    ])
}

/// Checks that the jars of a folder are those of the lock, with the same content: Maven itself knows no lock file.
fn check(jars: &Path, lock: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(lock).with_context(|| lock.display().to_string())?;
    let mut wanted = BTreeMap::new();
    for line in text.lines() {
        let (sum, name) = line
            .split_once("  ")
            .with_context(|| format!("{}: `{line}` is not `sum  name`", lock.display()))?;
        wanted.insert(name, sum);
    }
    for entry in fs::read_dir(jars).with_context(|| jars.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let content = fs::read(entry.path()).with_context(|| name.clone().into_owned())?;
        let mut sum = String::new();
        for byte in digest::digest(&digest::SHA256, &content).as_ref() {
            write!(sum, "{byte:02x}")?;
        }
        if wanted.remove(name.as_ref()) != Some(&sum) {
            bail!("{name} (SHA-256 {sum}) is not as {} says", lock.display());
        }
    }
    if let Some(name) = wanted.keys().next() {
        bail!("{name} of {} was not fetched", lock.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of the empty string.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_the_jars_of_the_lock_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (jars, lock) = (folder.path().join("jars"), folder.path().join("lock"));
        fs::create_dir(&jars).unwrap();
        let check = |locked: &str| {
            fs::write(&lock, locked).unwrap();
            check(&jars, &lock).map_err(|error| error.to_string())
        };
        let one = format!("{EMPTY}  one.jar\n");

        assert!(check(&one).unwrap_err().contains("one.jar of"));
        fs::write(jars.join("one.jar"), "").unwrap();
        assert_eq!(check(&one), Ok(()));
        fs::write(jars.join("two.jar"), "").unwrap();
        assert!(check(&one).unwrap_err().starts_with("two.jar (SHA-256"));
        fs::remove_file(jars.join("two.jar")).unwrap();
        fs::write(jars.join("one.jar"), "other").unwrap();
        assert!(check(&one).unwrap_err().starts_with("one.jar (SHA-256"));
    }
}
