//! Whatever the way, the end is the same; and at the end there is silence.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use mintage_crds::{ApiAudience, CustomDomain, Tenant};
use mintage_tests::cluster::{Event, within};
use mintage_tests::dice::Dice;
use mintage_tests::operator::{ACCOUNT, NAMESPACE, Options};
use serde_json::{Value, json};

use super::scene::{PATIENCE, Scene};

const TENANTS: [&str; 3] = ["t0", "t1", "t2"];
const NAMESPACES: [&str; 5] = ["n0", "n1", "n2", "n3", "n4"];

/// What there is to be in the end.
#[derive(Default)]
struct Declared {
    tenants: BTreeMap<usize, Value>,
    audiences: BTreeMap<usize, (String, Value)>,
    /// Where each API has ever been: its identifier stays with that place for a while after it is gone.
    places: BTreeMap<usize, (String, Value)>,
}

impl Declared {
    /// One more edit, made in the cluster, too.
    async fn edit(&mut self, dice: &mut Dice, scene: &Scene) -> Result<()> {
        match dice.roll(10) {
            0 | 1 => {
                let number = dice.roll(TENANTS.len());
                let age = ["24h", "12h"][dice.roll(2)];
                let spec = json!({
                    "domain": format!("t{number}.test"),
                    "allowedNamespaces": if dice.roll(4) == 0 { json!({"from": "Same"}) } else { json!({"from": "All"}) },
                    "maxBundleAge": age,
                });
                scene
                    .tenant(&format!("identity/{}", TENANTS[number]), spec.clone())
                    .await?;
                self.tenants.insert(number, spec);
            }
            2 => {
                let number = dice.roll(10);
                if let Some((namespace, _)) = self.audiences.remove(&number) {
                    let api: Api<ApiAudience> = Api::namespaced(scene.client.clone(), &namespace);
                    api.delete(&format!("a{number}"), &DeleteParams::default())
                        .await?;
                }
            }
            _ => {
                let number = dice.roll(10);
                // Place and tenant cannot be changed.
                let fresh = (
                    NAMESPACES[dice.roll(NAMESPACES.len())].to_owned(),
                    json!({"name": TENANTS[dice.roll(TENANTS.len())], "namespace": "identity"}),
                );
                let (namespace, tenant) = self.places.entry(number).or_insert(fresh).clone();
                let scopes = ["read", "write", "admin"];
                let grants: Vec<Value> = (0..dice.roll(4))
                    .map(|_| json!({
                        "workload": {"namespace": NAMESPACES[dice.roll(NAMESPACES.len())], "serviceAccount": format!("s{}", dice.roll(3))},
                        "scopes": [scopes[dice.roll(3)]],
                    }))
                    .collect();
                let life = [600, 3600][dice.roll(2)];
                let spec = json!({
                    "tenantRef": tenant,
                    "identifier": format!("https://a{number}.test"),
                    // ES256: made in a moment.
                    "signingAlgorithm": "ES256",
                    "tokenLifetimeSeconds": life,
                    "scopes": scopes[..=dice.roll(3)].iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
                    "grants": grants,
                });
                scene
                    .audience(&format!("{namespace}/a{number}"), spec.clone())
                    .await?;
                self.audiences.insert(number, (namespace, spec));
            }
        }
        Ok(())
    }
}

/// What statuses and Secrets say, without what depends on the way there: keys, versions and times.
async fn outcome(scene: &Scene) -> Result<BTreeMap<String, String>> {
    let mut outcome = BTreeMap::new();
    let mut add = |kind: &str, at: String, status: Value, generation: Option<i64>| {
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let conditions: Vec<_> = conditions
            .iter()
            .map(|one| {
                format!(
                    "{}={} {}: {}",
                    one["type"], one["status"], one["reason"], one["message"]
                )
            })
            .collect();
        let current = status["observedGeneration"] == json!(generation);
        outcome.insert(
            format!("{kind} {at}"),
            format!(
                "current: {current}, {conditions:?} {}",
                status["undeclaredScopes"]
            ),
        );
    };
    let all = ListParams::default();
    for object in Api::<Tenant>::all(scene.client.clone()).list(&all).await? {
        add(
            "Tenant",
            place(&object),
            serde_json::to_value(&object.status)?,
            object.metadata.generation,
        );
    }
    for object in Api::<ApiAudience>::all(scene.client.clone())
        .list(&all)
        .await?
    {
        add(
            "ApiAudience",
            place(&object),
            serde_json::to_value(&object.status)?,
            object.metadata.generation,
        );
    }
    for object in Api::<CustomDomain>::all(scene.client.clone())
        .list(&all)
        .await?
    {
        add(
            "CustomDomain",
            place(&object),
            serde_json::to_value(&object.status)?,
            object.metadata.generation,
        );
    }
    Ok(outcome)
}

