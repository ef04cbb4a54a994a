//! Finds and reads the manifest files of a folder.

use std::{
    collections::HashSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::{Fault, LoadError},
    place::Location,
};

/// No manifest is larger: etcd takes objects of 1.5 MiB, and a file may hold a few.
const FILE_MAX: u64 = 4 * 1024 * 1024;
const FILES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 32;

/// Files that `kubectl apply -k` reads, and that are no objects.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Text {
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// What is in it.
    pub text: String,
}

/// The texts of the file or folder at `path`, sorted by name, and what could not be read.
pub(super) fn read(path: &Path) -> (Vec<Text>, Vec<LoadError>) {
    let mut search = Search {
        root: PathBuf::new(),
        seen: HashSet::new(),
        files: Vec::new(),
        errors: Vec::new(),
    };
    match path
        .canonicalize()
        .and_then(|real| Ok((fs::metadata(&real)?, real)))
    {
        Err(error) => search.fail(path, error.into()),
        Ok((metadata, _)) if metadata.is_file() => search.files.push(path.to_owned()),
        Ok((_, real)) => {
            search.root = real;
            search.folder(path, 0);
        }
    }
    let Search {
        mut files,
        mut errors,
        ..
    } = search;
    files.sort();
    let mut texts = Vec::with_capacity(files.len());
    for file in files {
        match text(&file) {
            Ok(text) => texts.push(Text {
                file: shown(&file),
                text,
            }),
            Err(fault) => errors.push(LoadError {
                at: Location::file(shown(&file)),
                fault,
            }),
        }
    }
    (texts, errors)
}

struct Search {
    /// The folder that was named, without links: what lies outside is not followed.
    root: PathBuf,
    /// Files and folders that were met, without links, so that a link to them adds nothing and no loop is endless.
    seen: HashSet<PathBuf>,
    files: Vec<PathBuf>,
    errors: Vec<LoadError>,
}

impl Search {
    fn fail(&mut self, path: &Path, fault: Fault) {
        self.errors.push(LoadError {
            at: Location::file(shown(path)),
            fault,
        });
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        if depth > DEPTH_MAX {
            return self.fail(path, Fault::TooDeep(DEPTH_MAX));
        }
        let mut entries: Vec<PathBuf> = match fs::read_dir(path) {
            Ok(entries) => entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect(),
            Err(error) => return self.fail(path, error.into()),
        };
        // A link sorts with its name, so which of two names of one file is read does not depend on the file system.
        entries.sort();
        for entry in entries {
            let hidden = entry
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden {
                self.entry(&entry, depth);
            }
        }
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        let (real, metadata) = match path
            .canonicalize()
            .and_then(|real| Ok((fs::metadata(&real)?, real)))
        {
            Ok((metadata, real)) => (real, metadata),
            Err(error) if is_manifest(path) => return self.fail(path, error.into()),
            // A dangling link that is named like no manifest is nobody's business.
            Err(_) => return,
        };
        let wanted = if metadata.is_dir() {
            !is_program(path)
        } else {
            metadata.is_file() && is_manifest(path)
        };
        if !wanted {
            return;
        }
        if !real.starts_with(&self.root) {
            return self.fail(path, Fault::OutsideLink);
        }
        if !self.seen.insert(real) {
            return;
        }
        if metadata.is_dir() {
            self.folder(path, depth + 1);
        } else if self.files.len() == FILES_MAX {
            let root = self.root.clone();
            if !self
                .errors
                .iter()
                .any(|error| matches!(error.fault, Fault::TooManyFiles(_)))
            {
                self.fail(&root, Fault::TooManyFiles(FILES_MAX));
            }
        } else {
            self.files.push(path.to_owned());
        }
    }
}

/// Whether a folder among manifests is a program's own: npm's description of it and the libraries below are no objects, and
/// thousands of files.
pub fn is_program(folder: &Path) -> bool {
    folder.join("package.json").exists()
}

fn is_manifest(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let extension = path.extension().unwrap_or_default();
    ["yaml", "yml", "json"]
        .iter()
        .any(|known| extension == *known)
        && !KUSTOMIZATIONS.iter().any(|other| name == *other)
}

fn text(path: &Path) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Fault::TooLarge(FILE_MAX));
    }
    String::from_utf8(bytes).map_err(|error| Fault::NotUtf8(error.utf8_error().valid_up_to()))
}

fn shown(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}
