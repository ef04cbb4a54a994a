//! A node image of kind's, made here: a small Debian, our own builds of Kubernetes' programs, and no registry.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use xtask::image::{Entry, Image, libraries};

use super::sandbox::Sandbox;
use crate::place::{Place, run, text};
use crate::progress::say;
use crate::test::{self, ClusterPrograms};
use crate::{process, workspace};

/// What the image is called.
pub const NAME: &str = "mintage.test/kind-node:1";

/// What makes a node of a small Debian.
const SCRIPT: &str = include_str!("node.sh");

/// What becomes the image.
const CONTAINER: &str = "mintage-kind-node";

/// Debian packages of a node, as kind's own images have them, without those for file systems that nobody here has.
const PACKAGES: &str = "bash,ca-certificates,conntrack,curl,dbus,e2fsprogs,ethtool,hostname,init-system-helpers,iproute2,\
    iptables,jq,kmod,libseccomp2,login,mount,nftables,pigz,procps,socat,systemd,systemd-sysv,util-linux";

/// The programs in it.
const PROGRAMS: [&str; 10] = [
    "bridge",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "host-local",
    "kubeadm",
    "kubectl",
    "kubelet",
    "loopback",
    "runc",
];

/// The folders of `tests/cluster` that they and the control plane are made from.
const FOLDERS: [&str; 10] = [
    "cni",
    "containerd",
    "coredns",
    "etcd",
    "kind",
    "kubeadm",
    "kubernetes",
    "pause",
    "routing",
    "runc",
];

/// Makes the image, unless it was made before from the same; `folder` is where it may leave things meanwhile.
pub fn make(
    sandbox: &Sandbox,
    programs: &ClusterPrograms,
    cache: &Path,
    folder: &Path,
) -> Result<()> {
    let place = Place {
        source: workspace::root().join("tests/cluster"),
        cache: cache.to_owned(),
    };
    let suite = suite(&fs::read_to_string("/etc/os-release").context("/etc/os-release")?)
        .context("/etc/os-release names no release of Debian's")?;
    let inputs = FOLDERS.map(|folder| place.source.join(folder).join("go.mod"));
    let stamp = cache.join("stamp");
    if stamp.exists() && !is_there(sandbox)? {
        // Somebody removed it by hand.
        fs::remove_file(&stamp).with_context(|| stamp.display().to_string())?;
    }
    place.once(&format!("{suite} {PACKAGES} {SCRIPT}"), &inputs, || {
        say("making an image of a node, once; about 3 minutes on two cores")?;
        let root = root(&suite, folder)?;
        docker(sandbox, &["import", &text(&root)?, NAME])?;
        furnish(sandbox, programs, folder)?;
        let entry = "--change=ENTRYPOINT [\"/usr/local/bin/entrypoint\", \"/sbin/init\"]";
        docker(
            sandbox,
            &["commit", entry, "--change=CMD []", CONTAINER, NAME],
        )?;
        docker(sandbox, &["rm", "--volumes", CONTAINER])?;
        docker(sandbox, &["image", "prune", "--force"])?;
        fs::remove_file(&root)?;
        // Of no use once there is an image.
        test::clean()
    })
}

