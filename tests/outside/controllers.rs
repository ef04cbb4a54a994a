//! What other people's controllers take in a cluster: their programs as images, their definitions, and pods of them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use mintage_tests::client::command_line;
use mintage_tests::node::Image;
use mintage_tests::release::kubectl;
use mintage_tests::stage::Stage;
use serde_json::{Value, json};

/// Where they run.
pub const NAMESPACE: &str = "outside";

/// The programs; each folder has the definitions that go with it beside its `bin`.
const PROGRAMS: [&str; 2] = ["certmanager", "traefik"];

/// A pod each: its name, its program, and its arguments. Of the two that stand in front, one knows Ingresses alone and the other
/// Gateways.
const PODS: [(&str, &str, &[&str]); 3] = [
    ("cert-manager", "certmanager", &[]),
    (
        INGRESS,
        "traefik",
        &[
            "--entryPoints.web.address=:80",
            "--entryPoints.web.http.redirections.entryPoint.to=websecure",
            "--entryPoints.websecure.address=:443",
            // As its chart has it.
            "--entryPoints.websecure.http.tls=true",
            "--providers.kubernetesIngress=true",
        ],
    ),
    (
        GATEWAY,
        "traefik",
        &[
            "--entryPoints.web.address=:80",
            "--entryPoints.websecure.address=:443",
            "--providers.kubernetesGateway=true",
        ],
    ),
];

/// The Service of the one that goes by Ingresses.
pub const INGRESS: &str = "by-ingress";

/// The Service of the one that goes by Gateways.
pub const GATEWAY: &str = "by-gateway";

/// Their images; or why there are none.
pub fn images() -> Result<Result<Vec<Image>, String>> {
    let mut images = Vec::new();
    for name in PROGRAMS {
        match program(name)? {
            Ok(program) => images.push(Image {
                name: image(name),
                program,
                arguments: Vec::new(),
                // The ports that browsers know are root's.
                user: 0,
            }),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(images))
}

fn program(name: &str) -> Result<Result<PathBuf, String>> {
    Ok(match command_line(name)? {
        Ok(line) => Ok(line.first().context("an empty command line")?.into()),
        Err(reason) => Err(format!("{name}: {reason}")),
    })
}

fn image(name: &str) -> String {
    format!("mintage.test/{name}:1")
}

/// Applies the definitions of the Gateway API and of cert-manager: before whoever watches their kinds.
pub async fn define(stage: &Stage) -> Result<()> {
    for name in PROGRAMS {
        let program = program(name)?.map_err(anyhow::Error::msg)?;
        let folder = program.ancestors().nth(2).context("no folder")?;
        let folder = folder.join("definitions");
        let folder = folder.to_str().context("the path is no text")?;
        // They are too long for what `apply` writes down otherwise.
        kubectl(stage, &["apply", "--server-side", "--filename", folder]).await?;
    }
    Ok(())
}

/// Starts all of them.
pub async fn start(stage: &Stage) -> Result<()> {
    let account = json!({"name": NAMESPACE, "namespace": NAMESPACE});
    let mut items = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": NAMESPACE},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": NAMESPACE, "namespace": NAMESPACE}],
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "traefik"},
            "spec": {"controller": "traefik.io/ingress-controller"},
        }),
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "traefik"},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        }),
    ];
    for (name, program, arguments) in PODS {
        items.push(deployment(name, program, arguments));
        items.push(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "selector": {"app": name},
                "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}],
            },
        }));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    stage.apply("outside.json", &list.to_string()).await?;
    for (name, ..) in PODS {
        let deployment = format!("deployment/{name}");
        let ready = ["rollout", "status", &deployment, "--timeout=120s"];
        stage.kubectl(NAMESPACE, &ready).await?;
    }
    Ok(())
}

fn deployment(name: &str, program: &str, arguments: &[&str]) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "serviceAccountName": NAMESPACE,
                    "containers": [{"name": program, "image": image(program), "args": arguments}],
                },
            },
        },
    })
}
