//! The chart's admission policies for endpoints, on the real API server: the operator may write Deployments and what goes with
//! them in every namespace, and whatever it is talked into, it writes those of endpoints only.

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use mintage_tests::cluster::ControlPlane;
use serde_json::{Value, json};

use crate::release::{NAMESPACE, installed, refused};

const OBJECTS: &str = "mintage-endpoints";
const PODS: &str = "mintage-endpoint-pods";

fn image() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("ghcr.io/mintage-dev/mintage-sidecar:{version}")
}

/// As the operator makes them.
fn deployment(name: &str) -> Value {
    let labels = json!({ "mintage.dev/endpoint": "acme" });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": 65532,
                        "seccompProfile": { "type": "RuntimeDefault" },
                    },
                    "containers": [{
                        "name": "endpoint",
                        "image": image(),
                        "args": ["endpoint"],
                        "env": [{ "name": "MINTAGE_STORE_FILE", "value": "/var/run/mintage-secrets/db.url/url" }],
                        "lifecycle": { "preStop": { "sleep": { "seconds": 5 } } },
                        "ports": [{ "name": "https", "containerPort": 7743 }],
                        "readinessProbe": { "httpGet": { "path": "/readyz", "port": 7601 } },
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "capabilities": { "drop": ["ALL"] },
                        },
                        "volumeMounts": [
                            { "name": "told", "mountPath": "/var/run/mintage", "readOnly": true },
                            { "name": "users", "mountPath": "/var/run/mintage-secrets/db.url", "readOnly": true },
                        ],
                    }],
                    "volumes": [
                        { "name": "told", "projected": { "sources": [{ "secret": { "name": "a" } }] } },
                        { "name": "users", "secret": { "secretName": "users" } },
                        { "name": "data", "persistentVolumeClaim": { "claimName": name } },
                    ],
                },
            },
        },
    })
}

