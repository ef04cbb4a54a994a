//! The charts in a cluster: what the API server makes of them, and what `helm upgrade` and `helm uninstall` leave alone.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use mintage_core::managed::FIELD_MANAGER;
use mintage_tests::cluster::{ControlPlane, Options, eventually};
use mintage_tests::{skip, workspace};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::release::{NAMESPACE, helm, installed, secret};

/// Whether a user of a group may do something in a namespace.
async fn may(client: &Client, user: &str, verb: &str, resource: &str, place: &str) -> Result<bool> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource, None),
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(ResourceAttributes {
                group: Some("mintage.dev".to_owned()),
                namespace: Some(place.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.context("no status")?.allowed)
}

#[tokio::test]
async fn viewers_and_editors_reach_our_kinds_but_not_tenants() -> Result<()> {
    let test = "charts::viewers_and_editors_reach_our_kinds_but_not_tenants";
    let Some(plane) = installed(test).await? else {
        return Ok(());
    };
    if !plane.has_controllers() {
        return skip::skip(
            test,
            "kube-controller-manager, which aggregates roles, is not to be had",
        );
    }
    let namespace = plane.namespace("roles", &[]).await?;
    let admin = plane.admin().await?;
    for role in ["view", "edit", "admin"] {
        let user = format!("--user={role}-of-{namespace}");
        let here = format!("--namespace={namespace}");
        let given = format!("--clusterrole={role}");
        let bind = ["create", "rolebinding", role, &given, &user, &here];
        let run = plane.kubectl(&bind).await?;
        ensure!(run.code == Some(0), "{}", run.said());
    }
    let user = |role: &str| format!("{role}-of-{namespace}");
    eventually("the roles are aggregated", async || {
        let sees = may(&admin, &user("admin"), "list", "tenants", &namespace.name).await?;
        let writes = may(
            &admin,
            &user("admin"),
            "create",
            "apiaudiences",
            &namespace.name,
        )
        .await?;
        ensure!(sees && writes, "{sees} {writes}");
        Ok(())
    })
    .await?;
    for (role, verb, resource, expected) in [
        ("view", "get", "tenants", true),
        ("view", "watch", "apiaudiences", true),
        ("view", "create", "apiaudiences", false),
        ("view", "patch", "customdomains", false),
        ("edit", "list", "customdomains", true),
        ("edit", "create", "apiaudiences", true),
        ("edit", "create", "applications", true),
        ("view", "list", "applications", true),
        ("edit", "delete", "customdomains", true),
        ("edit", "create", "tenants", false),
        ("admin", "update", "apiaudiences", true),
        ("admin", "create", "tenants", false),
        ("admin", "patch", "tenants", false),
        ("admin", "delete", "tenants", false),
        ("admin", "patch", "tenants/status", false),
        ("admin", "update", "apiaudiences/status", false),
        ("admin", "update", "applications/status", false),
    ] {
        let allowed = may(&admin, &user(role), verb, resource, &namespace.name).await?;
        assert_eq!(allowed, expected, "{role}: {verb} {resource}");
    }
    Ok(())
}

/// The pods of the charts, in a namespace that takes restricted ones only.
#[tokio::test]
async fn the_pods_pass_the_restricted_standard() -> Result<()> {
    let Some(plane) = installed("charts::the_pods_pass_the_restricted_standard").await? else {
        return Ok(());
    };
    let label = ("pod-security.kubernetes.io/enforce", "restricted");
    let namespace = plane.namespace("restricted", &[label]).await?;
    let rendered = helm(
        plane,
        &["template", "mintage", "charts/mintage", "-n", NAMESPACE],
    )
    .await?;
    let pods: Api<Pod> = Api::namespaced(plane.admin().await?, &namespace.name);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut seen = 0;
    for document in serde_yaml::Deserializer::from_str(&rendered) {
        let object = Value::deserialize(document)?;
        let spec = match object["kind"].as_str() {
            Some("Deployment" | "Job") => &object["spec"]["template"]["spec"],
            Some("Pod") => &object["spec"],
            _ => continue,
        };
        let mut spec = spec.clone();
        // The account is in the release's own namespace.
        spec["serviceAccountName"] = "default".into();
        let pod = |spec: &Value| {
            let pod = json!({ "metadata": { "name": "a" }, "spec": spec });
            serde_json::from_value::<Pod>(pod)
        };
        pods.create(&dry, &pod(&spec)?).await?;
        spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
        let looser = pods.create(&dry, &pod(&spec)?).await;
        ensure!(looser.is_err(), "the namespace takes anything");
        seen += 1;
    }
    assert_eq!(seen, 3);
    Ok(())
}

/// The operator, as its `ServiceAccount`, writes the CA of its own webhook; an upgrade leaves it.
#[tokio::test]
async fn an_upgrade_keeps_the_ca_that_the_operator_wrote() -> Result<()> {
    let Some(plane) = installed("charts::an_upgrade_keeps_the_ca_that_the_operator_wrote").await?
    else {
        return Ok(());
    };
    let operator = plane.service_account_client(NAMESPACE, "mintage").await?;
    let api: Api<MutatingWebhookConfiguration> = Api::all(operator);
    let entries = ["namespace.inject.mintage.dev", "pod.inject.mintage.dev"];
    let bundle = "Zm9v";
    let patch = json!({
        "webhooks": entries.map(|name| json!({
            "name": name, "clientConfig": { "caBundle": bundle },
        })),
    });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    // A strategic patch merges the entries by their names.
    api.patch("mintage", &params, &Patch::Strategic(patch))
        .await?;
    let arguments = ["upgrade", "mintage", "charts/mintage", "-n", NAMESPACE];
    let changed = ["--reuse-values", "--set", "webhook.timeoutSeconds=6"];
    helm(plane, &[&arguments[..], &changed[..]].concat()).await?;
    let after = api.get("mintage").await?;
    let webhooks = after.webhooks.context("no webhooks")?;
    assert_eq!(webhooks.len(), 2);
    for webhook in webhooks {
        assert_eq!(webhook.timeout_seconds, Some(6));
        let kept = webhook
            .client_config
            .ca_bundle
            .context("the bundle is gone")?;
        assert_eq!(kept.0, b"foo", "{}", webhook.name);
    }
    // Another's configuration is none of its business.
    let error = api.get("other").await.unwrap_err();
    ensure!(
        matches!(&error, kube::Error::Api(status) if status.code == 403),
        "{error}"
    );
    Ok(())
}

/// The definitions and the keys outlive both releases.
#[tokio::test]
async fn definitions_and_keys_outlive_the_releases() -> Result<()> {
    let test = "charts::definitions_and_keys_outlive_the_releases";
    let options = Options {
        definitions: false,
        ..Options::default()
    };
    let Some(plane) = mintage_tests::cluster::private(test, options).await? else {
        return Ok(());
    };
    if let Err(reason) = mintage_tests::cluster::command_line("helm")? {
        return skip::skip(test, &reason);
    }
    installs_and_goes(&plane).await
}

async fn installs_and_goes(plane: &ControlPlane) -> Result<()> {
    helm(plane, &["install", "mintage-crds", "charts/mintage-crds"]).await?;
    let mintage = ["install", "mintage", "charts/mintage", "-n", NAMESPACE];
    helm(plane, &[&mintage[..], &["--create-namespace"]].concat()).await?;
    // By the folder of the README, whose pods are not the subject.
    let examples = workspace().join("examples/quickstart");
    for file in ["namespaces.yaml", "tenants.yaml"] {
        let file = examples.join(file);
        let file = file.to_str().context("it is not UTF-8")?;
        let run = plane.kubectl(&["apply", "-f", file]).await?;
        ensure!(run.code == Some(0), "{}", run.said());
    }
    let operator = plane.service_account_client(NAMESPACE, "mintage").await?;
    let secrets: Api<Secret> = Api::namespaced(operator, "identity");
    let labels = [("mintage.dev/managed", "keyring")];
    let keyring = secret("mintage-tenant-keys.acme", &labels);
    secrets.create(&PostParams::default(), &keyring).await?;

    // The hook's Job would need a node.
    helm(
        plane,
        &["uninstall", "mintage", "-n", NAMESPACE, "--no-hooks"],
    )
    .await?;
    helm(plane, &["uninstall", "mintage-crds"]).await?;
    let run = plane
        .kubectl(&["get", "tenants", "-A", "--output=name"])
        .await?;
    ensure!(
        run.out.contains("tenant.mintage.dev/acme"),
        "{}",
        run.said()
    );
    let secrets: Api<Secret> = Api::namespaced(plane.admin().await?, "identity");
    secrets.get("mintage-tenant-keys.acme").await?;

    // Installed anew, Helm takes up the definitions that it left.
    helm(plane, &["install", "mintage-crds", "charts/mintage-crds"]).await?;
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(plane.admin().await?);
    ensure!(configurations.get_opt("mintage").await?.is_none());
    helm(plane, &mintage).await?;
    Ok(())
}
