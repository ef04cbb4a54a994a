//! The clients in Go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::Language;
use crate::place::{Place, run, text};
use crate::process;

pub(super) const LANGUAGE: Language = Language {
    folder: "go",
    libraries: &["go-jwt-middleware", "go-oidc", "oauth2"],
    prepare,
    command,
};

pub fn prepare(place: &Place, version: &str) -> anyhow::Result<()> {
    let programs = place.cache.join("bin");
    let mut inputs = ["go.mod", "go.sum"]
        .map(|name| place.source.join(name))
        .to_vec();
    inputs.extend(place.sources("go")?);
    place.once(version, &inputs, || {
        fs::create_dir_all(&programs).with_context(|| programs.display().to_string())?;
        run(Command::new("go")
            // Go write-protects its modules otherwise, and the cache could not be deleted.
            .args(["build", "-mod=readonly", "-modcacherw", "-o"])
            .arg(&programs)
            .arg("./...")
            .env("GOCACHE", place.cache.join("build"))
            .env("GOMODCACHE", place.cache.join("modules"))
            .current_dir(&place.source))
    })
}

pub fn command(place: &Place, library: &str) -> anyhow::Result<Vec<String>> {
    Ok(vec![text(&place.cache.join("bin").join(library))?])
}

/// Variables of an environment.
pub type Variables = Vec<(&'static str, String)>;

/// Other people's programs, as they are built.
pub struct Build<'a> {
    /// The programs, by the packages that they are made from.
    pub programs: &'a [(&'a str, &'a str)],
    /// Build tags, with spaces between them.
    pub tags: &'a str,
    /// What the linker is told.
    pub linker_flags: &'a str,
    /// What C libraries are found by, for programs that need some. Others are static, and need no C compiler.
    pub c: Option<&'a dyn Fn() -> anyhow::Result<Variables>>,
    /// A module and its folder with manifests that go with the programs: they are copied to `definitions`, beside `bin`.
    pub definitions: Option<(&'a str, &'a str)>,
}

/// Builds other people's programs from what the folder's go.mod pins, and from sources of its own if it has some. What Go keeps from one build to the next lies in
/// `caches` and serves several folders; [`clean`] takes it away. `before` is called if there is something to build.
pub fn build(
    place: &Place,
    version: &str,
    build: &Build,
    caches: &Path,
    before: impl FnOnce() -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let Build {
        programs,
        tags,
        linker_flags,
        c,
        definitions,
    } = build;
    let folder = place.cache.join("bin");
    let mut inputs = ["go.mod", "go.sum"]
        .map(|name| place.source.join(name))
        .to_vec();
    inputs.extend(place.sources("go")?);
    // Another set of programs or flags is another build.
    let mut tool = format!("{version} {programs:?} {linker_flags}{tags}");
    if let Some((module, folder)) = definitions {
        tool = format!("{tool} {module}/{folder}");
    }
    place.once(&tool, &inputs, || {
        before()?;
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let output = match programs {
            [(name, _)] => folder.join(name),
            // Several are named for the last part of their packages, and built side by side.
            _ => folder,
        };
        let (with_c, variables) = match c {
            Some(variables) => ("1", variables()?),
            None => ("0", Vec::new()),
        };
        run(Command::new("go")
            .args(["build", "-mod=readonly", "-modcacherw", "-buildvcs=false"])
            // Not even made: the linker would leave it out.
            .arg("-gcflags=all=-dwarf=false")
            .args(["-tags", tags, "-ldflags", linker_flags, "-o"])
            .arg(output)
            .args(programs.iter().map(|(_, package)| package))
            .env("CGO_ENABLED", with_c)
            .envs(variables)
            .envs(folders(caches))
            .current_dir(&place.source))?;
        match definitions {
            Some((module, folder)) => {
                let from = folder_of(&place.source, module, caches)?.join(folder);
                copy_manifests(&from, &place.cache.join("definitions"))
            }
            None => Ok(()),
        }
    })
}

/// Where the files of a module lie, in the version that a folder's go.mod pins; fetched, if they are not there.
pub fn folder_of(source: &Path, module: &str, caches: &Path) -> anyhow::Result<PathBuf> {
    let go = |arguments: &[&str]| {
        let mut go = Command::new("go");
        go.args(arguments).envs(folders(caches)).current_dir(source);
        process::read(&mut go)
    };
    go(&["mod", "download", "-modcacherw", module])?;
    let found = go(&["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module])?;
    Ok(found.trim().into())
}

/// Copies the manifests of a folder, and leaves nothing of an earlier version.
fn copy_manifests(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| to.display().to_string())?;
    }
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    let mut copied = 0;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let (Some(name), Some("yaml")) = (
            path.file_name(),
            path.extension().and_then(|text| text.to_str()),
        ) else {
            continue;
        };
        // Read and written: what Go keeps is write-protected, and a copy would be.
        fs::write(to.join(name), fs::read(&path)?)?;
        copied += 1;
    }
    ensure!(copied > 0, "{} has no manifests", from.display());
    Ok(())
}

/// Where Go keeps what serves several builds, as variables of its own.
fn folders(caches: &Path) -> [(&'static str, PathBuf); 2] {
    [("GOCACHE", "build"), ("GOMODCACHE", "modules")]
        .map(|(name, folder)| (name, caches.join(folder)))
}

/// Removes what Go keeps from one build to the next.
pub fn clean(caches: &Path) -> anyhow::Result<()> {
    for (_, left) in folders(caches) {
        if left.exists() {
            fs::remove_dir_all(&left).with_context(|| left.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_copied_and_older_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(&from).unwrap();
        assert!(copy_manifests(&from, &to).is_err(), "there are none");
        for name in ["a.yaml", "README.md"] {
            fs::write(from.join(name), "").unwrap();
        }
        fs::write(to.join("old.yaml"), "").unwrap();
        copy_manifests(&from, &to).unwrap();
        let left: Vec<_> = fs::read_dir(&to)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a.yaml"]);
    }
}
