//! F14: many tenants: rotations are spread, a start anew writes nothing, and one that fails delays no other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{TryStreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_core::UnixTime;
use mintage_core::bundle::{Bundle, join};
use mintage_core::keyring::{Key, Policy, next_due};
use mintage_crds::status::{READY, find};
use mintage_crds::{ApiAudience, Tenant};
use mintage_tests::cluster::within;
use mintage_tests::managed;
use mintage_tests::operator::{ACCOUNT, NAMESPACE, Operator, Options};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::convergence::{silence, writes};
use super::jail;
use super::scene::{PATIENCE, Scene};

/// How many tenants there are before any fails.
const TENANTS: usize = 150;

/// How many come at once later.
const BATCH: usize = 25;

/// How many fail because nothing can be written in their namespaces.
const FAILING: usize = 4;

/// The label of namespaces in which the operator can write no Secret.
const CLOSED: &str = "tests/closed";

/// The term of a key and the delay before it, as tenants have them that say nothing.
const ROTATION: i64 = 720 * 3600;
const DELAY: i64 = 300;

const HOUR: i64 = 3600;

fn tenant(name: &str) -> Value {
    json!({ "domain": format!("{name}.test") })
}

fn api(name: &str, life: u32) -> Value {
    json!({
        "tenantRef": {"name": "main", "namespace": name},
        "identifier": format!("https://{name}.test/api"),
        // Made in a moment.
        "signingAlgorithm": "ES256",
        "tokenLifetimeSeconds": life,
        "scopes": [{"name": "read"}],
        "grants": [{"workload": {"namespace": name, "serviceAccount": "app"}, "scopes": ["read"]}],
    })
}

/// A namespace of its own with a tenant, an API of it, and a client.
async fn declare(scene: &Scene, name: &str, labels: &Value) -> Result<()> {
    scene.namespace(name, labels).await?;
    scene.tenant(&format!("{name}/main"), tenant(name)).await?;
    scene
        .audience(&format!("{name}/api"), api(name, 600))
        .await?;
    Ok(())
}

async fn declare_all(scene: &Scene, names: &[String], labels: &Value) -> Result<()> {
    stream::iter(names.iter().map(Ok))
        .try_for_each_concurrent(16, async |name| declare(scene, name, labels).await)
        .await
}

fn names(word: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{word}{number:03}"))
        .collect()
}

/// The names whose tenant and API are both ready, as they are now declared.
async fn ready(scene: &Scene) -> Result<BTreeSet<String>> {
    let all = ListParams::default();
    let tenants: Api<Tenant> = Api::all(scene.client.clone());
    let mut ready = BTreeSet::new();
    for tenant in tenants.list(&all).await? {
        let status = tenant.status.clone().unwrap_or_default();
        let holds = find(&status.conditions, READY).is_some_and(|one| one.status == "True");
        if holds && status.observed_generation == tenant.metadata.generation {
            ready.insert(tenant.namespace().unwrap_or_default());
        }
    }
    let audiences: Api<ApiAudience> = Api::all(scene.client.clone());
    for audience in audiences.list(&all).await? {
        let status = audience.status.clone().unwrap_or_default();
        let holds = find(&status.conditions, READY).is_some_and(|one| one.status == "True");
        if !holds || status.observed_generation != audience.metadata.generation {
            ready.remove(&audience.namespace().unwrap_or_default());
        }
    }
    Ok(ready)
}

async fn all_ready(scene: &Scene, names: &[String]) -> Result<()> {
    let patience = Duration::from_mins(3);
    within(patience, "all of them are ready", async || {
        let ready = ready(scene).await?;
        let missing: Vec<_> = names.iter().filter(|name| !ready.contains(*name)).collect();
        ensure!(missing.is_empty(), "{missing:?} are not");
        Ok(())
    })
    .await
}

/// How long a batch of new tenants takes from the first request for them to the last status.
async fn batch(scene: &Scene, word: &str) -> Result<Duration> {
    let names = names(word, BATCH);
    let begun = Instant::now();
    declare_all(scene, &names, &json!({"mintage.dev/injection": "enabled"})).await?;
    all_ready(scene, &names).await?;
    Ok(begun.elapsed())
}

