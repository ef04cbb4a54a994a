//! Pods that the API server admits, and stores, with their sidecars.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams};
use mintage_core::Namespace;
use mintage_operator::inject::{Injection, Outcome, Settings, inject};
use mintage_operator::snapshot::Snapshot;
use mintage_operator::tls::Policy;
use mintage_operator::webhook::Answered;
use mintage_tests::cluster::eventually;
use serde_json::{Value, json};

use super::scene::{Hook, OURS, Scene, container, initial, pod};

#[tokio::test]
async fn an_injected_pod_passes_the_restricted_standard() -> Result<()> {
    let test = "injection::pods::an_injected_pod_passes_the_restricted_standard";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let own = container("migrate");
    let made = scene
        .make(json!({ "spec": { "initContainers": [own] } }))
        .await?;
    ensure!(
        initial(&made)? == ["mintage-sidecar", "migrate"],
        "{made:#}"
    );
    ensure!(made["spec"]["initContainers"][0]["restartPolicy"] == "Always");
    ensure!(made["metadata"]["labels"]["mintage.dev/injected"] == "true");
    let env = made["spec"]["containers"][0]["env"]
        .as_array()
        .context("no env")?;
    ensure!(env[0] == json!({ "name": "MINTAGE_URL", "value": "http://127.0.0.1:7600" }));
    let workload =
        json!({ "name": "MINTAGE_WORKLOAD", "value": format!("{}/default", scene.shop) });
    let of_sidecar = made["spec"]["initContainers"][0]["env"]
        .as_array()
        .context("no env")?;
    ensure!(of_sidecar.contains(&workload), "{of_sidecar:?}");
    // The standard is enforced here: the app alone breaks it.
    let root = json!({ "spec": { "securityContext": { "runAsNonRoot": false } } });
    let refusal = scene.refusal(root).await?;
    ensure!(
        refusal.message.contains("violates PodSecurity"),
        "{refusal:?}"
    );
    Ok(())
}

/// The same injection without the sidecar's own security context.
fn unrestricted(
    snapshot: &Snapshot,
    namespace: &Namespace,
    pod: &Value,
    settings: &Settings,
) -> Outcome {
    let Outcome::Injected(mut injection) = inject(snapshot, namespace, pod, settings) else {
        return Outcome::Unchanged {
            warnings: Vec::new(),
        };
    };
    for operation in &mut injection.patch.0 {
        if let json_patch::PatchOperation::Add(add) = operation {
            let container = add.value.as_array_mut().and_then(|items| items.first_mut());
            if let Some(container) = container.filter(|one| one["name"] == "mintage-sidecar") {
                container["securityContext"] = Value::Null;
            }
        }
    }
    Outcome::Injected(injection)
}

/// The control of the test above: it is the sidecar's context that lets the pod pass.
#[tokio::test]
async fn a_sidecar_without_its_context_would_not_pass() -> Result<()> {
    let test = "injection::pods::a_sidecar_without_its_context_would_not_pass";
    let with = Hook {
        name: "unrestricted.mintage.dev",
        inject: unrestricted,
        reinvocation: "Never",
    };
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    scene.make(json!({})).await?;
    drop(scene);
    let Some(scene) = Scene::start_untested(test, &[with]).await? else {
        return Ok(());
    };
    eventually("the pod is refused for its sidecar", async || {
        let refusal = scene.refusal(json!({})).await?;
        let said = &refusal.message;
        ensure!(
            said.contains("violates PodSecurity") && said.contains("mintage-sidecar"),
            "{said}"
        );
        Ok(())
    })
    .await
}

fn late(_: &Snapshot, _: &Namespace, pod: &Value, _: &Settings) -> Outcome {
    let mut changed = pod.clone();
    let patch = json!([
        { "op": "add", "path": "/spec/initContainers/0", "value": container("late") },
        { "op": "add", "path": "/metadata/annotations/late", "value": "yes" },
    ]);
    let patch: json_patch::Patch = serde_json::from_value(patch).expect("a patch");
    json_patch::patch(&mut changed, &patch).expect("the sidecar has come before");
    Outcome::Injected(Box::new(Injection {
        patch,
        pod: changed,
        tenant: "identity/acme".parse().expect("a tenant"),
        warnings: Vec::new(),
    }))
}

/// A webhook that comes later adds a container, so ours is asked again; so are the API server's own plugins, which mount
/// the account's token into the sidecar as into any container.
#[tokio::test]
async fn a_pod_that_others_change_is_looked_at_again_and_has_one_sidecar() -> Result<()> {
    let test = "injection::pods::a_pod_that_others_change_is_looked_at_again_and_has_one_sidecar";
    let other = Hook {
        name: "later.mintage.dev",
        inject: late,
        reinvocation: "Never",
    };
    let Some(scene) = Scene::start(test, Policy::default(), &[OURS, other]).await? else {
        return Ok(());
    };
    let made = scene.make(json!({})).await?;
    ensure!(initial(&made)? == ["late", "mintage-sidecar"], "{made:#}");
    let late = &made["spec"]["initContainers"][0]["env"];
    ensure!(
        late[0]["name"] == "MINTAGE_URL",
        "what came later is told, too: {late}"
    );
    let volumes = made["spec"]["volumes"].to_string();
    ensure!(
        volumes.matches("\"name\":\"mintage\"").count() == 1,
        "{volumes}"
    );
    let mounts = &made["spec"]["initContainers"][1]["volumeMounts"];
    ensure!(
        mounts.to_string().contains("kubernetes.io/serviceaccount"),
        "the plugin had its turn: {mounts}"
    );
    Ok(())
}

