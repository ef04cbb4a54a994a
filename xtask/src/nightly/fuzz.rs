//! The fuzz targets of `fuzz/`, each for some minutes.
//!
//! libFuzzer comes with bolero as source, and sancov is part of the stable compiler, so coverage guides the inputs
//! wherever there is a C++ compiler. Where there is none, inputs are random.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Outcome;
use crate::progress::say;
use crate::{process, workspace};

/// The targets: the names of the tests in `fuzz/tests/targets`, and what each takes.
pub(super) const TARGETS: [(&str, &str); 7] = [
    ("bundle", "shards, bundles and keyring files"),
    ("form", "form bodies and queries of the workload API"),
    ("json", "strict JSON, and JSON bodies of the workload API"),
    ("jwks", "keys and key sets"),
    ("manifests", "manifest texts, given to the loader"),
    ("question", "questions of Envoy, given to ext_authz"),
    ("token", "compact tokens, given to the verifier"),
];

/// What the compiler adds so that libFuzzer sees which branches an input took.
const COVERAGE: [&str; 7] = [
    "--cfg fuzzing",
    "--cfg fuzzing_libfuzzer",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// An input that takes longer has found something.
const SECONDS_PER_INPUT: u32 = 10;

/// So has one that needs more memory.
const MEGABYTES: u32 = 2048;

/// Where all inputs of a target lie: `corpus`, which is committed, and `crashes`.
fn folder(target: &str) -> PathBuf {
    let targets = workspace::root().join("fuzz/tests/targets/__fuzz__");
    targets.join(target)
}

/// Runs one target for some minutes.
pub(super) fn run(target: &str, minutes: u64) -> Result<Outcome> {
    let crashes = folder(target).join("crashes");
    fs::create_dir_all(&crashes).with_context(|| crashes.display().to_string())?;
    let before = count(&crashes)?;
    let passed = process::run(&mut built()?.command(target, minutes, &crashes)?)?;
    if passed && count(&crashes)? == before {
        if before == 0 {
            fs::remove_dir(&crashes)?;
        }
        return Ok(Outcome::Passed);
    }
    Ok(Outcome::Failed(format!(
        "the input lies in {}, or its seed stands above; `cargo test -p mintage-fuzz --test targets {target}` replays \
         that folder (docs/fuzzing.md)",
        crashes.display()
    )))
}

fn count(folder: &Path) -> Result<usize> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    Ok(entries.count())
}

/// The program that holds all targets.
struct Built {
    program: PathBuf,
    /// Where it was built, and where what was learnt stays from one run to the next.
    target: PathBuf,
    is_guided: bool,
}

/// The program, built when it is first asked for.
fn built() -> Result<&'static Built> {
    static BUILT: OnceLock<Built> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built);
    }
    let built = Built::new()?;
    Ok(BUILT.get_or_init(|| built))
}

impl Built {
    fn new() -> Result<Self> {
        let target = workspace::target()?.join("fuzz");
        let is_guided = has_cxx();
        let mut command = workspace::cargo();
        command.args([
            "test",
            "--package=mintage-fuzz",
            "--test=targets",
            "--no-run",
        ]);
        command.args(["--profile=fuzz", "--message-format=json-render-diagnostics"]);
        command.arg("--target-dir").arg(&target);
        if is_guided {
            let before = env::var("RUSTFLAGS").unwrap_or_default();
            command.env("RUSTFLAGS", format!("{before} {}", COVERAGE.join(" ")));
            // With a target named, build scripts and macros are built without these flags.
            command.args(["--target", &host()?]);
        } else {
            say(
                "there is no C++ compiler for libFuzzer: inputs are random, not guided by coverage",
            )?;
        }
        let messages = process::read(&mut command)?;
        let program = program(&messages).context("cargo named no program for the fuzz targets")?;
        Ok(Self {
            program,
            target,
            is_guided,
        })
    }

    fn command(&self, target: &str, minutes: u64, crashes: &Path) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.current_dir(workspace::root().join("fuzz"));
        command.args([target, "--exact", "--nocapture", "--test-threads=1"]);
        if !self.is_guided {
            let milliseconds = (minutes * 60_000).to_string();
            command.env("BOLERO_RANDOM_TEST_TIME_MS", milliseconds);
            command.env("BOLERO_RANDOM_ITERATIONS", usize::MAX.to_string());
            return Ok(command);
        }
        let learnt = self.target.join("corpus").join(target);
        fs::create_dir_all(&learnt).with_context(|| learnt.display().to_string())?;
        // New inputs go to the first folder; the committed ones are read only.
        let mut words = vec![text(&learnt)?, text(&folder(target).join("corpus"))?];
        words.push(format!("-artifact_prefix={}/", text(crashes)?));
        words.extend([
            format!("-max_total_time={}", minutes * 60),
            format!("-timeout={SECONDS_PER_INPUT}"),
            format!("-rss_limit_mb={MEGABYTES}"),
            "-max_len=8192".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        command.env("BOLERO_TEST_NAME", target);
        command.env("BOLERO_LIBTEST_HARNESS", "1");
        command.env("BOLERO_LIBFUZZER_ARGS", words.join(" "));
        Ok(command)
    }
}

/// A path as one word: bolero parts the words at spaces.
fn text(path: &Path) -> Result<String> {
    match path.to_str() {
        Some(text) if !text.contains(' ') => Ok(text.to_owned()),
        _ => bail!(
            "{} must be UTF-8 without spaces: move the checkout, or set CARGO_TARGET_DIR",
            path.display()
        ),
    }
}

/// Whether the cc crate will find a C++ compiler.
fn has_cxx() -> bool {
    let named = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let mut version = Command::new(named);
    version.arg("--version");
    process::read(&mut version).is_ok()
}

/// The compiler's own target.
fn host() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = process::read(Command::new(rustc).arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// The program among cargo's messages.
fn program(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines();
    let messages = messages.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == "targets")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_with_a_corpus_is_run() {
        let mut folders: Vec<String> = fs::read_dir(folder("."))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort();
        assert_eq!(folders, TARGETS.map(|(target, _)| target));
    }

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"targets"},"executable":"/t/targets-1"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(program(messages), Some(PathBuf::from("/t/targets-1")));
        assert_eq!(program("{}\nno JSON"), None);
    }

    #[test]
    fn a_folder_with_a_space_is_refused() {
        assert_eq!(text(Path::new("/a/b")).unwrap(), "/a/b");
        let error = text(Path::new("/a b")).unwrap_err().to_string();
        assert!(
            error.starts_with("/a b must be UTF-8 without spaces"),
            "{error}"
        );
    }
}
