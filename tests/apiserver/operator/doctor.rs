//! `kubectl mintage doctor`, as kubectl itself starts it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use mintage_tests::cluster::{free_port, within};
use mintage_tests::quickstart;
use serde_json::{Value, json};

use super::plugin::Admin;

const PATIENCE: Duration = Duration::from_mins(1);

impl Admin {
    /// What the doctor finds: codes and objects. Its exit code must agree.
    async fn findings(&self, options: &str) -> Result<Vec<(String, String)>> {
        let run = self.says(&format!("doctor -o json{options}")).await?;
        let said = run.json().with_context(|| run.said())?;
        let findings = said["findings"].as_array().context("no findings")?;
        let code = i32::from(!findings.is_empty());
        ensure!(run.code == Some(code), "{:?}: {}", run.code, run.said());
        let findings = findings.iter().map(|finding| {
            for field in ["found", "matters", "mend"] {
                let text = finding[field].as_str().unwrap_or_default();
                ensure!(text.len() > 5, "{field} is missing: {finding}");
            }
            let text = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
            Ok((text("code"), text("object")))
        });
        findings.collect()
    }

    async fn finds(&self, code: &str, object: &str) -> Result<()> {
        within(PATIENCE, &format!("{code} is found"), async || {
            let found = self.findings("").await?;
            let wanted = (code.to_owned(), object.to_owned());
            ensure!(found.contains(&wanted), "{code} {object}: {found:?}");
            Ok(())
        })
        .await
    }