fn place(object: &impl kube::ResourceExt) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

/// The writes of the operator among some requests; renewing the Lease is no news.
pub fn writes(events: &[Event]) -> Vec<String> {
    let account = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    events
        .iter()
        .filter(|event| event.user == account && event.resource != "leases")
        .filter(|event| !matches!(event.verb.as_str(), "get" | "list" | "watch"))
        .map(|event| {
            format!(
                "{} {} {}/{} {}",
                event.verb, event.resource, event.namespace, event.name, event.code
            )
        })
        .collect()
}

/// Waits until the operator writes nothing for a while.
pub async fn silence(scene: &Scene, time: Duration) -> Result<()> {
    within(
        PATIENCE,
        "the operator has nothing more to write",
        async || {
            let mark = scene.plane.audit_mark();
            tokio::time::sleep(time).await;
            let writes = writes(&scene.plane.audit_since(mark)?);
            ensure!(writes.is_empty(), "{writes:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn whatever_the_way_the_end_is_that_of_a_fresh_start_and_then_nothing_is_written()
-> Result<()> {
    let name = "operator::convergence::whatever_the_way_the_end_is_that_of_a_fresh_start_and_then_nothing_is_written";
    let Some(scene) = Scene::start(name).await? else {
        return Ok(());
    };
    scene.namespace("identity", &json!({})).await?;
    for namespace in NAMESPACES {
        scene.opted_in(namespace).await?;
    }
    // A resync each second, so that ten of them are soon over.
    let options = Options::with(&[
        "--resync-seconds",
        "1",
        // A crash does not give the Lease back.
        "--lease-duration",
        "2s",
        "--lease-deadline",
        "1500ms",
        "--lease-retry",
        "200ms",
    ]);
    let mut operator = scene.operator(&options).await?;

    let seed = 20_261_125;
    let mut dice = Dice::new(seed);
    let mut declared = Declared::default();
    for _ in 0..120 {
        declared.edit(&mut dice, &scene).await?;
        if dice.roll(4) == 0 {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        if dice.roll(40) == 0 {
            operator.kill().await?;
            operator = scene.operator(&options).await?;
        }
    }
    operator.leads().await?;
    silence(&scene, Duration::from_secs(3)).await?;
    let way = outcome(&scene).await?;
    ensure!(way.len() > 5, "{way:?}");

    // Ten resyncs, and not one write.
    let mark = scene.plane.audit_mark();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let written = writes(&scene.plane.audit_since(mark)?);
    ensure!(written.is_empty(), "{written:?}");
    operator.terminate().await?;

    // The same manifests in a cluster that has seen nothing else.
    let fresh = Scene::start(name).await?.context("there was one before")?;
    fresh.namespace("identity", &json!({})).await?;
    for namespace in NAMESPACES {
        fresh.opted_in(namespace).await?;
    }
    for (number, spec) in &declared.tenants {
        fresh
            .tenant(&format!("identity/{}", TENANTS[*number]), spec.clone())
            .await?;
    }
    for (number, (namespace, spec)) in &declared.audiences {
        fresh
            .audience(&format!("{namespace}/a{number}"), spec.clone())
            .await?;
    }
    let straight = fresh.operator(&options).await?;
    straight.leads().await?;
    silence(&fresh, Duration::from_secs(3)).await?;
    let straight = outcome(&fresh).await?;
    ensure!(way == straight, "seed {seed}:\n{way:#?}\n{straight:#?}");
    Ok(())
}
