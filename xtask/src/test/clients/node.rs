//! The clients in JavaScript.

use std::process::Command;

use super::Language;
use crate::place::{Place, run, text};

pub(super) const LANGUAGE: Language = Language {
    folder: "node",
    libraries: &[
        "express",
        "jose",
        "oidc-provider",
        "openid-client",
        "passport-auth0",
    ],
    prepare,
    command,
};

/// Installs what the folder's lock file names, and copies its scripts beside it.
pub fn prepare(place: &Place, version: &str) -> anyhow::Result<()> {
    install(place, version)?;
    // Node looks for packages beside the file that imports them.
    place
        .sources("mjs")?
        .iter()
        .try_for_each(|script| place.copy(script).map(drop))
}

/// Installs what the folder's lock file names.
pub fn install(place: &Place, version: &str) -> anyhow::Result<()> {
    let inputs =
        ["package.json", "package-lock.json", ".npmrc"].map(|name| place.source.join(name));
    place.once(version, &inputs, || {
        inputs
            .iter()
            .try_for_each(|input| place.copy(input).map(drop))?;
        run(Command::new("npm")
            .args(["ci", "--loglevel=error"])
            .current_dir(&place.cache))
    })
}

fn command(place: &Place, library: &str) -> anyhow::Result<Vec<String>> {
    let script = place.cache.join(format!("{library}.mjs"));
    Ok(vec!["node".into(), text(&script)?])
}
