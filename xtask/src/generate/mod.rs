//! `cargo xtask gen`: the one command that writes every generated file.
//!
//! ```text
//! the kinds, the permissions ─┐
//! the charts' values.yaml ────┴─► files() ──► compare with the checkout ──► write | report
//! ```

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::progress::say;
use crate::workspace;

mod rbac;
mod readme;
mod values;

/// Folders that hold generated files only: what else lies there was generated once and is removed.
const FOLDERS: [&str; 3] = [
    "charts/mintage-crds/templates",
    "charts/mintage/templates/generated",
    "crds/generated",
];

/// The options of `cargo xtask gen`.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; name each file that is not as it would be generated, and fail if there is one
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// Write nothing; say what would be written
    #[arg(long)]
    dry_run: bool,
}

/// Runs `cargo xtask gen`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.check {
        return Ok(if check()? {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let files = files(workspace::root())?;
    let changes = changes(workspace::root(), &files)?;
    for change in &changes {
        if !args.dry_run {
            change.apply(workspace::root())?;
        }
        say(format_args!(
            "{}{change}",
            if args.dry_run { "would be " } else { "" }
        ))?;
    }
    if changes.is_empty() {
        say("all generated files are up to date")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether all generated files are as they would be generated; names the others and the mend.
pub fn check() -> anyhow::Result<bool> {
    let files = files(workspace::root())?;
    let changes = changes(workspace::root(), &files)?;
    for change in &changes {
        say(format_args!(
            "{} is stale: run `cargo xtask gen` and commit what it writes",
            change.path().display()
        ))?;
    }
    Ok(changes.is_empty())
}

/// One generated file; its path is relative to the top of the checkout.
struct File {
    path: PathBuf,
    contents: String,
}

impl File {
    fn of((name, contents): (String, String), folder: &str) -> Self {
        Self {
            path: Path::new(folder).join(name),
            contents,
        }
    }
}

/// All generated files. A README is generated in part: the rest of it is read from the checkout at `root`.
fn files(root: &Path) -> anyhow::Result<Vec<File>> {
    let definitions = mintage_crds::generated().into_iter();
    let mut files: Vec<File> = definitions
        .map(|file| File::of(file, "crds/generated"))
        .collect();
    let templates = mintage_crds::chart_templates().into_iter();
    files.extend(templates.map(|file| File::of(file, "charts/mintage-crds/templates")));
    files.extend(
        rbac::templates()
            .into_iter()
            .map(|file| File::of(file, "charts/mintage/templates/generated")),
    );
    let readme = PathBuf::from("charts/mintage/README.md");
    files.push(File {
        contents: readme::of_chart(&root.join("charts/mintage"))?,
        path: readme,
    });
    Ok(files)
}

/// What it takes to make the checkout agree with the generators.
#[derive(Debug, PartialEq)]
enum Change<'a> {
    Written { path: &'a Path, contents: &'a str },
    Removed { path: PathBuf },
}

impl Change<'_> {
    fn path(&self) -> &Path {
        match self {
            Change::Written { path, .. } => path,
            Change::Removed { path } => path,
        }
    }

    fn apply(&self, root: &Path) -> anyhow::Result<()> {
        let path = root.join(self.path());
        match self {
            Change::Written { contents, .. } => path
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&path, contents)),
            Change::Removed { .. } => fs::remove_file(&path),
        }
        .with_context(|| path.display().to_string())
    }
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Change::Written { .. } => "written",
            Change::Removed { .. } => "removed",
        };
        write!(f, "{verb}: {}", self.path().display())
    }
}

fn changes<'a>(root: &Path, files: &'a [File]) -> anyhow::Result<Vec<Change<'a>>> {
    let mut changes = Vec::new();
    for File { path, contents } in files {
        if read(&root.join(path))?.as_deref() != Some(contents.as_bytes()) {
            changes.push(Change::Written { path, contents });
        }
    }
    for folder in FOLDERS {
        for name in names(&root.join(folder))? {
            let path = Path::new(folder).join(name);
            if !files.iter().any(|file| file.path == path) {
                changes.push(Change::Removed { path });
            }
        }
    }
    Ok(changes)
}

/// The file's bytes, or nothing if there is no such file.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    absent(fs::read(path)).with_context(|| path.display().to_string())
}

fn names(folder: &Path) -> anyhow::Result<Vec<std::ffi::OsString>> {
    let Some(entries) =
        absent(fs::read_dir(folder)).with_context(|| folder.display().to_string())?
    else {
        return Ok(Vec::new());
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, contents: &str) -> File {
        File {
            path: path.into(),
            contents: contents.into(),
        }
    }

    #[test]
    fn generated_files_are_up_to_date() {
        let files = files(workspace::root()).unwrap();
        let changes = changes(workspace::root(), &files).unwrap();
        let stale: Vec<_> = changes.iter().map(Change::path).collect();
        assert!(
            stale.is_empty(),
            "{stale:?}: run `cargo xtask gen` and commit what it writes"
        );
    }

    #[test]
    fn applying_the_changes_leaves_none() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("crds/generated");
        fs::create_dir_all(&folder).unwrap();
        for (name, contents) in [
            ("same.yaml", "a"),
            ("stale.yaml", "old"),
            ("left.yaml", "c"),
        ] {
            fs::write(folder.join(name), contents).unwrap();
        }
        let files = [
            file("crds/generated/same.yaml", "a"),
            file("crds/generated/stale.yaml", "new"),
            file("crds/generated/missing.yaml", "b"),
        ];

        let found = changes(root.path(), &files).unwrap();
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "written: crds/generated/stale.yaml",
                "written: crds/generated/missing.yaml",
                "removed: crds/generated/left.yaml",
            ]
        );
        for change in found {
            change.apply(root.path()).unwrap();
        }
        assert_eq!(changes(root.path(), &files).unwrap(), []);
    }

    #[test]
    fn a_checkout_without_the_folder_misses_everything() {
        let root = tempfile::tempdir().unwrap();
        let files = [file("crds/generated/a.yaml", "a")];
        let found = changes(root.path(), &files).unwrap();
        for change in found {
            change.apply(root.path()).unwrap();
        }
        assert_eq!(
            fs::read_to_string(root.path().join("crds/generated/a.yaml")).unwrap(),
            "a"
        );
    }
}
