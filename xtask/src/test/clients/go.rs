//! The clients in Go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::Language;
use crate::place::{Place, run, text};

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
    } = build;
    let folder = place.cache.join("bin");
    let mut inputs = ["go.mod", "go.sum"]
        .map(|name| place.source.join(name))
        .to_vec();
    inputs.extend(place.sources("go")?);
    // Another set of programs or flags is another build.
    let tool = format!("{version} {programs:?} {linker_flags}{tags}");
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
            .current_dir(&place.source))
    })
}

/// Where Go keeps what serves several builds, as variables of its own.
pub fn folders(caches: &Path) -> [(&'static str, PathBuf); 2] {
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