    pub async fn account(&self, at: &str) -> Result<()> {
        let (namespace, name) = at.split_once('/').context("<namespace>/<name>")?;
        let api: Api<ServiceAccount> = Api::namespaced(self.0.client.clone(), namespace);
        let object = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// Makes a pod that no kubelet starts; the status is what one would say.
    pub async fn pod(&self, at: &str, account: &str, labels: Value, ready: bool) -> Result<()> {
        let (namespace, name) = at.split_once('/').context("<namespace>/<name>")?;
        let api: Api<Pod> = Api::namespaced(self.0.client.clone(), namespace);
        let pod = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": labels },
            "spec": {
                "serviceAccountName": account,
                "automountServiceAccountToken": false,
                "containers": [{ "name": "app", "image": "app.test/app" }],
                "initContainers": [{ "name": "mintage-sidecar", "image": "x.test/x", "restartPolicy": "Always" }],
            },
        }))?;
        api.create(&PostParams::default(), &pod).await?;
        let sidecar = json!({ "name": "mintage-sidecar", "image": "", "imageID": "",
            "ready": ready, "restartCount": 4 });
        let status =
            json!({ "status": { "phase": "Running", "initContainerStatuses": [sidecar] } });
        let params = PatchParams::default();
        api.patch_status(name, &params, &Patch::Merge(&status))
            .await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_cluster_without_mintage_is_told_what_to_install() -> Result<()> {
    let test = "operator::doctor::a_cluster_without_mintage_is_told_what_to_install";
    let Some(admin) = Admin::new(test).await? else {
        return Ok(());
    };
    let found = admin.findings("").await?;
    for code in ["operator-missing", "webhook-missing", "not-looked-at"] {
        ensure!(
            found.iter().any(|(one, _)| one == code),
            "{code}: {found:?}"
        );
    }
    ensure!(
        !found.iter().any(|(code, _)| code.starts_with("definition")),
        "{found:?}"
    );
    let gone = [
        "delete",
        "customresourcedefinition",
        "customdomains.mintage.dev",
    ];
    let run = admin.0.plane.kubectl(&gone).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let definition = "CustomResourceDefinition customdomains.mintage.dev";
    admin.finds("definition-missing", definition).await?;
    let said = admin.ends(1, "doctor").await?;
    for text in [
        "why it matters: nothing that is declared takes effect",
        "how to mend it: install the chart of this version: helm upgrade --install mintage-crds",
        "findings",
    ] {
        ensure!(said.contains(text), "{text}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn what_goes_wrong_is_found_and_what_is_mended_is_not() -> Result<()> {
    let test = "operator::doctor::what_goes_wrong_is_found_and_what_is_mended_is_not";
    let Some(admin) = Admin::new(test).await? else {
        return Ok(());
    };
    let scene = &admin.0;
    let none = json!({ "matchLabels": { "no": "pod-is-shown-to-it" } });
    let everywhere = json!({});
    let options = scene.webhook(free_port()?, none).await?;
    let operator = scene.operator(&options).await?;
    scene.webhook_trusted().await?;
    admin.all_is_ready().await?;
    for namespace in ["shop", "orders"] {
        admin
            .finds("namespace-left-out", &format!("Namespace {namespace}"))
            .await?;
    }
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(scene.client.clone());
    let name = mintage_tests::permissions::WEBHOOK;
    let entry =
        json!([{ "op": "replace", "path": "/webhooks/0/namespaceSelector", "value": everywhere }]);
    let patch: json_patch::Patch = serde_json::from_value(entry)?;
    let patch = Patch::Json::<()>(patch);
    webhooks
        .patch(name, &PatchParams::default(), &patch)
        .await?;

    // The quickstart's pods were made while the webhook did not look at them. Those that come after them have a sidecar,
    // once the API server has heard of the change; then nothing is found.
    let both = ["sidecar-missing", "sidecars-stale"];
    within(PATIENCE, "they are found", async || {
        let found = admin.findings("").await?;
        let has = |code: &str| found.iter().any(|(one, _)| one == code);
        ensure!(both.into_iter().all(has), "{found:?}");
        Ok(())
    })
    .await?;
    let gone = [
        "delete",
        "pods",
        "-A",
        "-l",
        "!mintage.dev/injected",
        "--wait=false",
    ];
    within(2 * PATIENCE, "nothing is found", async || {
        let run = scene.plane.kubectl(&gone).await?;
        ensure!(run.code == Some(0), "{}", run.said());
        let found = admin.findings("").await?;
        ensure!(found.is_empty(), "{found:?}");
        Ok(())
    })
    .await?;
    ensure!(admin.ends(0, "doctor").await?.contains("nothing is wrong"));

    // A keyring that somebody deletes comes back; a bundle's, too. While the operator is away they stay missing.
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "shop");
    drop(operator);
    let keyring = "mintage-keys.identity.acme";
    secrets.delete(keyring, &DeleteParams::default()).await?;
    admin
        .finds("keyring-missing", &format!("Secret shop/{keyring}"))
        .await?;
    within(PATIENCE, "nobody leads", async || {
        let found = admin.findings("").await?;
        ensure!(
            found
                .iter()
                .any(|(code, _)| code == "operator-without-leader"),
            "{found:?}"
        );
        Ok(())
    })
    .await?;

    // A pod that was made while the webhook did not look at it.
    let gone = ["delete", "mutatingwebhookconfiguration", name];
    let run = scene.plane.kubectl(&gone).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    admin
        .finds("webhook-missing", "MutatingWebhookConfiguration")
        .await?;
    admin.account("shop/late").await?;
    admin.pod("shop/late", "late", json!({}), true).await?;
    admin.finds("sidecar-missing", "Pod shop/late").await?;
    let injected = json!({ "mintage.dev/injected": "true" });
    admin.pod("shop/ill", "late", injected, false).await?;
    admin.finds("sidecar-not-ready", "Pod shop/ill").await?;
    admin.finds("sidecar-restarts", "Pod shop/ill").await?;
    let found = admin.findings(" -n orders").await?;
    ensure!(
        !found.iter().any(|(_, object)| object.contains("shop/")),
        "{found:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_namespace_user_sees_what_is_his_to_see() -> Result<()> {
    let test = "operator::doctor::a_namespace_user_sees_what_is_his_to_see";
    let Some(admin) = Admin::new(test).await? else {
        return Ok(());
    };
    let scene = &admin.0;
    for (what, rules) in [
        (
            "role",
            &[
                "create",
                "role",
                "see",
                "-n",
                "orders",
                "--verb=get,list,watch",
                "--resource=pods,serviceaccounts,apiaudiences.mintage.dev,applications.mintage.dev,customdomains.mintage.dev,tenants.mintage.dev",
            ][..],
        ),
        (
            "rolebinding",
            &[
                "create",
                "rolebinding",
                "see",
                "-n",
                "orders",
                "--role=see",
                "--user=olga",
            ],
        ),
    ] {
        let run = scene.plane.kubectl(rules).await?;
        ensure!(run.code == Some(0), "{what}: {}", run.said());
    }
    let olga = scene.plane.kubeconfig("olga", &[])?;
    let says = async |line: &str| {
        let words: Vec<&str> = ["mintage"].into_iter().chain(line.split(' ')).collect();
        scene.plane.tool("kubectl", &olga, &words).await
    };
    let run = says("doctor -n orders -o json").await?;
    let said = run.json().with_context(|| run.said())?;
    let findings = said["findings"].to_string();
    ensure!(run.code == Some(1), "{findings}");
    ensure!(
        findings.contains("not-looked-at") && findings.contains("ApiAudience orders/orders"),
        "{findings}"
    );
    ensure!(
        !findings.contains("operator-missing"),
        "she cannot know: {findings}"
    );
    let unread = said["notLookedAt"].to_string();
    for text in ["webhook", "Lease", "Deployment", "Secrets", "Namespaces"] {
        ensure!(unread.contains(text), "{text}: {unread}");
    }
    // In all namespaces she may see nothing, and that is no clean bill of health.
    let run = says("doctor").await?;
    ensure!(run.said().contains("not looked at:"), "{}", run.said());
    ensure!(!run.said().contains("nothing is wrong\n"), "{}", run.said());
    Ok(())
}

#[tokio::test]
async fn grants_to_nobody_and_objects_that_are_not_ready_are_found() -> Result<()> {
    let test = "operator::doctor::grants_to_nobody_and_objects_that_are_not_ready_are_found";
    let Some(admin) = Admin::new(test).await? else {
        return Ok(());
    };
    let scene = &admin.0;
    scene.apply(&quickstart()).await?;
    let operator = scene
        .operator(&mintage_tests::operator::Options::default())
        .await?;
    admin
        .finds("domain-not-verified", "CustomDomain identity/login")
        .await?;
    admin.all_is_ready().await?;
    admin
        .patch_orders(r#"[{"op":"add","path":"/spec/grants/-","value":{"workload":{"namespace":"shop","serviceAccount":"gone"},"scopes":["read:orders"]}}]"#)
        .await?;
    let found = admin.findings("").await?;
    let of_grant = found.iter().find(|(code, _)| code == "grant-to-nobody");
    let object = &of_grant.with_context(|| format!("{found:?}"))?.1;
    ensure!(
        object.starts_with("ApiAudience orders/orders, spec.grants["),
        "{object}"
    );
    let label = [
        "label",
        "namespace",
        "kube-node-lease",
        "mintage.dev/injection=enabled",
    ];
    let run = scene.plane.kubectl(&label).await?;
    ensure!(run.code == Some(0), "{}", run.said());
    within(
        PATIENCE,
        "a namespace without a tenant is found",
        async || {
            let found = admin.findings("").await?;
            let of_label = found
                .iter()
                .find(|(_, object)| object == "Namespace kube-node-lease");
            ensure!(
                of_label.is_some_and(|(code, _)| code.starts_with("tenant-")),
                "{found:?}"
            );
            Ok(())
        },
    )
    .await?;
    drop(operator);
    Ok(())
}
