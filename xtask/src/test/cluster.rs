//! Prepares the control plane of `tests/apiserver`, etcd and Kubernetes' own programs, what the node of `tests/pods` and the
//! cluster of `tests/e2e` need besides, and the tools that speak to it.
//!
//! All of it comes from Go modules, each pinned in a folder of `tests/cluster`. `KUBEBUILDER_ASSETS`, a folder with
//! `etcd`, `kube-apiserver` and `kubectl` as envtest knows it, takes the place of what is built for the control plane.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::clients::{Client, go};
use super::library;
use super::packages;
use super::tools::Tools;
use crate::place::{Place, text};
use crate::progress::say;
use crate::{process, workspace};

/// A folder of `tests/cluster`: its programs by their packages, and how long they take to build on two cores.
struct Module {
    folder: &'static str,
    minutes: &'static str,
    /// The module whose version the programs say, and the variables in which they have it.
    version: (&'static str, &'static [Variable]),
    /// Build tags: what they leave out is not built.
    tags: &'static str,
    /// The Debian package of the C library that the programs need, if they need one.
    library: &'static str,
    programs: &'static [(&'static str, &'static str)],
    /// A module and its folder with the definitions of the kinds that the programs know, if they know some.
    definitions: Option<(&'static str, &'static str)>,
}

/// Most are Go alone.
const PLAIN: Module = Module {
    folder: "",
    minutes: "",
    version: ("", &[]),
    tags: "",
    library: "",
    programs: &[],
    definitions: None,
};

