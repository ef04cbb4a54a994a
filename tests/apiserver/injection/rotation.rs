//! F7: certificates that change while pods are made.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use k8s_openapi::ByteString;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use mintage_operator::tls::{Policy, State};
use mintage_tests::cluster::{eventually, throughout, within};
use serde_json::json;
use tokio::time::sleep;

use super::scene::{OURS, SECRET, Scene, occupy, pod};

/// A certificate lives 12 s, and the next one is trusted for 2 s before it is served.
const FAST: Policy = Policy { life: 12, delay: 2 };

const _: () = assert!(FAST.life / 3 > FAST.delay);

#[tokio::test]
async fn f7_no_pod_is_refused_while_certificates_rotate() -> Result<()> {
    let test = "injection::rotation::f7_no_pod_is_refused_while_certificates_rotate";
    let Some(scene) = Scene::start(test, FAST, &[OURS]).await? else {
        return Ok(());
    };
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let keep_making = async || -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            scene.dry_run(&pod(json!({}))?).await?;
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    // Several at once, so that connections come and go.
    let makers = join_all((0..6).map(|_| keep_making()));
    let rotations = async {
        let mut expiries = BTreeSet::new();
        let rotated = within(
            Duration::from_mins(2),
            "three certificates are served",
            async || {
                expiries.insert(scene.metrics.certificate_expiry());
                scene.certificates.ready().map_err(anyhow::Error::msg)?;
                ensure!(expiries.len() >= 3, "there were {expiries:?}");
                Ok(())
            },
        );
        let rotated = rotated.await;
        // Until the first authority is forgotten, too.
        sleep(Duration::from_secs(3)).await;
        over.store(true, Ordering::Relaxed);
        rotated
    };
    let (makers, rotated) = tokio::join!(makers, rotations);
    rotated?;
    for maker in makers {
        maker.context("a pod was refused")?;
    }
    let made = count.load(Ordering::Relaxed);
    ensure!(made > 100, "only {made} pods were made");
    Ok(())
}

#[tokio::test]
async fn f6_a_changed_bundle_is_repaired_and_nothing_else_is_touched() -> Result<()> {
    let test = "injection::rotation::f6_a_changed_bundle_is_repaired_and_nothing_else_is_touched";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let good = scene.bundles().await?;
    ensure!(
        good.len() == 1 && good[0].contains("BEGIN CERTIFICATE"),
        "{good:?}"
    );
    let api = scene.configurations();
    let params = PatchParams::default();
    let change = json!([
        { "op": "remove", "path": "/webhooks/0/clientConfig/caBundle" },
        { "op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 7 },
        { "op": "add", "path": "/metadata/labels", "value": { "own": "kept" } },
    ]);
    let change = Patch::Json::<()>(serde_json::from_value(change)?);
    api.patch(&scene.configuration, &params, &change).await?;
    eventually("the bundle is back", async || {
        let bundles = scene.bundles().await?;
        ensure!(bundles == good, "{bundles:?}");
        Ok(())
    })
    .await?;
    let found = api.get(&scene.configuration).await?;
    ensure!(found.labels().contains_key("own"));
    let webhook = found
        .webhooks
        .as_ref()
        .and_then(|all| all.first())
        .context("no webhook")?;
    ensure!(webhook.timeout_seconds == Some(7));
    scene.trusted().await?;

    // The operator owns that field and no other.
    let fields = found.managed_fields().iter();
    let ours = fields.filter(|one| one.manager.as_deref() == Some("mintage-operator"));
    let owned: Vec<_> = ours
        .filter_map(|one| Some(one.fields_v1.as_ref()?.0.clone()))
        .collect();
    let expected = json!({ "f:webhooks": { "k:{\"name\":\"ours.mintage.dev\"}": { "f:clientConfig": { "f:caBundle": {} } } } });
    ensure!(owned == [expected], "{owned:?}");
    Ok(())
}

#[tokio::test]
async fn f7_nothing_is_written_while_nothing_changes() -> Result<()> {
    let test = "injection::rotation::f7_nothing_is_written_while_nothing_changes";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let writes = scene.writes()?;
    ensure!(writes == 2, "a Secret and a bundle: {writes}");
    throughout(Duration::from_secs(3), "nobody writes", async || {
        let now = scene.writes()?;
        ensure!(now == writes, "{now} writes");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn f5_a_deleted_or_damaged_secret_is_made_anew() -> Result<()> {
    let test = "injection::rotation::f5_a_deleted_or_damaged_secret_is_made_anew";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let secrets = scene.secrets();
    let first = scene.bundles().await?;
    secrets.delete(SECRET, &DeleteParams::default()).await?;
    eventually(
        "another authority is trusted, and the old one no more",
        async || {
            let bundles = scene.bundles().await?;
            ensure!(
                bundles != first && !bundles[0].contains(&first[0]),
                "{bundles:?}"
            );
            Ok(())
        },
    )
    .await?;
    scene.trusted().await?;

    let second = scene.bundles().await?;
    let mut secret = secrets.get(SECRET).await?;
    let data = secret.data.as_mut().context("no data")?;
    data.insert("tls.key".to_owned(), ByteString(b"damaged".to_vec()));
    secrets
        .replace(SECRET, &kube::api::PostParams::default(), &secret)
        .await?;
    eventually(
        "a good one is there, and the old authority is still trusted",
        async || {
            let secret = secrets.get(SECRET).await?;
            drop(State::read(&secret)?);
            let bundles = scene.bundles().await?;
            ensure!(
                bundles != second && bundles[0].contains(&second[0]),
                "{bundles:?}"
            );
            Ok(())
        },
    )
    .await?;
    scene.trusted().await?;
    scene.certificates.ready().map_err(anyhow::Error::msg)
}

/// Attack 34: a Secret of the same name that is somebody else's is neither taken over nor removed.
#[tokio::test]
async fn attack_34_a_secret_that_is_not_the_operators_is_left_alone() -> Result<()> {
    let test = "injection::rotation::attack_34_a_secret_that_is_not_the_operators_is_left_alone";
    let Some(scene) = Scene::usual(test).await? else {
        return Ok(());
    };
    let secrets = scene.secrets();
    secrets.delete(SECRET, &DeleteParams::default()).await?;
    // The leader makes it anew at once: whoever is faster has it.
    let occupied = eventually("somebody else has the name", async || {
        let present = secrets.get_opt(SECRET).await?;
        if present.is_some() {
            secrets.delete(SECRET, &DeleteParams::default()).await?;
        }
        occupy(&secrets).await
    })
    .await?;
    throughout(Duration::from_secs(3), "it is left alone", async || {
        let present = secrets.get(SECRET).await?;
        ensure!(present.resource_version() == occupied.resource_version());
        Ok(())
    })
    .await?;
    secrets.delete(SECRET, &DeleteParams::default()).await?;
    within(
        Duration::from_mins(2),
        "the operator has its own again",
        async || {
            drop(State::read(&secrets.get(SECRET).await?)?);
            scene.dry_run(&pod(json!({}))?).await?;
            Ok(())
        },
    )
    .await
}
