//! Everything that can be wrong with a folder of manifests.

use std::io;

use super::place::Location;
use crate::{
    GROUP, VERSION,
    schema::{FieldError, Shown},
};

/// A problem, and where it is. Displayed as `file:line: what (mend)`, and with the column where the text is no YAML.
#[derive(Debug, thiserror::Error)]
#[error("{}", Shown(&format!("{}: {fault}", place(at, fault))))]
pub struct LoadError {
    /// Where the problem is.
    pub at: Location,
    /// What the problem is.
    pub fault: Fault,
}

/// A problem with a folder of manifests.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Aliases that stand for too much, for themselves, or for too deep a value.
    #[error("{0} (write the values out instead of using aliases)")]
    Alias(&'static str),
    /// A key is twice in a mapping.
    #[error("the key {key} is there before, on line {first} (take one of the two out)")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first one.
        first: usize,
    },
    /// Two objects have the same kind, namespace and name.
    #[error("{object} is declared before, at {first} (take one out, or rename it)")]
    DuplicateObject {
        /// Kind, namespace and name.
        object: String,
        /// Where the first one is.
        first: Location,
    },
    /// A field of an object is wrong.
    #[error("{}", with_mend(.0))]
    Field(Box<FieldError>),
    /// A file or folder can't be read.
    #[error("can't be read: {0} (check the path and its permissions)")]
    Io(#[from] io::Error),
    /// A document is no Kubernetes object.
    #[error("this is no Kubernetes object: {0}")]
    NoObject(&'static str),
    /// Folders in folders without end.
    #[error("folders are nested more than {0} deep (bring the manifests nearer to the top)")]
    TooDeep(usize),
    /// More files than anybody writes.
    #[error("there are more than {0} manifest files (choose a folder that holds only manifests)")]
    TooManyFiles(usize),
    /// A file is too large to be a manifest.
    #[error("the file is larger than {} MiB (split it, or move it out of the folder)", .0 / (1024 * 1024))]
    TooLarge(u64),
    /// The text is no YAML.
    #[error("this is no YAML: {problem} ({mend})")]
    Syntax {
        /// The parser's words.
        problem: String,
        /// What to look for.
        mend: &'static str,
    },
    /// The group has no such kind or version.
    #[error(
        "there is no {kind} in {api_version} (write apiVersion: {GROUP}/{VERSION}, and a kind of {})",
        kinds()
    )]
    UnknownKind {
        /// The kind that was written.
        kind: String,
        /// The apiVersion that was written.
        api_version: String,
    },
    /// The file is no text.
    #[error("the file is not UTF-8 from byte {0} on (save it as UTF-8)")]
    NotUtf8(usize),
    /// A symbolic link leads out of the folder.
    #[error("the link leads out of the folder (copy the file into it)")]
    OutsideLink,
    /// A YAML value that JSON, and so Kubernetes, has no word for.
    #[error("{0}")]
    Value(String),
}

fn place(at: &Location, fault: &Fault) -> String {
    match fault {
        Fault::Syntax { .. } => format!("{at}:{}", at.column),
        _ => at.to_string(),
    }
}

fn with_mend(error: &FieldError) -> String {
    if error.mend.is_empty() {
        error.to_string()
    } else {
        format!("{error} ({})", error.mend)
    }
}

/// The kinds that there are.
fn kinds() -> String {
    let definitions = crate::definitions();
    let kinds: Vec<&str> = definitions
        .iter()
        .map(|definition| definition.spec.names.kind.as_str())
        .collect();
    kinds.join(", ")
}
