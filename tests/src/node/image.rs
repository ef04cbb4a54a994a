//! Images without a registry: a program, what it is linked to, and nothing else, as `docker save` writes it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use serde_json::{Value, json};
use tar::{Builder, Header};

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
        let layer = file.with_extension("layer");
        let small = file.with_extension("small");
        let outcome = self.layer(&layer, &small).and_then(|()| {
            let digest = digest(&layer)?;
            let configuration = self.configuration(&digest).to_string();
            let manifest = json!([{
                "Config": "image.json", "RepoTags": [self.name], "Layers": ["layer.tar"],
            }]);
            let mut archive = Builder::new(BufWriter::new(File::create(file)?));
            let texts = [
                ("image.json", configuration),
                ("manifest.json", manifest.to_string()),
            ];
            for (name, text) in texts {
                let length = text.len().try_into()?;
                archive.append_data(&mut header(length, 0o644), name, text.as_bytes())?;
            }
            append(&mut archive, &layer, Path::new("layer.tar"), 0o644)?;
            archive.into_inner()?.flush()?;
            Ok(())
        });
        for left in [&layer, &small] {
            // One of them may never have been made, and one that stays costs room only: both lie beside the image, in the
            // test's own folder.
            fs::remove_file(left).ok();
        }
        outcome.with_context(|| format!("image {}", self.name))
    }

    /// `small` is where the program may be without what debuggers need, which is most of it.
    fn layer(&self, file: &Path, small: &Path) -> Result<()> {
        let mut strip = Command::new("strip");
        strip.arg("--strip-debug").arg("-o").arg(small);
        let stripped = strip.arg(&self.program).status();
        let program = match stripped {
            Ok(status) if status.success() => small,
            _ => self.program.as_path(),
        };
        let mut archive = Builder::new(BufWriter::new(File::create(file)?));
        let name = self.program.file_name().context("a program has a name")?;
        append(&mut archive, program, Path::new(name), 0o755)?;
        for library in libraries(&self.program)? {
            let name = library.strip_prefix("/")?;
            append(&mut archive, &library, name, 0o755)?;
        }
        archive.into_inner()?.flush()?;
        Ok(())
    }

    fn configuration(&self, layer: &str) -> Value {
        let name = self.program.file_name().unwrap_or_default();
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        json!({
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": [format!("/{}", name.display())],
                "Cmd": self.arguments,
                "User": format!("{0}:{0}", self.user),
                "WorkingDir": "/",
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        })
    }
}

/// What a program is linked to, the loader as well; nothing for a static one.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("cannot start ldd")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    if all.contains("statically linked") || all.contains("not a dynamic executable") {
        return Ok(BTreeSet::new());
    }
    ensure!(
        output.status.success() && !said.contains("not found"),
        "ldd {}: {all}",
        program.display()
    );
    Ok(paths(&said))
}

/// The absolute paths in what `ldd` says: `name => path (address)`, or `path (address)` for the loader. What has no path
/// is the kernel's.
fn paths(said: &str) -> BTreeSet<PathBuf> {
    let words = said
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    words.map(PathBuf::from).collect()
}

fn append(archive: &mut Builder<impl Write>, file: &Path, name: &Path, mode: u32) -> Result<()> {
    let source = File::open(file).with_context(|| file.display().to_string())?;
    let length = source.metadata()?.len();
    archive.append_data(&mut header(length, mode), name, BufReader::new(source))?;
    Ok(())
}

/// Of root, and of no time: the same program makes the same image.
fn header(length: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(length);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn digest(file: &Path) -> Result<String> {
    struct Digester(Digest);
    impl Write for Digester {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut digester = Digester(Digest::new(&SHA256));
    io::copy(&mut File::open(file)?, &mut digester)?;
    let digest = digester.0.finish();
    let mut hex = String::new();
    for byte in digest.as_ref() {
        write!(hex, "{byte:02x}")?;
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_ldd_says() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f2)\n";
        let found = [
            "/lib/x86_64-linux-gnu/libgcc_s.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(paths(said), found.map(PathBuf::from).into());
    }

    #[test]
    fn an_archive_holds_the_program_and_says_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image.tar");
        let image = Image {
            name: "mintage.test/sh:1".into(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into()],
            user: 7600,
        };
        image.write(&file).unwrap();
        let unpacked = folder.path().join("unpacked");
        tar::Archive::new(File::open(&file).unwrap())
            .unpack(&unpacked)
            .unwrap();
        let read = |name: &str| -> Value {
            serde_json::from_slice(&fs::read(unpacked.join(name)).unwrap()).unwrap()
        };
        assert_eq!(read("manifest.json")[0]["RepoTags"][0], "mintage.test/sh:1");
        let layer = unpacked.join("layer.tar");
        assert_eq!(
            read("image.json")["rootfs"]["diff_ids"][0],
            format!("sha256:{}", digest(&layer).unwrap())
        );
        assert_eq!(read("image.json")["config"]["Entrypoint"][0], "/sh");
        let mut layer = tar::Archive::new(File::open(layer).unwrap());
        let names: Vec<PathBuf> = layer
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        assert_eq!(names[0], Path::new("sh"));
        for left in ["image.layer", "image.small"] {
            assert!(!folder.path().join(left).exists());
        }
    }
}
