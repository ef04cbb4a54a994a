//! Operators are killed at random moments while manifests change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use mintage_core::bundle::KeyringFile;
use mintage_core::managed::LABEL;
use mintage_tests::cluster::within;
use mintage_tests::dice::Dice;
use mintage_tests::operator::NAMESPACE;
use mintage_tests::stage::{Report, Stage, say};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::long;
use super::traffic::operators;

/// How many APIs come and go.
const APIS: usize = 6;

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let seed = u64::from(std::process::id());
    say(&format!("the seed of this run is {seed}"));
    let time = long()? / 2;
    let keys = keys(stage).await?;
    ensure!(!keys.is_empty(), "there are no keys");
    let what = format!("{time:?} of changes, with operators killed at random moments");
    let end = Instant::now() + time;
    let chaos = async {
        tokio::try_join!(
            change(stage, Dice::new(seed), end),
            kill(stage, Dice::new(seed + 1), end),
        )
    };
    let (changes, kills) = report.step(what, chaos).await?;
    let what = format!("after {changes} changes and {kills} kills all that is declared is served");
    report.step(what, settled(stage)).await?;
    let what = "no key was replaced";
    let kept = async {
        let now = self::keys(stage).await?;
        // Others may have come: there are more APIs now.
        let lost: Vec<_> = keys.difference(&now).collect();
        ensure!(lost.is_empty(), "there were {lost:?}, and are {now:?}");
        Ok(())
    };
    report.step(what, kept).await?;
    let what = "operators that start afresh find nothing to write";
    report.step(what, afresh(stage)).await
}

/// Makes, changes and deletes APIs; how often.
async fn change(stage: &Stage, mut dice: Dice, end: Instant) -> Result<u32> {
    let mut count = 0;
    while Instant::now() < end {
        let name = format!("api-{}", dice.roll(APIS));
        if dice.roll(4) == 0 {
            let delete = ["delete", "apiaudience", &name, "--ignore-not-found"];
            stage.kubectl("orders", &delete).await?;
        } else {
            let grants: Vec<Value> = [("shop", "checkout"), ("payments", "api")]
                .into_iter()
                .filter(|_| dice.roll(2) == 0)
                .map(|(namespace, account)| {
                    json!({ "workload": { "namespace": namespace, "serviceAccount": account }, "scopes": ["read"] })
                })
                .collect();
            let audience = json!({
                "apiVersion": "mintage.dev/v1alpha1",
                "kind": "ApiAudience",
                "metadata": { "name": name, "namespace": "orders" },
                "spec": {
                    "tenantRef": { "namespace": "identity", "name": "acme" },
                    "identifier": format!("https://{name}.example.com"),
                    "tokenLifetimeSeconds": 3600 + dice.roll(3600),
                    "scopes": [{ "name": "read" }],
                    "grants": grants,
                },
            });
            stage.apply("changing.json", &audience.to_string()).await?;
        }
        count += 1;
        sleep(dice.time(Duration::from_secs(2))).await;
    }
    Ok(count)
}

/// Ends one of the operators without notice, again and again; how often.
async fn kill(stage: &Stage, mut dice: Dice, end: Instant) -> Result<u32> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let at_once = DeleteParams::default().grace_period(0);
    let mut count = 0;
    while Instant::now() < end {
        sleep(dice.time(Duration::from_secs(12))).await;
        let running = operators(stage).await?;
        if let Some(pod) = running.get(dice.roll(running.len().max(1))) {
            match pods.delete(&pod.name_any(), &at_once).await {
                Ok(_) => count += 1,
                // It was gone already, and was not killed.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(count)
}

/// Each API's status is about what is declared now.
async fn settled(stage: &Stage) -> Result<()> {
    let ready = ["rollout", "status", "deployment/mintage", "--timeout=120s"];
    stage.kubectl(NAMESPACE, &ready).await?;
    within(Duration::from_mins(1), "all is served", async || {
        let get = ["get", "apiaudiences", "--output", "json"];
        let all: Value = serde_json::from_str(&stage.kubectl("orders", &get).await?)?;
        for one in all["items"].as_array().context("no items")? {
            let status = &one["status"];
            let conditions = status["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            let ready = conditions.find(|one| one["type"] == "Ready");
            let ready = ready.is_some_and(|one| one["status"] == "True");
            let current = status["observedGeneration"] == one["metadata"]["generation"];
            ensure!(ready && current, "{}: {status}", one["metadata"]["name"]);
        }
        Ok(())
    })
    .await
}

/// Other operators change nothing of what the last ones left.
async fn afresh(stage: &Stage) -> Result<()> {
    // What was just settled may be on its way into the last Secret.
    sleep(Duration::from_secs(10)).await;
    let before = secrets(stage).await?;
    stage
        .kubectl(NAMESPACE, &["rollout", "restart", "deployment/mintage"])
        .await?;
    let ready = ["rollout", "status", "deployment/mintage", "--timeout=120s"];
    stage.kubectl(NAMESPACE, &ready).await?;
    // The new ones have the Lease when the old ones are gone, and plan at once.
    sleep(Duration::from_secs(30)).await;
    let after = secrets(stage).await?;
    for (name, version) in &before {
        ensure!(
            after.get(name) == Some(version),
            "{name} was written, or is gone"
        );
    }
    ensure!(
        after.len() == before.len(),
        "there are new Secrets: {:?}",
        after.keys()
    );
    settled(stage).await
}

/// What the operator keeps, by namespace and name: who wrote last is in the version.
async fn secrets(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let managed = managed(stage).await?.into_iter();
    Ok(managed
        .map(|(name, secret)| (name, secret.resource_version().unwrap_or_default()))
        .collect())
}

/// The names of the keys that namespaces can sign with, each behind that of its Secret.
async fn keys(stage: &Stage) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (name, secret) in managed(stage).await? {
        let data = secret.data.unwrap_or_default();
        if let Some(keyring) = data.get("keyring.json") {
            let keyring = KeyringFile::parse(&keyring.0)?;
            let kids = keyring
                .keys
                .iter()
                .map(|entry| format!("{name}/{}", entry.kid));
            names.extend(kids);
        }
    }
    Ok(names)
}

async fn managed(stage: &Stage) -> Result<BTreeMap<String, Secret>> {
    let api: Api<Secret> = Api::all(stage.client.clone());
    let all = api.list(&ListParams::default().labels(LABEL)).await?.items;
    let named = |secret: Secret| {
        let namespace = secret.namespace().unwrap_or_default();
        (format!("{namespace}/{}", secret.name_any()), secret)
    };
    Ok(all.into_iter().map(named).collect())
}