/// What would have the container run something else, or as somebody else: a path in it, and what stands there.
const OF_CONTAINER: [(&str, &str); 26] = [
    ("volumeMounts/0/subPath", r#""program""#),
    ("volumeMounts/0/subPathExpr", r#""program""#),
    ("volumeMounts/0/mountPath", r#""/mintage-sidecar""#),
    (
        "volumeMounts/0/mountPath",
        r#""/var/run/mintage-secrets/../../mintage-sidecar""#,
    ),
    ("volumeMounts/0/mountPath", r#""/etc/ssl/certs""#),
    ("volumeMounts/0/mountPath", r#""/proc""#),
    (
        "volumeDevices",
        r#"[{"name": "data", "devicePath": "/dev/data"}]"#,
    ),
    ("envFrom", r#"[{"secretRef": {"name": "a"}}]"#),
    (
        "env/-",
        r#"{"name": "LD_PRELOAD", "value": "/var/run/mintage-secrets/a/program"}"#,
    ),
    (
        "env/-",
        r#"{"name": "MINTAGE_STORE", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}"#,
    ),
    (
        "lifecycle/postStart",
        r#"{"exec": {"command": ["/var/run/mintage/program"]}}"#,
    ),
    (
        "lifecycle/preStop",
        r#"{"exec": {"command": ["/var/run/mintage/program"]}}"#,
    ),
    (
        "lifecycle/preStop",
        r#"{"httpGet": {"path": "/", "port": 80, "host": "192.0.2.1"}}"#,
    ),
    (
        "livenessProbe",
        r#"{"exec": {"command": ["/var/run/mintage/program"]}}"#,
    ),
    (
        "readinessProbe",
        r#"{"exec": {"command": ["/var/run/mintage/program"]}}"#,
    ),
    (
        "startupProbe",
        r#"{"exec": {"command": ["/var/run/mintage/program"]}}"#,
    ),
    (
        "terminationMessagePath",
        r#""/var/run/mintage/keyring.json""#,
    ),
    ("ports/0/hostPort", "443"),
    ("securityContext", r#"{"privileged": true}"#),
    ("securityContext/allowPrivilegeEscalation", "true"),
    (
        "securityContext/capabilities",
        r#"{"drop": ["ALL"], "add": ["NET_ADMIN"]}"#,
    ),
    ("securityContext/capabilities", r#"{"drop": ["KILL"]}"#),
    ("securityContext/runAsUser", "0"),
    ("securityContext/runAsNonRoot", "false"),
    (
        "securityContext/seccompProfile",
        r#"{"type": "Unconfined"}"#,
    ),
    ("securityContext/seLinuxOptions", r#"{"type": "spc_t"}"#),
];

async fn apply(api: &Api<Deployment>, name: &str, body: &Value) -> kube::Result<Deployment> {
    let params = PatchParams::apply("mintage-operator").force();
    api.patch(name, &params, &Patch::Apply(body)).await
}

async fn operator(plane: &ControlPlane) -> Result<Client> {
    plane.service_account_client(NAMESPACE, "mintage").await
}

#[tokio::test]
async fn the_operator_runs_the_sidecars_image_as_an_endpoint_and_nothing_else() -> Result<()> {
    let test =
        "endpoint_policies::the_operator_runs_the_sidecars_image_as_an_endpoint_and_nothing_else";
    let Some(plane) = installed(test).await? else {
        return Ok(());
    };
    let namespace = plane.namespace("endpoint-pods", &[]).await?;
    let api: Api<Deployment> = Api::namespaced(operator(plane).await?, &namespace.name);
    apply(&api, "good", &deployment("good")).await?;

    let pod = "/spec/template/spec";
    let container = "/spec/template/spec/containers/0";
    let another = json!({ "name": "more", "image": image() });
    let host = json!({ "name": "node", "hostPath": { "path": "/" } });
    let account = json!({ "name": "token", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } });
    let others = json!({ "name": "theirs", "persistentVolumeClaim": { "claimName": "theirs" } });
    let of_container = OF_CONTAINER.map(|(path, value)| {
        let value: Value = serde_json::from_str(value).expect(path);
        (format!("{container}/{path}"), value, PODS)
    });
    for (path, value, policy) in [
        ("/metadata/labels", json!({}), OBJECTS),
        (
            &*format!("{container}/image"),
            json!("example.com/other:1"),
            PODS,
        ),
        (&format!("{container}/args"), json!(["sidecar"]), PODS),
        (&format!("{container}/command"), json!(["/bin/sh"]), PODS),
        (&format!("{pod}/containers/-"), another.clone(), PODS),
        (&format!("{pod}/initContainers"), json!([another]), PODS),
        (
            &format!("{pod}/automountServiceAccountToken"),
            json!(true),
            PODS,
        ),
        (&format!("{pod}/serviceAccountName"), json!("admin"), PODS),
        (&format!("{pod}/hostNetwork"), json!(true), PODS),
        (&format!("{pod}/hostPID"), json!(true), PODS),
        (&format!("{pod}/hostIPC"), json!(true), PODS),
        (
            &format!("{pod}/securityContext/runAsNonRoot"),
            json!(false),
            PODS,
        ),
        (
            &format!("{pod}/securityContext/seccompProfile"),
            json!({ "type": "Unconfined" }),
            PODS,
        ),
        (
            &format!("{pod}/securityContext/seLinuxOptions"),
            json!({ "type": "spc_t" }),
            PODS,
        ),
        (&format!("{pod}/volumes/-"), host, PODS),
        (&format!("{pod}/volumes/-"), account, PODS),
        (&format!("{pod}/volumes/-"), others, PODS),
    ]
    .into_iter()
    .map(|(path, value, policy)| (path.to_owned(), value, policy))
    .chain(of_container)
    {
        for name in ["good", "another"] {
            let mut body = deployment(name);
            let change = json!([{ "op": "add", "path": &path, "value": value }]);
            json_patch::patch(
                &mut body,
                &serde_json::from_value::<json_patch::Patch>(change)?,
            )?;
            let outcome = apply(&api, name, &body).await;
            refused(outcome, policy).map_err(|error| error.context(format!("{name}: {path}")))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_operator_touches_nothing_that_is_no_endpoints() -> Result<()> {
    let test = "endpoint_policies::the_operator_touches_nothing_that_is_no_endpoints";
    let Some(plane) = installed(test).await? else {
        return Ok(());
    };
    let namespace = plane.namespace("not-endpoints", &[]).await?;
    let operator = operator(plane).await?;
    let admins: Api<Deployment> = Api::namespaced(plane.admin().await?, &namespace.name);
    let mut theirs = deployment("theirs");
    theirs["metadata"]["labels"] = json!({});
    let theirs: Deployment = serde_json::from_value(theirs)?;
    admins.create(&PostParams::default(), &theirs).await?;

    let api: Api<Deployment> = Api::namespaced(operator.clone(), &namespace.name);
    // Nor may it call them its own.
    refused(apply(&api, "theirs", &deployment("theirs")).await, OBJECTS)?;
    let delete = api.delete("theirs", &DeleteParams::default()).await;
    refused(delete, OBJECTS)?;
    apply(&api, "ours", &deployment("ours")).await?;
    api.delete("ours", &DeleteParams::default()).await?;

    let services: Api<Service> = Api::namespaced(operator, &namespace.name);
    let service = |labels: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "kept", "labels": labels },
            "spec": { "ports": [{ "port": 443 }] },
        })
    };
    let params = PatchParams::apply("mintage-operator").force();
    let body = service(json!({}));
    let outcome = services.patch("kept", &params, &Patch::Apply(&body)).await;
    refused(outcome, OBJECTS)?;
    let body = service(json!({ "mintage.dev/endpoint": "acme" }));
    services
        .patch("kept", &params, &Patch::Apply(&body))
        .await?;
    Ok(())
}