/// When each namespace's key is to be followed by another, by what the bundles say.
async fn rotations(scene: &Scene) -> Result<Vec<UnixTime>> {
    let policy = Policy {
        algs: BTreeMap::new(),
        propagation_delay: DELAY,
        rotation_period: ROTATION,
        brings: false,
    };
    let mut due = Vec::new();
    for secret in managed::secrets(&scene.client, "bundle").await? {
        let data = secret.data.unwrap_or_default();
        let shard = data.into_values().next().context("an empty bundle")?;
        let bundle: Bundle = join(&[Some(&shard.0)])?;
        let trusted = bundle.body.keys.into_iter();
        let own: Vec<Key> = trusted
            .filter(|one| one.namespace.as_ref() == Some(&bundle.body.namespace))
            .map(|one| one.key)
            .collect();
        ensure!(own.len() == 1, "{} keys", own.len());
        due.push(next_due(bundle.renewed_at, &own, &policy, None).context("it has no end")?);
    }
    due.sort();
    Ok(due)
}

/// Of tenants that were all made in one moment, no hour of the month has more than a few to rotate.
fn are_spread(due: &[UnixTime]) -> Result<()> {
    ensure!(due.len() == TENANTS, "{} rotations are due", due.len());
    let (first, last) = (due[0], due[due.len() - 1]);
    // A tenth of the term.
    ensure!(
        last.0 - first.0 > ROTATION / 10 * 8 / 10 && last.0 - first.0 <= ROTATION / 10 + 600,
        "they are due from {first:?} to {last:?}"
    );
    let most = due.iter().map(|from| {
        let until = UnixTime(from.0 + HOUR);
        due.iter().filter(|at| (*from..until).contains(at)).count()
    });
    let most = most.max().unwrap_or_default();
    // Two would be even.
    ensure!(most <= 12, "{most} are due within an hour");
    Ok(())
}

/// Refuses whatever Secret the operator would write in namespaces with a label.
async fn close(scene: &Scene) -> Result<()> {
    let account = jail::account();
    let policy = json!({
        "metadata": {"name": "tests-closed"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {CLOSED: "true"}},
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"], "resources": ["secrets"],
                }],
            },
            "validations": [{
                "expression": format!("request.userInfo.username != '{account}'"),
                "message": "the namespace is closed to the operator",
            }],
        },
    });
    let binding = json!({
        "metadata": {"name": "tests-closed"},
        "spec": {"policyName": "tests-closed", "validationActions": ["Deny"]},
    });
    let params = PostParams::default();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(scene.client.clone());
    policies
        .create(&params, &serde_json::from_value(policy)?)
        .await?;
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(scene.client.clone());
    bindings
        .create(&params, &serde_json::from_value(binding)?)
        .await?;
    scene
        .namespace("closed-probe", &json!({CLOSED: "true"}))
        .await?;
    let operators = scene
        .plane
        .service_account_client(NAMESPACE, ACCOUNT)
        .await?;
    let secrets: Api<Secret> = Api::namespaced(operators, "closed-probe");
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let probe: Secret = serde_json::from_value(json!({"metadata": {"name": "probe"}}))?;
    within(PATIENCE, "the namespaces are closed", async || {
        let outcome = secrets.create(&dry, &probe).await;
        ensure!(
            matches!(&outcome, Err(kube::Error::Api(status)) if status.message.contains("closed to the operator")),
            "{outcome:?}"
        );
        Ok(())
    })
    .await
}

/// Lets the operator write everywhere again.
async fn open(scene: &Scene) -> Result<()> {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(scene.client.clone());
    bindings
        .delete("tests-closed", &DeleteParams::default())
        .await?;
    Ok(())
}

/// What the status of a tenant says.
async fn says(scene: &Scene, name: &str, text: &str) -> Result<()> {
    let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), name);
    within(PATIENCE, &format!("{name} says: {text}"), async || {
        let status = tenants.get("main").await?.status.context("no status")?;
        let messages: Vec<_> = status.conditions.iter().map(|one| &one.message).collect();
        ensure!(
            messages.iter().any(|message| message.contains(text)),
            "{messages:?}"
        );
        Ok(())
    })
    .await
}

async fn memory(operator: &Operator) -> Result<f64> {
    let bytes = operator.metric("process_resident_memory_bytes").await?;
    Ok(bytes.context("no such metric")? / 1_048_576.0)
}

async fn scene(name: &str) -> Result<Option<Scene>> {
    Scene::start(&format!("operator::many::{name}")).await
}

