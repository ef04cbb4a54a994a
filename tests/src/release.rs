//! Mintage in a cluster, as a user installs it: the charts by Helm, and images.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::client::command_line;
use crate::cluster::Cluster;
use crate::dev::binary;
use crate::node::Image;
use crate::operator::NAMESPACE;

/// Names a folder with the images of `cargo xtask image`. Without it they are made of what was built for the tests.
pub const FOLDER: &str = "MINTAGE_E2E_IMAGES";

/// The release of the chart `mintage`.
pub const RELEASE: &str = "mintage";

/// The release of its definitions.
pub const DEFINITIONS: &str = "mintage-crds";

/// The image of the apps in `examples/calls`.
pub const APP: &str = "mintage.test/app:1";

/// The image of the nginx of this machine, where it has one: not what `examples/nginx` names.
pub const NGINX: &str = "mintage.test/nginx:1";

/// The programs that have an image.
const PROGRAMS: [&str; 2] = ["mintage-operator", "mintage-sidecar"];

/// What a cluster's nodes have to have.
pub struct Images {
    /// To be written.
    pub made: Vec<Image>,
    /// Written by `cargo xtask image`.
    pub archives: Vec<PathBuf>,
}

impl Images {
    /// The images that the charts name, and that of the apps.
    pub fn find() -> Result<Self> {
        let mut made = vec![Image {
            name: APP.into(),
            program: binary("pods-app")?,
            arguments: vec!["pause".into()],
            user: 10_001,
        }];
        // Whoever shows it says why it is not there.
        if let Ok(line) = command_line("nginx")? {
            made.push(Image {
                name: NGINX.into(),
                program: line.first().context("an empty command line")?.into(),
                arguments: Vec::new(),
                user: 10_001,
            });
        }
        let mut archives = Vec::new();
        if let Some(folder) = std::env::var_os(FOLDER) {
            let archive = |program| Path::new(&folder).join(format!("{program}.image.tar"));
            archives.extend(PROGRAMS.map(archive));
        } else {
            for program in PROGRAMS {
                made.push(Image {
                    name: name(program),
                    program: binary(program)?,
                    arguments: Vec::new(),
                    user: 65_532,
                });
            }
        }
        Ok(Self { made, archives })
    }

    /// Their names.
    pub fn names() -> Vec<String> {
        let own = PROGRAMS.map(name);
        own.into_iter().chain([APP.to_owned()]).collect()
    }

    /// Writes those that are still to be written to a folder; where all of them are.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut all = self.archives.clone();
        for image in &self.made {
            let program = image.program.file_name().context("a program has a name")?;
            let file = folder.join(program).with_extension("image.tar");
            image.write(&file)?;
            all.push(file);
        }
        Ok(all)
    }
}

/// What the chart calls the image of a program, unless told otherwise.
fn name(program: &str) -> String {
    format!(
        "ghcr.io/mintage-dev/{program}:{}",
        env!("CARGO_PKG_VERSION")
    )
}

/// Installs the definitions and the operator, and waits until it is ready.
pub async fn install(cluster: &Cluster) -> Result<()> {
    install_with(cluster, &[]).await
}

/// The same with options for the operator, `--set` and values of the chart.
pub async fn install_with(cluster: &Cluster, further: &[&str]) -> Result<()> {
    let wait = ["--wait", "--timeout", "3m"];
    let definitions = ["install", DEFINITIONS, "charts/mintage-crds"];
    helm(cluster, &[&definitions[..], &wait].concat()).await?;
    let operator = [
        "install",
        RELEASE,
        "charts/mintage",
        "--namespace",
        NAMESPACE,
        "--create-namespace",
    ];
    helm(cluster, &[&operator[..], &wait, further].concat()).await?;
    Ok(())
}

/// Runs Helm, which must succeed.
pub async fn helm(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let run = cluster.helm(arguments).await?;
    ensure!(
        run.code == Some(0),
        "helm {}: {}",
        arguments.join(" "),
        run.said()
    );
    Ok(run.out)
}

/// Runs kubectl, which must succeed.
pub async fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let run = cluster.kubectl(arguments).await?;
    ensure!(
        run.code == Some(0),
        "kubectl {}: {}",
        arguments.join(" "),
        run.said()
    );
    Ok(run.out)
}

/// Applies the quickstart and then its apps, and waits until all of them are ready. Where `restricted`, their namespaces
/// are held to the Pod Security Standard of that name.
pub async fn apply(cluster: &Cluster, restricted: bool) -> Result<()> {
    let (quickstart, calls) = (
        crate::text(&crate::quickstart())?,
        crate::text(&crate::calls())?,
    );
    if restricted {
        let namespaces = format!("{quickstart}/namespaces.yaml");
        kubectl(cluster, &["apply", "--filename", &namespaces]).await?;
        let enforce = "pod-security.kubernetes.io/enforce=restricted";
        kubectl(
            cluster,
            &["label", "namespace", "shop", "orders", "payments", enforce],
        )
        .await?;
    }
    kubectl(cluster, &["apply", "--filename", &quickstart]).await?;
    kubectl(cluster, &["apply", "--filename", &calls]).await?;
    let tenant = ["--namespace", "identity", "tenant/acme", "--timeout=60s"];
    kubectl(
        cluster,
        &[&["wait", "--for=condition=Ready"], &tenant[..]].concat(),
    )
    .await?;
    for (namespace, name) in DEPLOYMENTS {
        let deployment = format!("deployment/{name}");
        let wait = ["rollout", "status", &deployment, "--timeout=120s"];
        kubectl(cluster, &[&["--namespace", namespace], &wait[..]].concat()).await?;
    }
    Ok(())
}

/// The Deployments of the quickstart.
pub const DEPLOYMENTS: [(&str, &str); 3] =
    [("orders", "api"), ("payments", "api"), ("shop", "checkout")];

/// A pod of the app which `restricted` lets pass.
pub fn pod(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 10_001,
                "runAsGroup": 10_001,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "app",
                "image": APP,
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": { "drop": ["ALL"] },
                },
            }],
        },
    })
}
