//! A control plane with the charts in it, as `helm install` puts them there. No pod runs.

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client};
use mintage_tests::cluster::{ControlPlane, Once, Options, command_line, eventually};
use serde_json::{Value, json};

/// The namespace of the release.
pub const NAMESPACE: &str = "mintage-system";

/// A user that the release exempts from its policies.
pub const RESTORER: &str = "restorer";

/// The control plane, which the tests of the charts share; the other tests' operators are not bound by its policies.
/// Without the programs the test is skipped: return.
pub async fn installed(test: &str) -> Result<Option<&'static ControlPlane>> {
    static PLANE: Once = Once::new();
    PLANE.get(test, install).await
}

async fn install() -> Result<Result<ControlPlane, String>> {
    for tool in ["helm", "kubectl"] {
        if let Err(reason) = command_line(tool)? {
            return Ok(Err(format!("{tool}: {reason}")));
        }
    }
    let options = Options {
        definitions: false,
        ..Options::default()
    };
    let plane = match ControlPlane::start(options).await? {
        Ok(plane) => plane,
        Err(reason) => return Ok(Err(reason)),
    };
    // The commands of the README.
    let definitions = ["install", "mintage-crds", "charts/mintage-crds"];
    helm(&plane, &definitions).await?;
    let exempt = format!("admissionPolicies.exemptUsers={{{RESTORER}}}");
    let operator = [
        "install",
        "mintage",
        "charts/mintage",
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--set",
        &exempt,
    ];
    helm(&plane, &operator).await?;
    policies_hold(&plane).await?;
    Ok(Ok(plane))
}

/// Runs Helm, which must succeed; what it says.
pub async fn helm(plane: &ControlPlane, arguments: &[&str]) -> Result<String> {
    let run = plane.helm(arguments).await?;
    ensure!(run.code == Some(0), "helm {arguments:?}: {}", run.said());
    Ok(run.out)
}

/// A moment passes before the API server has taken up a policy; each is asked.
async fn policies_hold(plane: &ControlPlane) -> Result<()> {
    let admin = plane.admin().await?;
    let operator = plane.service_account_client(NAMESPACE, "mintage").await?;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let managed = secret("a", &[("mintage.dev/managed", "keyring")]);
    for (client, policy, secret) in [
        (&admin, "mintage-managed-secrets", managed),
        (
            &admin,
            "mintage-secret-names",
            secret("mintage-keys.a.b", &[]),
        ),
        (&operator, "mintage-operator", secret("a", &[])),
    ] {
        let api: Api<Secret> = Api::namespaced(client.clone(), "default");
        eventually(&format!("{policy} holds"), async || {
            refused(api.create(&dry, &secret).await, policy)
        })
        .await?;
    }
    let tenants = tenants(&admin, "default");
    eventually("Tenants can be made", async || {
        let tenant = serde_json::from_value(tenant("probe"))?;
        match tenants.create(&PostParams::default(), &tenant).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => Ok(other.map(drop)?),
        }
    })
    .await?;
    eventually("mintage-status holds", async || {
        let mut probe = tenants.get("probe").await?;
        probe.data["status"] = json!({ "observedGeneration": 1 });
        let written = tenants.replace_status("probe", &dry, &probe).await;
        refused(written, "mintage-status")
    })
    .await
}

/// Makes sure that a policy refused, and told what to do.
pub fn refused<T>(outcome: kube::Result<T>, policy: &str) -> Result<()> {
    let Err(error) = outcome else {
        bail!("it was allowed, and {policy} should have refused it");
    };
    let kube::Error::Api(status) = error else {
        return Err(error.into());
    };
    let by = format!("ValidatingAdmissionPolicy '{policy}'");
    ensure!(
        status.code == 403 && status.message.contains(&by),
        "{status:?}"
    );
    let (_, told) = status
        .message
        .split_once("denied request: ")
        .context("no message")?;
    ensure!(told.len() > 40, "{told}");
    Ok(())
}

/// A Secret with one entry.
pub fn secret(name: &str, labels: &[(&str, &str)]) -> Secret {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.into()))
        .collect();
    let secret = json!({
        "metadata": { "name": name, "labels": labels },
        "type": "Opaque",
        "stringData": { "key": "value" },
    });
    serde_json::from_value(secret).expect("it is a Secret")
}

/// A Tenant as JSON.
pub fn tenant(name: &str) -> Value {
    json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": { "name": name },
        "spec": { "domain": format!("{name}.example.com") },
    })
}

/// One of our kinds, whose status is written as it comes.
pub fn kind(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("mintage.dev", "v1alpha1", kind);
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind))
}

/// The Tenants of a namespace.
pub fn tenants(client: &Client, namespace: &str) -> Api<DynamicObject> {
    kind(client, namespace, "Tenant")
}