/// What was stored is given back: nothing is to be changed, though the API server has filled in its defaults.
#[tokio::test]
async fn a_stored_pod_made_anew_is_left_as_it_is() -> Result<()> {
    let test = "injection::pods::a_stored_pod_made_anew_is_left_as_it_is";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let stored = scene.make(json!({})).await?;
    let mut copy: Pod = serde_json::from_value(stored.clone())?;
    copy.metadata.name = None;
    copy.metadata.resource_version = None;
    copy.metadata.uid = None;
    let before = scene.metrics.counted(Answered::Unchanged);
    let injected = scene.metrics.counted(Answered::Injected);
    let again = scene.pods().create(&PostParams::default(), &copy).await?;
    ensure!(scene.metrics.counted(Answered::Unchanged) > before);
    ensure!(
        scene.metrics.counted(Answered::Injected) == injected,
        "{again:#?}"
    );
    let again = serde_json::to_value(again)?;
    ensure!(again["spec"] == stored["spec"], "{again:#}");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_is_answered_and_stores_nothing() -> Result<()> {
    let test = "injection::pods::a_dry_run_is_answered_and_stores_nothing";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let made = serde_json::to_value(scene.dry_run(&pod(json!({}))?).await?)?;
    ensure!(initial(&made)? == ["mintage-sidecar"]);
    ensure!(
        scene
            .pods()
            .list(&ListParams::default())
            .await?
            .items
            .is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn pods_of_deployments_jobs_and_cron_jobs_have_sidecars() -> Result<()> {
    let test = "injection::pods::pods_of_deployments_jobs_and_cron_jobs_have_sidecars";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    if !scene.plane.has_controllers() {
        return mintage_tests::skip::skip(test, "there is no kube-controller-manager");
    }
    let template = |of: &str, restart: &str| -> Result<Value> {
        let mut template = serde_json::to_value(pod(json!({}))?)?;
        template["metadata"] = json!({ "labels": { "of": of } });
        template["spec"]["restartPolicy"] = json!(restart);
        Ok(template)
    };
    let params = PostParams::default();
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "app" },
        "spec": { "selector": { "matchLabels": { "of": "deployment" } }, "template": template("deployment", "Always")? },
    }))?;
    let deployments: Api<Deployment> = Api::namespaced(scene.client.clone(), &scene.shop.name);
    deployments.create(&params, &deployment).await?;
    let job: Job = serde_json::from_value(json!({
        "metadata": { "name": "task" }, "spec": { "template": template("job", "Never")? },
    }))?;
    let jobs: Api<Job> = Api::namespaced(scene.client.clone(), &scene.shop.name);
    jobs.create(&params, &job).await?;
    let cron: CronJob = serde_json::from_value(json!({
        "metadata": { "name": "often" },
        "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": { "spec": { "template": template("cron", "Never")? } },
        },
    }))?;
    let crons: Api<CronJob> = Api::namespaced(scene.client.clone(), &scene.shop.name);
    crons.create(&params, &cron).await?;
    // As `kubectl create job --from=cronjob/often` does, so that nobody waits for the minute.
    let job: Job = serde_json::from_value(json!({
        "metadata": { "name": "now" }, "spec": { "template": template("cron", "Never")? },
    }))?;
    jobs.create(&params, &job).await?;
    for of in ["deployment", "job", "cron"] {
        eventually(&format!("the pod of a {of} has a sidecar"), async || {
            let pods = scene
                .pods()
                .list(&ListParams::default().labels(&format!("of={of}")))
                .await?;
            let pod = serde_json::to_value(pods.items.first().context("no pod")?)?;
            ensure!(initial(&pod)? == ["mintage-sidecar"], "{pod:#}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn who_makes_a_pod_that_is_refused_reads_what_to_mend() -> Result<()> {
    let test = "injection::pods::who_makes_a_pod_that_is_refused_reads_what_to_mend";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let refusal = scene
        .refusal(json!({ "spec": { "shareProcessNamespace": true } }))
        .await?;
    ensure!(refusal.code == 403, "{refusal:?}");
    let said = "denied the request: mintage: with shareProcessNamespace";
    ensure!(refusal.message.contains(said), "{refusal:?}");
    let annotations = json!({ "mintage.dev/tenant": "identity/none" });
    let refusal = scene
        .refusal(json!({ "metadata": { "annotations": annotations } }))
        .await?;
    ensure!(
        refusal.message.contains("there is no tenant identity/none"),
        "{refusal:?}"
    );
    scene
        .make(json!({ "metadata": { "annotations": { "mintage.dev/tenant": "identity/acme" } } }))
        .await?;
    Ok(())
}
