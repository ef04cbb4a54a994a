//! Whether a folder changed. It is looked at, not listened to: editors, containers and network file systems all tell
//! of changes differently, and all show them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mintage_crds::manifest::is_program;

/// How often the folder is looked at.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// What a folder looks like from outside: each file's time and size.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Look(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

/// More entries than a folder of manifests has; what is beyond does not count.
const MAX_ENTRIES: usize = 20_000;

impl Look {
    /// Looks at a folder, or at one file.
    pub fn at(path: &Path) -> Self {
        let mut look = Self::default();
        look.add(path, 0);
        look
    }

    fn add(&mut self, path: &Path, depth: usize) {
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        if self.0.len() >= MAX_ENTRIES || depth > 32 {
            return;
        }
        // What is not read need not be looked at, four times a second.
        if depth > 0 && is_program(path) {
            return;
        }
        self.0
            .insert(path.to_owned(), (metadata.modified().ok(), metadata.len()));
        if metadata.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                    self.add(&entry.path(), depth + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_beside_the_manifests_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
            Look::at(folder.path())
        };
        // Where it is named itself, what lies in it is meant.
        write("package.json");
        let before = write("more/tenant.yaml");
        assert_ne!(write("more/api.yaml"), before);
        let before = write("web/package.json");
        assert_eq!(write("web/node_modules/a/b.json"), before);
    }
}
