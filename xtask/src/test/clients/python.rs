//! The clients in Python.

use std::process::Command;

use super::Language;
use crate::place::{Place, run, text};

pub(super) const LANGUAGE: Language = Language {
    folder: "python",
    libraries: &["auth0", "authlib", "authlib_users", "pyjwt"],
    prepare,
    command,
};

pub fn prepare(place: &Place, version: &str) -> anyhow::Result<()> {
    let lock = place.source.join("requirements.txt");
    place.once(version, std::slice::from_ref(&lock), || {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(place.cache.join("venv")))?;
        run(Command::new(place.cache.join("venv/bin/python"))
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
    })
}

fn command(place: &Place, library: &str) -> anyhow::Result<Vec<String>> {
    let script = place.source.join(format!("{library}_client.py"));
    Ok(vec![
        text(&place.cache.join("venv/bin/python"))?,
        // Nothing is written to the checkout, compiled modules neither.
        "-B".into(),
        text(&script)?,
    ])
}
