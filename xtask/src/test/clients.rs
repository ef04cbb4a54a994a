//! Prepares the compat clients from their lock files, once, in the cache.

use std::process::Command;

use super::tools::Tools;
use crate::place::{Place, run, text};
use crate::progress::say;
use crate::workspace;

/// A program that wraps a stock client library; `tests/compat/README.md` has its protocol.
pub struct Client {
    name: &'static str,
    /// Its command line, or why it is not to be had.
    command: Result<Vec<String>, String>,
}

impl Client {
    /// Prepares all of them; one that cannot be prepared (no tool, no network) holds the reason.
    pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Self>> {
        let cache = workspace::cache()?.join("compat");
        let prepare =
            |name, folder, tool: &Result<String, String>, how: Prepare| -> anyhow::Result<Self> {
                let place = Place {
                    source: workspace::root().join("tests/compat").join(folder),
                    cache: cache.join(folder),
                };
                let command = tool.as_ref().map_err(Clone::clone).and_then(|version| {
                    how(&place, version)
                        .map_err(|error| format!("it could not be prepared: {error:#}"))
                });
                match &command {
                    Ok(_) => say(format_args!("{folder}: ready"))?,
                    Err(reason) => say(format_args!("SKIPPED {folder}: {reason}"))?,
                }
                Ok(Self { name, command })
            };
        Ok(vec![
            prepare("PYTHON", "python", &tools.python, python)?,
            prepare("NODE", "node", &tools.node, node)?,
            prepare("GO", "go", &tools.go, go)?,
        ])
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
type Prepare = fn(&Place, &str) -> anyhow::Result<Vec<String>>;

fn python(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
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
    Ok(vec![
        text(&interpreter)?,
        text(&place.source.join("check.py"))?,
    ])
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

fn go(place: &Place, version: &str) -> anyhow::Result<Vec<String>> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
