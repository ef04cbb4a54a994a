//! Keys that admins bring (`signing.keySecretRef`).

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use mintage_core::Alg;
use mintage_core::jose::{Pkcs8, PrivateKey};
use mintage_crds::Tenant;
use mintage_crds::status::find;
use mintage_tests::cluster::within;
use mintage_tests::operator::Options;
use serde_json::{Value, json};

use super::scene::{PATIENCE, Scene};

/// A key in PEM, and its name.
fn key() -> Result<(String, String)> {
    let pkcs8 = Pkcs8::generate(Alg::RS256)?;
    let kid = PrivateKey::from_pkcs8(Alg::RS256, &pkcs8)?
        .kid()
        .to_string();
    let base64 = serde_json::to_value(&pkcs8)?;
    let base64 = base64.as_str().context("base64")?;
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    Ok((pem, kid))
}

/// The names of the keys that the tenant holds.
async fn kids(scene: &Scene) -> Result<Vec<String>> {
    let secret = scene.secret("identity", "mintage-tenant-keys.acme").await?;
    let data = secret
        .and_then(|secret| secret.data)
        .context("no keyring")?;
    let file: Value = serde_json::from_slice(&data["keyring.json"].0)?;
    let keys = file["keys"].as_array().context("no keys")?.iter();
    Ok(keys
        .filter_map(|key| key["kid"].as_str().map(str::to_owned))
        .collect())
}

async fn degraded(scene: &Scene, says: &str) -> Result<()> {
    let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), "identity");
    within(PATIENCE, &format!("the Tenant says: {says}"), async || {
        let status = tenants.get("acme").await?.status.unwrap_or_default();
        let degraded = find(&status.conditions, "Degraded");
        ensure!(
            degraded.is_some_and(|one| one.message.contains(says)),
            "{degraded:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_brought_key_signs_and_another_one_follows_it() -> Result<()> {
    let name = "operator::brought::a_brought_key_signs_and_another_one_follows_it";
    let Some(scene) = Scene::start(name).await? else {
        return Ok(());
    };
    scene.namespace("identity", &json!({})).await?;
    let operator = scene.operator(&Options::default()).await?;
    let (pem, first) = key()?;
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "identity");
    let secret = json!({
        "metadata": {"name": "acme-signing"},
        "stringData": {"RS256.pem": pem},
    });
    secrets
        .create(&PostParams::default(), &serde_json::from_value(secret)?)
        .await?;
    scene
        .tenant(
            "identity/acme",
            json!({
                "domain": "acme.test",
                "signing": {"keySecretRef": {"name": "acme-signing"}, "propagationDelay": "2s"},
            }),
        )
        .await?;

    // Not labelled: it may be anybody's.
    degraded(&scene, "mintage.dev/signing-key: \"true\"").await?;
    let params = PatchParams::default();
    let label = json!({"metadata": {"labels": {"mintage.dev/signing-key": "true"}}});
    secrets
        .patch("acme-signing", &params, &Patch::Merge(&label))
        .await?;
    within(PATIENCE, "the brought key is the tenant's", async || {
        let kids = kids(&scene).await?;
        ensure!(kids == [first.clone()], "{kids:?}");
        Ok(())
    })
    .await?;

    // What is no key is said, and the one that signs goes on.
    let nothing = json!({"stringData": {"RS256.pem": "nothing"}});
    secrets
        .patch("acme-signing", &params, &Patch::Merge(&nothing))
        .await?;
    degraded(&scene, "openssl pkcs8 -topk8 -nocrypt").await?;
    ensure!(
        kids(&scene).await? == [first.clone()],
        "{}",
        operator.log()?
    );

    let (pem, second) = key()?;
    let next = json!({"stringData": {"RS256.pem": pem}});
    secrets
        .patch("acme-signing", &params, &Patch::Merge(&next))
        .await?;
    within(
        PATIENCE,
        "the second key is there beside the first",
        async || {
            let kids = kids(&scene).await?;
            ensure!(kids.contains(&first) && kids.contains(&second), "{kids:?}");
            Ok(())
        },
    )
    .await?;
    within(
        PATIENCE,
        "the first key is of no use any more",
        async || {
            let kids = kids(&scene).await?;
            ensure!(kids == [second.clone()], "{kids:?}");
            Ok(())
        },
    )
    .await?;
    ensure!(!operator.log()?.contains("PRIVATE KEY"));
    Ok(())
}