fn is_there(sandbox: &Sandbox) -> Result<bool> {
    let mut image = sandbox.command("docker");
    image.args(["image", "inspect", NAME]);
    process::run(image.stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Writes a small Debian into a folder.
fn root(suite: &str, folder: &Path) -> Result<PathBuf> {
    let root = folder.join("root.tar");
    let without = |left| format!("--dpkgopt=path-exclude=/usr/share/{left}/*");
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--mode=root"])
        .arg(format!("--include={PACKAGES}"))
        .arg("--aptopt=Acquire::Languages \"none\"")
        .args(["doc", "locale", "man"].map(without))
        .arg(suite)
        .arg(&root)
        // Where what an interrupted run leaves is removed.
        .env("TMPDIR", folder))?;
    Ok(root)
}

/// Makes a container of it into what the image is to be.
fn furnish(sandbox: &Sandbox, programs: &ClusterPrograms, folder: &Path) -> Result<()> {
    let version = version(programs)?;
    let images = folder.join("images");
    let pause = write_images(programs, &version, &images)?;
    let script = folder.join("node.sh");
    fs::write(&script, SCRIPT)?;
    let mut mounts = vec![
        (kind_files()?, "kind".to_owned()),
        (images.clone(), "images".to_owned()),
        (script, "node.sh".to_owned()),
    ];
    for program in PROGRAMS {
        mounts.push((
            path(programs, program)?.canonicalize()?,
            format!("bin/{program}"),
        ));
    }
    let mut build = sandbox.command("docker");
    build.args(["run", "--name", CONTAINER, "--network", "none"]);
    // By which systemd knows where it is, and is told to end.
    build.args(["--env", "container=docker", "--stop-signal", "SIGRTMIN+3"]);
    for (source, place) in mounts {
        build.args([
            "--volume",
            &format!("{}:/mintage/{place}:ro", text(&source)?),
        ]);
    }
    run(build.args([NAME, "sh", "/mintage/node.sh", &version, &pause]))?;
    Ok(fs::remove_dir_all(&images)?)
}

/// One of the programs, which was prepared.
fn path(programs: &ClusterPrograms, name: &str) -> Result<PathBuf> {
    programs.path(name).map_err(anyhow::Error::msg)
}

/// Docker in there, which must succeed; what it says of success are names of images.
fn docker(sandbox: &Sandbox, arguments: &[&str]) -> Result<()> {
    let mut docker = sandbox.command("docker");
    run(docker.args(arguments).stdout(Stdio::null()))
}

/// The version of Kubernetes, `v1.37.2`.
fn version(programs: &ClusterPrograms) -> Result<String> {
    let mut kubeadm = Command::new(path(programs, "kubeadm")?);
    let said = process::read(kubeadm.args(["version", "--output", "short"]))?;
    Ok(said.trim().to_owned())
}

/// Writes the images that kubeadm's control plane is made of; the one that holds a pod's namespaces.
fn write_images(programs: &ClusterPrograms, version: &str, folder: &Path) -> Result<String> {
    let mut kubeadm = Command::new(path(programs, "kubeadm")?);
    kubeadm.args(["config", "images", "list", "--kubernetes-version", version]);
    let names = process::read(&mut kubeadm)?;
    fs::create_dir_all(folder)?;
    let mut pause = None;
    for name in names.lines() {
        let program = program(name).with_context(|| format!("{name} has no tag"))?;
        if program == "pause" {
            pause = Some(name.to_owned());
        }
        let mut files = vec![Entry {
            path: Path::new("usr/local/bin").join(program),
            source: path(programs, program)?,
        }];
        if program == "kube-proxy" {
            files.extend(with_libraries(&path(programs, "nft")?)?);
        }
        let image = Image {
            name: name.to_owned(),
            files,
            arguments: Vec::new(),
            user: 0,
            labels: BTreeMap::new(),
            compress: false,
        };
        image.write(&folder.join(program).with_extension("tar"))?;
    }
    pause.context("kubeadm names no image for pause")
}

/// A program of the machine's in an image, with what it is linked to.
fn with_libraries(program: &Path) -> Result<Vec<Entry>> {
    let name = program.file_name().context("a program has a name")?;
    let mut files = vec![Entry {
        path: Path::new("usr/sbin").join(name),
        source: program.to_owned(),
    }];
    for library in libraries(program)? {
        files.push(Entry {
            path: library.strip_prefix("/")?.to_owned(),
            source: library,
        });
    }
    Ok(files)
}

/// The program in an image: `registry.k8s.io/coredns/coredns:v1.14.6` has `coredns`.
fn program(name: &str) -> Option<&str> {
    let (path, _) = name.rsplit_once(':')?;
    path.rsplit('/').next()
}

/// The files of kind's own node images, in its Go module.
fn kind_files() -> Result<PathBuf> {
    let folder = workspace::root().join("tests/cluster/kind");
    let module = "sigs.k8s.io/kind";
    let files = test::go_module(&folder, module)?.join("images/base/files");
    if !files.is_dir() {
        bail!(
            "{module} has no files of a node's image in {}",
            files.display()
        );
    }
    Ok(files)
}

/// The release of Debian's, or of whoever follows it, in the text of `/etc/os-release`.
fn suite(release: &str) -> Option<String> {
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let name = name.trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_for_their_programs() {
        assert_eq!(program("registry.k8s.io/etcd:3.7.0-0"), Some("etcd"));
        let name = "registry.k8s.io/coredns/coredns:v1.14.6";
        assert_eq!(program(name), Some("coredns"));
        assert_eq!(program("registry.k8s.io/pause"), None);
    }

    #[test]
    fn a_node_is_of_the_machines_release() {
        let text = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(suite(text), Some("bookworm".into()));
        assert_eq!(suite("NAME=Alpine\n"), None);
    }
}