#[tokio::test]
async fn f14_rotations_of_many_tenants_are_spread_and_a_start_anew_writes_nothing() -> Result<()> {
    let name = "f14_rotations_of_many_tenants_are_spread_and_a_start_anew_writes_nothing";
    let Some(scene) = scene(name).await? else {
        return Ok(());
    };
    let all = names("t", TENANTS);
    declare_all(&scene, &all, &json!({"mintage.dev/injection": "enabled"})).await?;
    // All at once: nothing but the keys themselves tells them apart.
    let mut operator = scene.operator(&Options::default()).await?;
    all_ready(&scene, &all).await?;
    silence(&scene, Duration::from_secs(3)).await?;
    are_spread(&rotations(&scene).await?)?;
    let (keys, versions) = (
        managed::private_keys(&scene.client).await?,
        scene.managed().await?,
    );
    ensure!(keys.len() >= TENANTS, "{} keyrings", keys.len());
    let used = memory(&operator).await?;
    ensure!(used < 128.0, "{used} MiB for {TENANTS} tenants");
    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );

    let mark = scene.plane.audit_mark();
    let options = Options::with(&["--resync-seconds", "1"]);
    let operator = scene.operator(&options).await?;
    operator.leads().await?;
    // Ten times everything is compared anew.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let written = writes(&scene.plane.audit_since(mark)?);
    ensure!(written.is_empty(), "{written:?}");
    ensure!(
        managed::private_keys(&scene.client).await? == keys,
        "a key was replaced"
    );
    ensure!(scene.managed().await? == versions);
    // It works all the same.
    let api = api(&all[0], 900);
    scene.audience(&format!("{}/api", all[0]), api).await?;
    all_ready(&scene, &all).await
}

#[tokio::test]
async fn f14_a_tenant_that_fails_delays_no_other() -> Result<()> {
    let Some(scene) = scene("f14_a_tenant_that_fails_delays_no_other").await? else {
        return Ok(());
    };
    let mut operator = scene.operator(&Options::default()).await?;
    operator.leads().await?;
    let mut without = Vec::new();
    for word in ["a", "b", "c"] {
        without.push(batch(&scene, word).await?);
    }

    close(&scene).await?;
    let mark = scene.plane.audit_mark();
    let failing = names("closed", FAILING);
    let labels = json!({"mintage.dev/injection": "enabled", CLOSED: "true"});
    declare_all(&scene, &failing, &labels).await?;
    for name in &failing {
        says(&scene, name, "closed to the operator").await?;
    }
    // And two that nothing comes of whatever is tried: a key that is none, and a domain that another tenant has.
    let opted_in = json!({"mintage.dev/injection": "enabled"});
    declare(&scene, "broken", &opted_in).await?;
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "broken");
    let junk = json!({
        "metadata": {"name": "signing", "labels": {"mintage.dev/signing-key": "true"}},
        "stringData": {"RS256.pem": "no key"},
    });
    secrets
        .create(&PostParams::default(), &serde_json::from_value(junk)?)
        .await?;
    let brought =
        json!({"domain": "broken.test", "signing": {"keySecretRef": {"name": "signing"}}});
    scene.tenant("broken/main", brought).await?;
    says(&scene, "broken", "RS256.pem").await?;
    scene.namespace("squatter", &opted_in).await?;
    scene.tenant("squatter/main", tenant("a000")).await?;
    says(&scene, "squatter", "Tenant a000/main").await?;

    let mut with = Vec::new();
    for (word, life) in [("d", 700), ("e", 800), ("f", 900)] {
        // Each time they come first, and have something new to write.
        for name in &failing {
            scene
                .audience(&format!("{name}/api"), api(name, life))
                .await?;
        }
        with.push(batch(&scene, word).await?);
    }
    println!("{BATCH} new tenants: {without:?}; beside {FAILING} that fail: {with:?}");
    let (slowest, fastest) = (without.iter().max(), with.iter().min());
    let (slowest, fastest) = (slowest.context("none")?, fastest.context("none")?);
    ensure!(
        *fastest <= *slowest * 2 + Duration::from_secs(2),
        "without {without:?}, with {with:?}"
    );

    // They are tried again, and more and more seldom.
    let events = scene.plane.audit_since(mark)?;
    let account = jail::account();
    let refused = events.iter().filter(|event| {
        event.user == account && event.code >= 400 && event.namespace.starts_with("closed0")
    });
    let refused = refused.count();
    ensure!(
        (2 * FAILING..=40 * FAILING).contains(&refused),
        "{refused} requests were refused"
    );
    let still = ready(&scene).await?;
    ensure!(
        failing.iter().all(|name| !still.contains(name)),
        "{still:?}"
    );

    open(&scene).await?;
    all_ready(&scene, &failing).await?;
    silence(&scene, Duration::from_secs(3)).await?;
    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );
    Ok(())
}
