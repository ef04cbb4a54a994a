//! Helm 4 takes over what Helm 3 made.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::objects::Objects;
use crate::stage::{Helm, Stage};

/// The kinds of the charts that carry labels of a release.
const KINDS: &str = "clusterroles,clusterrolebindings,configmaps,deployments,mutatingwebhookconfigurations,\
    networkpolicies,poddisruptionbudgets,podmonitors,prometheusrules,rolebindings,roles,serviceaccounts,services,\
    validatingadmissionpolicies,validatingadmissionpolicybindings";

/// What Helm 3 installs.
fn first() -> Value {
    json!({
        "dashboard": { "enabled": true },
        "podMonitor": { "enabled": true },
        "prometheusRule": { "enabled": true },
        "commonLabels": { "team": "a", "tier": "a" },
    })
}

/// What Helm 3 makes of it.
fn second() -> Value {
    json!({
        "dashboard": { "enabled": true },
        "podMonitor": { "enabled": true, "interval": "10s" },
        "prometheusRule": { "enabled": true },
        "commonLabels": { "team": "b", "tier": "a" },
        "admissionPolicies": { "exemptUsers": ["restorer"] },
        "extraArgs": ["--threads=3"],
        "podAnnotations": { "note": "second" },
        "replicas": 3,
        "serviceAccount": { "annotations": { "note": "second" } },
        "tolerations": [{ "key": "dedicated", "operator": "Exists" }],
        "tracing": { "otlpEndpoint": "http://collector:4318" },
        "webhook": { "excludedNamespaces": ["legacy"], "timeoutSeconds": 6 },
    })
}

/// What Helm 4 makes of that: values are changed, fields and items of lists go and come, and so do objects.
fn third() -> Value {
    json!({
        "dashboard": { "enabled": true, "annotations": { "folder": "third" } },
        "prometheusRule": { "enabled": true, "certificateHours": 12 },
        "commonLabels": { "tier": "c", "zone": "z" },
        "admissionPolicies": { "exemptUsers": ["archivist", "restorer"] },
        "extraArgs": ["--resync-minutes=5", "--threads=2"],
        "log": { "level": "debug" },
        "networkPolicy": { "enabled": false },
        "replicas": 1,
        "resources": { "requests": { "cpu": "20m" }, "limits": { "memory": "256Mi" } },
        "topologySpread": { "keys": ["kubernetes.io/hostname"] },
        "webhook": { "timeoutSeconds": 7 },
    })
}

/// What a fresh install by Helm 4 comes to, and what its end leaves.
struct Fresh {
    objects: Objects,
    left: Vec<String>,
}

impl Fresh {
    async fn make(test: &str) -> Result<Self> {
        let stage = Stage::start(test).await?.context("there was one before")?;
        stage.install(Helm::Four, &third()).await?;
        let objects = stage.objects().await?;
        ensure!(objects.0.len() > 20, "{:?}", objects.0.keys());
        stage.uninstall().await?;
        let left = stage.left(KINDS).await?;
        Ok(Self { objects, left })
    }
}

/// Makes sure that two sets of objects say the same.
fn same(what: &str, found: &Objects, expected: &Objects) -> Result<()> {
    let (found, expected) = (found.say(), expected.say());
    ensure!(
        found.keys().eq(expected.keys()),
        "{what}: {:?}, and there should be {:?}",
        found.keys(),
        expected.keys()
    );
    for (name, object) in &found {
        ensure!(
            *object == expected[name],
            "{what}: {name} is\n{object:#}\nand should be\n{:#}",
            expected[name]
        );
    }
    Ok(())
}

/// Makes sure that Helm owns the same fields of each object, alone.
fn same_owner(what: &str, found: &Objects, expected: &Objects) -> Result<()> {
    let (found, expected) = (found.owned_by_helm()?, expected.owned_by_helm()?);
    for (name, owned) in &found {
        ensure!(
            *owned == expected[name],
            "{what}: of {name} Helm owns\n{owned:#?}\nand should own\n{:#?}",
            expected[name]
        );
    }
    Ok(())
}

async fn take_over(test: &str, options: &[&str], applies: bool) -> Result<()> {
    let Some(stage) = Stage::start(test).await? else {
        return Ok(());
    };
    let version = stage.helm(Helm::Three, &["version", "--short"]).await?;
    ensure!(version.starts_with("v3."), "{version}");
    let version = stage.helm(Helm::Four, &["version", "--short"]).await?;
    ensure!(version.starts_with("v4."), "{version}");

    stage.install(Helm::Three, &first()).await?;
    let mut operator = stage.operator().await?;
    stage.declare().await?;
    stage.upgrade(Helm::Three, &second(), &[]).await?;
    let at_second = stage.objects().await?;
    let lives = stage.settled().await?;

    stage.upgrade(Helm::Four, &third(), options).await?;
    let taken = stage.objects().await?;
    let fresh = Fresh::make(test).await?;
    same("after the upgrade", &taken, &fresh.objects)?;
    for (name, owned) in taken.owned_by_helm()? {
        let expected = if applies { "Apply" } else { "Update" };
        ensure!(owned.operation == expected, "{name}: {}", owned.operation);
    }
    if applies {
        same_owner("after the upgrade", &taken, &fresh.objects)?;
    }
    stage.authority_is_kept().await?;

    // Once more, and nothing is changed.
    stage.upgrade(Helm::Four, &third(), options).await?;
    let again = stage.objects().await?;
    ensure!(
        again.versions() == taken.versions(),
        "{:?}\n{:?}",
        taken.versions(),
        again.versions()
    );

    // Back to what Helm 3 made, and forth.
    stage.roll_back("2", options).await?;
    let back = stage.objects().await?;
    same("after the rollback", &back, &at_second)?;
    stage.authority_is_kept().await?;
    stage.upgrade(Helm::Four, &third(), options).await?;
    let forth = stage.objects().await?;
    same("after the rollback and an upgrade", &forth, &fresh.objects)?;
    if applies {
        same_owner("after the rollback and an upgrade", &forth, &fresh.objects)?;
    } else {
        forth.owned_by_helm()?;
    }
    let history = stage.history().await?;
    ensure!(
        history.len() == 6 && history[5] == "6 deployed",
        "{history:?}"
    );

    // All the while the operator had nothing to do, and nobody touched what is declared.
    let after = stage.lives().await?;
    ensure!(lives == after, "{lives:#?}\n{after:#?}");
    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );

    stage.uninstall().await?;
    let left = stage.left(KINDS).await?;
    let kept = "customresourcedefinition.";
    ensure!(left.iter().all(|one| one.starts_with(kept)), "{left:?}");
    ensure!(left == fresh.left, "{left:?}, and not {:?}", fresh.left);
    let after = stage.lives().await?;
    ensure!(lives == after, "{lives:#?}\n{after:#?}");

    // What is left serves the next release.
    stage.install(Helm::Four, &third()).await?;
    same("installed anew", &stage.objects().await?, &fresh.objects)?;
    let mut operator = stage.operator().await?;
    let after = stage.settled().await?;
    ensure!(lives == after, "{lives:#?}\n{after:#?}");
    operator.terminate().await?;
    Ok(())
}

#[tokio::test]
async fn helm_4_goes_on_merging_what_helm_3_made() -> Result<()> {
    let test = "takeover::helm_4_goes_on_merging_what_helm_3_made";
    take_over(test, &[], false).await
}

#[tokio::test]
async fn helm_4_applies_what_helm_3_merged() -> Result<()> {
    let test = "takeover::helm_4_applies_what_helm_3_merged";
    take_over(test, &["--server-side=true"], true).await
}
