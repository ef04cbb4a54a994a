//! Whether folders changed, told without reading what is in them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a folder looks like from outside.
#[derive(Debug, Eq, PartialEq)]
enum Look {
    /// As kubelet writes it: the link `..data` names the current version.
    Versioned(PathBuf),
    /// A plain folder: names, sizes and times of its files.
    Plain(Vec<(OsString, u64, Option<SystemTime>)>),
}

/// What a folder and the folders in another one look like.
#[derive(Debug, Eq, PartialEq)]
pub struct Mark(Vec<(PathBuf, Look)>);

impl Mark {
    /// Looks at a folder, and at every folder inside `parent`.
    pub fn of(dir: &Path, parent: &Path) -> Self {
        let below = entries(parent).into_iter().map(|entry| entry.path());
        let all = std::iter::once(dir.to_owned()).chain(below);
        let mut marks: Vec<_> = all.map(|path| (path.clone(), look(&path))).collect();
        marks.sort_by(|a, b| a.0.cmp(&b.0));
        Self(marks)
    }
}

fn look(dir: &Path) -> Look {
    if let Ok(version) = fs::read_link(dir.join("..data")) {
        return Look::Versioned(version);
    }
    let mut files: Vec<_> = entries(dir)
        .into_iter()
        .filter_map(|entry| {
            let meta = fs::metadata(entry.path()).ok()?;
            Some((entry.file_name(), meta.len(), meta.modified().ok()))
        })
        .collect();
    files.sort();
    Look::Plain(files)
}

/// What is in a folder; nothing if it is not there.
fn entries(dir: &Path) -> Vec<fs::DirEntry> {
    fs::read_dir(dir)
        .map(|entries| entries.filter_map(Result::ok).collect())
        .unwrap_or_default()
}
