//! Images without a registry: a program, what it is linked to, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::image::{self, Entry, libraries};

/// An image of one program.
#[derive(Clone, Debug)]
pub struct Image {
    /// What pods call it: a registry's host, a path and a tag.
    pub name: String,
    /// The program, which lies at the top of the image under the same name.
    pub program: PathBuf,
    /// Its arguments, unless a pod has others.
    pub arguments: Vec<String>,
    /// The user and group that it runs as, unless a pod has others.
    pub user: u32,
}

impl Image {
    /// Writes it to a file that `ctr images import` reads.
    pub fn write(&self, file: &Path) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let image = image::Image {
            name: self.name.clone(),
            files: self.files(&folder.path().join("small"))?,
            arguments: self.arguments.clone(),
            user: self.user,
            labels: BTreeMap::new(),
            compress: false,
        };
        image.write(file)?;
        Ok(())
    }

    /// `small` is where the program may be without what debuggers need, which is most of it.
    fn files(&self, small: &Path) -> Result<Vec<Entry>> {
        let mut strip = Command::new("strip");
        strip.arg("--strip-debug").arg("-o").arg(small);
        let stripped = strip.arg(&self.program).status();
        let program = match stripped {
            Ok(status) if status.success() => small,
            _ => self.program.as_path(),
        };
        let name = self.program.file_name().context("a program has a name")?;
        let mut files = vec![Entry {
            path: name.into(),
            source: program.to_owned(),
        }];
        for library in libraries(&self.program)? {
            files.push(Entry {
                path: library.strip_prefix("/")?.to_owned(),
                source: library,
            });
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_comes_first_and_its_libraries_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let image = Image {
            name: "mintage.test/sh:1".into(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into()],
            user: 7600,
        };
        let files = image.files(&folder.path().join("small")).unwrap();
        let paths: Vec<&Path> = files.iter().map(|file| &*file.path).collect();
        assert_eq!(paths[0], Path::new("sh"));
        assert_eq!(paths.len(), 1 + libraries(&image.program).unwrap().len());
        assert!(files.iter().all(|file| file.path.is_relative()));
        let beside = tempfile::tempdir().unwrap();
        image.write(&beside.path().join("image.tar")).unwrap();
        let left: Vec<_> = std::fs::read_dir(beside.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing but the image: {left:?}");
    }
}
