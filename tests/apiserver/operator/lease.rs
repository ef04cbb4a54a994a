//! The Lease, and what becomes of the numbers of turns when it is lost.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_tests::cluster::within;
use mintage_tests::operator::{NAMESPACE, Options};
use serde_json::json;

use super::scene::{PATIENCE, Scene};

const NAME: &str = "mintage-operator";

fn quick() -> Options {
    Options::with(&[
        "--lease-duration",
        "3s",
        "--lease-deadline",
        "2s",
        "--lease-retry",
        "300ms",
    ])
}

fn api(number: u32) -> serde_json::Value {
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": format!("https://a{number}.test"),
        "signingAlgorithm": "ES256",
    })
}

async fn spec(leases: &Api<Lease>) -> Result<LeaseSpec> {
    let lease = leases.get_opt(NAME).await?.context("there is no Lease")?;
    lease.spec.context("the Lease has no spec")
}

async fn epoch(scene: &Scene) -> Result<i32> {
    let truth = scene.secret("identity", "mintage-truth.acme").await?;
    let truth = truth.context("there is no truth")?;
    let epoch = truth.annotations().get("mintage.dev/epoch");
    Ok(epoch.context("it has no epoch")?.parse()?)
}

#[tokio::test]
async fn a_lease_that_is_deleted_holds_nobody_up() -> Result<()> {
    let test = "operator::lease::a_lease_that_is_deleted_holds_nobody_up";
    let Some(scene) = Scene::start(test).await? else {
        return Ok(());
    };
    let leases: Api<Lease> = Api::namespaced(scene.client.clone(), NAMESPACE);
    // Many have led before.
    let old = Lease {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(3),
            lease_transitions: Some(41),
            ..LeaseSpec::default()
        }),
    };
    leases.create(&PostParams::default(), &old).await?;
    scene.namespace("identity", &json!({})).await?;
    scene
        .tenant("identity/acme", json!({"domain": "acme.test"}))
        .await?;
    let mut first = scene.operator(&quick()).await?;
    scene.tenant_ready("identity/acme").await?;
    let held = spec(&leases).await?;
    let holder = held.holder_identity.clone().unwrap_or_default();
    ensure!(holder.starts_with("operator-"), "{held:?}");
    ensure!(held.lease_transitions == Some(42), "{held:?}");
    ensure!(held.lease_duration_seconds == Some(3), "{held:?}");
    ensure!(epoch(&scene).await? == 42);

    // The leader makes it again, and goes on under its number.
    leases.delete(NAME, &DeleteParams::default()).await?;
    within(PATIENCE, "there is a Lease again", async || {
        let again = spec(&leases).await?;
        ensure!(again.lease_transitions == Some(42), "{again:?}");
        ensure!(again.acquire_time == held.acquire_time, "{again:?}");
        Ok(())
    })
    .await?;
    ensure!(first.metric("mintage_operator_leader").await? == Some(1.0));

    // Without a leader and a Lease the next one begins at 0, below what the last one wrote.
    first.kill().await?;
    leases.delete(NAME, &DeleteParams::default()).await?;
    let mut second = scene.operator(&quick()).await?;
    scene.audience("identity/a1", api(1)).await?;
    scene.audience_ready("identity/a1").await?;
    let raised = spec(&leases).await?.lease_transitions;
    ensure!(raised == Some(43), "{raised:?}\n{}", second.log()?);

    // And the end leaves it to the next one.
    ensure!(second.terminate().await? == Some(0), "{}", second.log()?);
    let released = spec(&leases).await?;
    ensure!(
        released.holder_identity.as_deref() == Some(""),
        "{released:?}"
    );
    Ok(())
}