/// A variable that the linker sets.
enum Variable {
    /// `v1.2.3`
    Version(&'static str),
    /// Another fact of a release, as it is.
    Fact(&'static str),
}

use Variable::{Fact, Version};

/// Where Kubernetes' programs and their clients look: without these the API server is of version v0.0.0.
const KUBERNETES: (&str, &[Variable]) = (
    "k8s.io/kubernetes",
    &[
        Version("k8s.io/component-base/version.gitVersion"),
        Fact("k8s.io/component-base/version.gitTreeState=clean"),
        Version("k8s.io/client-go/pkg/version.gitVersion"),
        Fact("k8s.io/client-go/pkg/version.gitTreeState=clean"),
    ],
);

const CONTROL_PLANE: [Module; 2] = [
    Module {
        folder: "etcd",
        minutes: "half a minute",
        version: ("go.etcd.io/etcd/server/v3", &[]),
        programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
        ..PLAIN
    },
    Module {
        folder: "kubernetes",
        minutes: "10 minutes",
        version: KUBERNETES,
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            (
                "kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
            ),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
        ],
        ..PLAIN
    },
];

/// What a kubelet runs pods with.
const NODE: [Module; 3] = [
    Module {
        folder: "containerd",
        minutes: "2 minutes",
        version: (
            "github.com/containerd/containerd/v2",
            &[Version(
                "github.com/containerd/containerd/v2/version.Version",
            )],
        ),
        // Without snapshotters for file systems that a machine may not have.
        tags: "no_aufs no_btrfs no_devmapper no_zfs",
        programs: &[
            (
                "containerd",
                "github.com/containerd/containerd/v2/cmd/containerd",
            ),
            (
                "containerd-shim-runc-v2",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            ),
            ("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
        ],
        ..PLAIN
    },
    Module {
        folder: "runc",
        minutes: "half a minute",
        version: ("github.com/opencontainers/runc", &[Version("main.version")]),
        // Pods that `restricted` lets pass have a filter of system calls.
        tags: "seccomp",
        library: "libseccomp-dev",
        programs: &[("runc", "github.com/opencontainers/runc")],
        ..PLAIN
    },
    Module {
        folder: "cni",
        minutes: "half a minute",
        version: ("github.com/containernetworking/plugins", &[]),
        programs: &[
            (
                "bridge",
                "github.com/containernetworking/plugins/plugins/main/bridge",
            ),
            (
                "host-local",
                "github.com/containernetworking/plugins/plugins/ipam/host-local",
            ),
            (
                "loopback",
                "github.com/containernetworking/plugins/plugins/main/loopback",
            ),
        ],
        ..PLAIN
    },
];

/// What makes a cluster of a control plane and a node: who binds pods, routes Services and resolves their names.
const ROUTING: [Module; 2] = [
    Module {
        folder: "routing",
        minutes: "3 minutes",
        version: KUBERNETES,
        programs: &[
            ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ],
        ..PLAIN
    },
    Module {
        folder: "coredns",
        minutes: "a minute",
        version: ("github.com/coredns/coredns", &[]),
        programs: &[("coredns", "mintage.dev/cluster/coredns")],
        ..PLAIN
    },
];

/// What holds the namespaces of a pod.
const PAUSE: Module = Module {
    folder: "pause",
    minutes: "a few seconds",
    programs: &[("pause", "mintage.dev/cluster/pause")],
    ..PLAIN
};

/// What makes clusters of nodes that are containers.
const KIND: Module = Module {
    folder: "kind",
    minutes: "half a minute",
    version: ("sigs.k8s.io/kind", &[]),
    programs: &[("kind", "sigs.k8s.io/kind")],
    ..PLAIN
};

/// With which kind starts a cluster inside of a node; nothing else needs it.
const KUBEADM: Module = Module {
    folder: "kubeadm",
    minutes: "2 minutes",
    version: KUBERNETES,
    programs: &[("kubeadm", "k8s.io/kubernetes/cmd/kubeadm")],
    ..PLAIN
};

const HELM: Module = Module {
    folder: "helm",
    minutes: "3 minutes",
    version: (
        "helm.sh/helm/v4",
        &[Version("helm.sh/helm/v4/internal/version.version")],
    ),
    programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
    ..PLAIN
};

/// What releases are upgraded from; only a nightly step needs it.
const HELM_3: Module = Module {
    folder: "helm3",
    minutes: "2 minutes",
    version: (
        "helm.sh/helm/v3",
        &[Version("helm.sh/helm/v3/internal/version.version")],
    ),
    programs: &[("helm3", "helm.sh/helm/v3/cmd/helm")],
    ..PLAIN
};

/// What stands around an endpoint in clusters, by others; only a nightly step needs it.
const OUTSIDE: [Module; 2] = [
    Module {
        folder: "certmanager",
        minutes: "2 minutes",
        version: ("github.com/cert-manager/cert-manager", &[]),
        programs: &[("certmanager", "mintage.dev/cluster/certmanager")],
        definitions: Some(("github.com/cert-manager/cert-manager", "deploy/crds")),
        ..PLAIN
    },
    Module {
        folder: "traefik",
        minutes: "6 minutes",
        version: (
            "github.com/traefik/traefik/v3",
            &[Version("github.com/traefik/traefik/v3/pkg/version.Version")],
        ),
        programs: &[("traefik", "github.com/traefik/traefik/v3/cmd/traefik")],
        definitions: Some(("sigs.k8s.io/gateway-api", "config/crd/standard")),
        ..PLAIN
    },
];

const CHART_TOOLS: [Module; 4] = [
    HELM,
    Module {
        folder: "helm-unittest",
        minutes: "a minute",
        version: ("github.com/helm-unittest/helm-unittest", &[]),
        programs: &[(
            "helm-unittest",
            "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
        )],
        ..PLAIN
    },
    Module {
        folder: "kubeconform",
        minutes: "half a minute",
        version: ("github.com/yannh/kubeconform", &[]),
        programs: &[(
            "kubeconform",
            "github.com/yannh/kubeconform/cmd/kubeconform",
        )],
        ..PLAIN
    },
    Module {
        folder: "promtool",
        minutes: "2 minutes",
        // Rules are looked at without any discovery of what to scrape.
        tags: "remove_all_sd",
        version: ("github.com/prometheus/prometheus", &[]),
        programs: &[("promtool", "github.com/prometheus/prometheus/cmd/promtool")],
        ..PLAIN
    },
];

/// Prepares what `cargo xtask test` needs; what cannot be prepared holds the reason.
pub fn prepare_all(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let mut clients = prepare_with(tools, &[&NODE, &ROUTING, &CHART_TOOLS])?;
    clients.extend([nft()?, nginx()?, postgres()?]);
    Ok(clients)
}

/// Prepares a cluster of one node, and Helm to install things in it.
pub fn prepare_bare(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let mut clients = prepare_with(tools, &[&NODE, &ROUTING, &[HELM]])?;
    clients.extend([nft()?, nginx()?, postgres()?]);
    Ok(clients)
}

/// Prepares the same, and what stands around an endpoint by others.
pub fn prepare_outside(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let mut clients = prepare_with(tools, &[&NODE, &ROUTING, &[HELM], &OUTSIDE])?;
    clients.extend([nft()?, nginx()?]);
    Ok(clients)
}

/// Prepares what speaks to a cluster that is there: what the user has, or else our own.
pub fn prepare_tools(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let mut clients = vec![nginx()?];
    for (name, module) in [("kubectl", &CONTROL_PLANE[1]), ("helm", &HELM)] {
        match process::find(name) {
            Some(program) => clients.push(Client::found(name, Ok(text(&program)?))?),
            None => clients.extend(module.prepare(&tools.go)?),
        }
    }
    Ok(clients)
}

/// Prepares kind: what the user has, or else our own.
pub fn prepare_kind(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    match process::find("kind") {
        Some(program) => Ok(vec![Client::found("kind", Ok(text(&program)?))?]),
        None => KIND.prepare(&tools.go),
    }
}

/// Prepares what a node image of kind's is made of.
pub fn prepare_node(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::new();
    // Also where KUBEBUILDER_ASSETS has some of it: an image takes static programs alone.
    for module in CONTROL_PLANE.iter().chain(&NODE).chain(&ROUTING) {
        clients.extend(module.prepare(&tools.go)?);
    }
    for module in [&KUBEADM, &PAUSE] {
        clients.extend(module.prepare(&tools.go)?);
    }
    clients.push(nft()?);
    for (program, package) in [
        ("dockerd", "docker.io"),
        // Newer releases have the client in a package of its own.
        ("docker", "docker-cli"),
        ("mmdebstrap", "mmdebstrap"),
    ] {
        clients.push(Client::found(program, packages::find(program, package))?);
    }
    Ok(clients)
}

/// With which kube-proxy routes Services.
fn nft() -> anyhow::Result<Client> {
    Client::found("nft", packages::find("nft", "nftables"))
}

/// Which stands in front of an API of `tests/e2e`, and of one of `tests/edge`.
pub fn nginx() -> anyhow::Result<Client> {
    Client::found("nginx", packages::find("nginx", "nginx"))
}

/// In which two pods of an endpoint remember, in `tests/e2e`.
fn postgres() -> anyhow::Result<Client> {
    Client::found("postgres", packages::postgres())
}

/// Prepares the control plane, and two generations of Helm.
pub fn prepare_upgrade(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    prepare_with(tools, &[&[HELM, HELM_3]])
}

fn prepare_with(tools: &Tools, modules: &[&[Module]]) -> anyhow::Result<Vec<Client>> {
    let mut clients = prepare(tools)?;
    for module in modules.iter().copied().flatten() {
        clients.extend(module.prepare(&tools.go)?);
    }
    // More than a gigabyte, of no use once all programs are there.
    if clients.iter().all(Client::is_ready) {
        go::clean(&cache()?)?;
    }
    Ok(clients)
}

/// Prepares the control plane alone.
pub fn prepare(tools: &Tools) -> anyhow::Result<Vec<Client>> {
    if let Some(assets) = env::var_os("KUBEBUILDER_ASSETS") {
        return given(Path::new(&assets));
    }
    let mut clients = Vec::new();
    for module in &CONTROL_PLANE {
        clients.extend(module.prepare(&tools.go)?);
    }
    Ok(clients)
}

/// The programs of the control plane in a folder of the user's.
fn given(assets: &Path) -> anyhow::Result<Vec<Client>> {
    let assets = std::path::absolute(assets).context("KUBEBUILDER_ASSETS")?;
    let programs = CONTROL_PLANE.iter().flat_map(|module| module.programs);
    programs
        .map(|(name, _)| {
            let program = assets.join(name);
            let found = if program.is_file() {
                Ok(text(&program)?)
            } else {
                let assets = assets.display();
                Err(format!("KUBEBUILDER_ASSETS={assets} has no {name}"))
            };
            Client::found(name, found)
        })
        .collect()
}

impl Module {
    fn prepare(&self, go: &Result<String, String>) -> anyhow::Result<Vec<Client>> {
        let folder = format!("cluster/{}", self.folder);
        let caches = cache()?;
        let programs = self.programs.iter().map(|(name, _)| *name);
        Client::prepare_several(programs, &folder, go, |place, version| {
            let needs_library = !self.library.is_empty();
            let library = || library::variables(self.library, &caches);
            let build = go::Build {
                programs: self.programs,
                tags: self.tags,
                linker_flags: &self.linker_flags(place)?,
                c: needs_library.then_some(&library),
                definitions: self.definitions,
            };
            go::build(place, version, &build, &caches, || {
                say(format_args!(
                    "{folder}: building, once; about {} on two cores",
                    self.minutes
                ))
            })
        })
    }

    /// Without symbols, and with the version that the folder's go.mod pins.
    fn linker_flags(&self, place: &Place) -> anyhow::Result<String> {
        let (module, variables) = self.version;
        let mut flags = "-s -w".to_owned();
        if module.is_empty() {
            // Made from nothing but its own sources.
            return Ok(flags);
        }
        let file = place.source.join("go.mod");
        let pins = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let version = pinned(&pins, module)
            .with_context(|| format!("{} does not pin {module}", file.display()))?;
        for variable in variables {
            let setting = match variable {
                Version(name) => format!("{name}={version}"),
                Fact(setting) => (*setting).to_owned(),
            };
            flags.push_str(" -X ");
            flags.push_str(&setting);
        }
        Ok(flags)
    }
}

/// Where Go keeps what the modules have in common while they are built.
pub fn cache() -> anyhow::Result<PathBuf> {
    Ok(workspace::cache()?.join("cluster"))
}

/// The version that the text of a go.mod requires of a module.
fn pinned<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("require ").unwrap_or(line);
        let version = line.strip_prefix(module)?.strip_prefix(' ')?;
        version
            .starts_with('v')
            .then(|| version.split(' ').next())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_pinned() {
        let text = "module m\n\ntool x.org/a/cmd\n\nreplace x.org/a => x.org/a v9.9.9\n\n\
                    require (\n\tx.org/a/b v1.0.0\n\tx.org/a v1.2.3 // indirect\n)\n";
        assert_eq!(pinned(text, "x.org/a"), Some("v1.2.3"));
        assert_eq!(
            pinned("require x.org/a v1.2.3\n", "x.org/a"),
            Some("v1.2.3")
        );
        assert_eq!(pinned(text, "x.org/c"), None);
    }

    #[test]
    fn every_folder_pins_what_its_programs_are_made_from() {
        let all = CONTROL_PLANE.iter().chain(&NODE).chain(&ROUTING);
        for module in all
            .chain(&CHART_TOOLS)
            .chain(&OUTSIDE)
            .chain([&HELM_3, &KIND, &KUBEADM, &PAUSE])
        {
            let place = Place {
                source: workspace::root().join("tests/cluster").join(module.folder),
                cache: PathBuf::new(),
            };
            assert!(module.linker_flags(&place).unwrap().starts_with("-s -w"));
        }
    }
}
