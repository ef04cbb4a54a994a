//! C libraries that a program in Go needs while it is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::clients::go::Variables;
use crate::place::{Place, run, text};
use crate::process;

/// What Go's C compiler has to be told to find the library of a Debian package, as `libseccomp-dev`. Where the package is
/// not installed it is unpacked below `caches`; nothing is installed.
pub fn variables(package: &str, caches: &Path) -> anyhow::Result<Variables> {
    for (program, wanted) in [("cc", "a C compiler"), ("pkg-config", "it")] {
        if process::find(program).is_none() {
            bail!("{program} was not found, and {wanted} is needed");
        }
    }
    let name = package.strip_suffix("-dev").unwrap_or(package);
    let installed = Command::new("pkg-config")
        .args(["--exists", name])
        .stderr(Stdio::null())
        .status();
    if installed.is_ok_and(|status| status.success()) {
        return Ok(Vec::new());
    }
    let root = caches.join(package);
    unpack(package, &root)?;
    let description = find(&root, &format!("{name}.pc"))?;
    // The archive lies there; the shared library is in another package, and the linker goes by its link in vain.
    let archive = find(&root, &format!("{name}.a"))?;
    let libraries = archive.parent().context("an archive lies in a folder")?;
    let descriptions = description.parent().context("a file lies in a folder")?;
    Ok(vec![
        ("PKG_CONFIG_PATH", text(descriptions)?),
        (
            "CGO_CFLAGS",
            format!("-I{}", text(&root.join("usr/include"))?),
        ),
        ("CGO_LDFLAGS", format!("-L{}", text(libraries)?)),
    ])
}

/// Unpacks a package into a folder, once.
fn unpack(package: &str, root: &Path) -> anyhow::Result<()> {
    for program in ["apt-get", "dpkg-deb"] {
        if process::find(program).is_none() {
            bail!("{package} is not installed, and there is no {program} here to fetch it with");
        }
    }
    let place = Place {
        source: root.into(),
        cache: root.into(),
    };
    place.once(package, &[] as &[&Path], || {
        let download = || {
            let mut command = Command::new("apt-get");
            command
                // It writes to a folder of ours, as whoever we are.
                .args(["-o", "APT::Sandbox::User=root"])
                .args(["--quiet", "--quiet", "download", package])
                .current_dir(root);
            process::run(&mut command).is_ok_and(|done| done)
        };
        // The lists may be missing, or older than the archive.
        let update = || {
            let mut command = Command::new("apt-get");
            command.args(["--quiet", "--quiet", "update"]);
            process::run(&mut command).is_ok_and(|done| done)
        };
        if !(download() || update() && download()) {
            bail!(
                "apt-get could not download {package}; `apt-get install {package}` installs it on Debian"
            );
        }
        let file = find(root, ".deb")?;
        run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(root))?;
        fs::remove_file(&file).with_context(|| file.display().to_string())
    })
}

/// The file below a folder whose name ends in `end`.
fn find(root: &Path, end: &str) -> anyhow::Result<PathBuf> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().ends_with(end) {
                return Ok(entry.path());
            }
        }
    }
    bail!("{} holds nothing that ends in {end}", root.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_the_end_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("usr/lib/x");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("libc.a"), "").unwrap();
        assert_eq!(find(folder.path(), "libc.a").unwrap(), below.join("libc.a"));
        assert!(find(folder.path(), "libd.a").is_err());
    }
}
