//! The fuzz targets. `cargo test` replays each target's corpus and adds a few inputs at random; `cargo xtask nightly`
//! lets them run for minutes, guided by coverage. `docs/fuzzing.md` says what each asserts and where inputs lie.

#![expect(
    clippy::unwrap_used,
    reason = "fixtures are test code, though no test functions themselves"
)]

#[expect(
    clippy::module_inception,
    dead_code,
    unused_imports,
    reason = "these are core's own fixtures, and its tests use more of them"
)]
#[path = "../../../core/tests/support/mod.rs"]
mod cluster;

mod api;
mod bundle;
mod form;
mod json;
mod jwks;
mod manifests;
mod question;
mod token;

use bolero::check;

#[test]
fn bundle() {
    check!().with_iterations(150).for_each(bundle::check);
}

#[test]
fn form() {
    check!().with_iterations(300).for_each(form::check);
}

#[test]
fn json() {
    check!().with_iterations(300).for_each(json::check);
}

#[test]
fn jwks() {
    check!().with_iterations(600).for_each(jwks::check);
}

#[test]
fn manifests() {
    check!().with_iterations(150).for_each(manifests::check);
}

#[test]
fn question() {
    check!().with_iterations(300).for_each(question::check);
}

#[test]
fn token() {
    check!().with_iterations(300).for_each(token::check);
}

/// Bolero passes over a folder that is not there, so a corpus that was moved would be missed by nobody.
#[test]
fn every_target_has_its_corpus() {
    for target in [
        "bundle",
        "form",
        "json",
        "jwks",
        "manifests",
        "question",
        "token",
    ] {
        let folder = format!("tests/targets/__fuzz__/{target}/corpus");
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
        assert!(files.count() >= 8, "{folder}");
    }
}
