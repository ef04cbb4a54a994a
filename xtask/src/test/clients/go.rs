//! The clients in Go.

use std::fs;
use std::process::Command;

use anyhow::Context as _;

use super::Language;
use crate::place::{Place, run, text};

pub(super) const LANGUAGE: Language = Language {
    folder: "go",
    libraries: &["go-jwt-middleware", "go-oidc"],
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
