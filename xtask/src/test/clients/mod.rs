//! Prepares the compat clients from their lock files, once, in the cache.

pub mod go;
mod java;
pub mod node;
pub mod python;

use std::path::PathBuf;

use super::tools::Tools;
use crate::place::{Place, text};
use crate::progress::say;
use crate::workspace;

/// A program that wraps a stock client library; `tests/compat/README.md` has its protocol.
pub struct Client {
    library: &'static str,
    /// Its command line, or why it is not to be had.
    command: Result<Vec<String>, String>,
}

/// A folder of `tests/compat`: programs in one language, each named for the library that it wraps.
struct Language {
    folder: &'static str,
    libraries: &'static [&'static str],
    /// Makes the programs ready, given the version of the language's tool.
    prepare: fn(&Place, &str) -> anyhow::Result<()>,
    /// The command line of a library's program.
    command: fn(&Place, &str) -> anyhow::Result<Vec<String>>,
}

/// The one program that cargo builds with the rest of the workspace.
const RUST: &str = "jsonwebtoken";

impl Client {
    /// Prepares all of them; one that cannot be prepared (no tool, no network) holds the reason.
    pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Self>> {
        let mut clients = Vec::new();
        for (language, tool) in [
            (python::LANGUAGE, &tools.python),
            (node::LANGUAGE, &tools.node),
            (go::LANGUAGE, &tools.go),
            (java::LANGUAGE, &tools.java),
        ] {
            clients.extend(language.clients(tool)?);
        }
        let program = workspace::target()?.join("debug/compat-jsonwebtoken");
        clients.push(Self {
            library: RUST,
            command: Ok(vec![text(&program)?]),
        });
        Ok(clients)
    }

    /// Prepares one program from its folder under `tests`.
    pub fn prepare(
        library: &'static str,
        folder: &str,
        tool: &Result<String, String>,
        how: fn(&Place, &str) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Self> {
        let (_, command) = prepare(folder, tool, how)?;
        Ok(Self { library, command })
    }

    /// Prepares one program from any folder.
    pub fn prepare_at(
        library: &'static str,
        place: &Place,
        tool: &Result<String, String>,
        how: fn(&Place, &str) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Self> {
        let command = prepare_at(library, place, tool, how)?;
        Ok(Self { library, command })
    }

    /// Prepares the programs of a folder under `tests` that all lie in the `bin` of its cache.
    pub fn prepare_several(
        names: impl Iterator<Item = &'static str>,
        folder: &str,
        tool: &Result<String, String>,
        how: impl FnOnce(&Place, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Self>> {
        let (place, ready) = prepare(folder, tool, how)?;
        let client = |library| {
            let program = text(&place.cache.join("bin").join(library))?;
            let command = ready.clone().map(|()| vec![program]);
            Ok(Self { library, command })
        };
        names.map(client).collect()
    }

    /// A program that is there, or why it is not.
    pub fn found(library: &'static str, program: Result<String, String>) -> anyhow::Result<Self> {
        say_ready(library, &program)?;
        let command = program.map(|program| vec![program]);
        Ok(Self { library, command })
    }

    /// Whether it is there.
    pub fn is_ready(&self) -> bool {
        self.ready().is_ok()
    }

    /// Where it is if it has this name, or why it is not there.
    pub fn path(&self, name: &str) -> Option<Result<PathBuf, &str>> {
        (self.library == name).then(|| match &self.command {
            Ok(command) => Ok(command.first().map(PathBuf::from).unwrap_or_default()),
            Err(reason) => Err(reason.as_str()),
        })
    }

    /// That it is there, or why it is not.
    pub fn ready(&self) -> Result<(), String> {
        match &self.command {
            Ok(_) => Ok(()),
            Err(reason) => Err(format!("{}: {reason}", self.library)),
        }
    }

    /// The environment variable in which the tests find it, or find why it is not there.
    pub fn variable(&self) -> (String, String) {
        let name = self.library.to_uppercase().replace('-', "_");
        match &self.command {
            Ok(command) => (
                format!("MINTAGE_COMPAT_{name}"),
                serde_json::json!(command).to_string(),
            ),
            Err(reason) => (format!("MINTAGE_COMPAT_{name}_SKIP"), reason.clone()),
        }
    }
}

impl Language {
    fn clients(&self, tool: &Result<String, String>) -> anyhow::Result<Vec<Client>> {
        let folder = format!("compat/{}", self.folder);
        let (place, ready) = prepare(&folder, tool, self.prepare)?;
        let client = |library| {
            let command = ready.clone().map(|()| (self.command)(&place, library));
            Ok(Client {
                library,
                command: match command {
                    Ok(command) => Ok(command?),
                    Err(reason) => Err(reason),
                },
            })
        };
        self.libraries.iter().copied().map(client).collect()
    }
}

/// Makes ready what a folder under `tests` pins, and says so, or why it cannot be.
fn prepare<T>(
    folder: &str,
    tool: &Result<String, String>,
    how: impl FnOnce(&Place, &str) -> anyhow::Result<T>,
) -> anyhow::Result<(Place, Result<T, String>)> {
    let place = Place {
        source: workspace::root().join("tests").join(folder),
        cache: workspace::cache()?.join(folder),
    };
    let ready = prepare_at(folder, &place, tool, how)?;
    Ok((place, ready))
}

fn prepare_at<T>(
    name: &str,
    place: &Place,
    tool: &Result<String, String>,
    how: impl FnOnce(&Place, &str) -> anyhow::Result<T>,
) -> anyhow::Result<Result<T, String>> {
    let ready = tool.as_ref().map_err(Clone::clone).and_then(|version| {
        how(place, version).map_err(|error| format!("it could not be prepared: {error:#}"))
    });
    say_ready(name, &ready)?;
    Ok(ready)
}

fn say_ready<T>(name: &str, outcome: &Result<T, String>) -> anyhow::Result<()> {
    match outcome {
        Ok(_) => Ok(say(format_args!("{name}: ready"))?),
        Err(reason) => Ok(say(format_args!("SKIPPED {name}: {reason}"))?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_not_there_says_why() {
        let client = Client {
            library: "go-oidc",
            command: Err("go was not found".into()),
        };
        assert_eq!(
            client.variable(),
            (
                "MINTAGE_COMPAT_GO_OIDC_SKIP".into(),
                "go was not found".into()
            )
        );
        let client = Client {
            library: "go-oidc",
            command: Ok(vec!["compat".into()]),
        };
        assert_eq!(
            client.variable(),
            ("MINTAGE_COMPAT_GO_OIDC".into(), r#"["compat"]"#.into())
        );
    }
}
