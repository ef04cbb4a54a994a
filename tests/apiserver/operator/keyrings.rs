//! Keys as admins and accidents touch them: rotation and revocation by annotation, Secrets deleted and changed by hand.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use mintage_tests::cluster::within;
use mintage_tests::operator::Options;
use mintage_tests::pod::{Sidecar, header};
use mintage_tests::volume::Volume;
use serde_json::{Value, json};

use super::convergence::silence;
use super::scene::{PATIENCE, Scene};

const API: &str = "https://orders.test";

/// One tenant, one API, one client, and a sidecar on each side of the call.
struct Call {
    scene: Scene,
    issuer: Volume,
    validator: Volume,
    app: Sidecar,
    api: Sidecar,
    _dir: tempfile::TempDir,
}

impl Call {
    async fn start(scene: Scene) -> Result<Self> {
        scene.namespace("identity", &json!({})).await?;
        scene.opted_in("shop").await?;
        scene.opted_in("orders").await?;
        scene
            .tenant(
                "identity/acme",
                json!({
                    "domain": "acme.test",
                    "allowedNamespaces": {"from": "All"},
                    "signing": {"propagationDelay": "3s"},
                }),
            )
            .await?;
        scene
            .audience(
                "orders/orders",
                json!({
                    "tenantRef": {"name": "acme", "namespace": "identity"},
                    "identifier": API,
                    "signingAlgorithm": "ES256",
                    "scopes": [{"name": "read"}],
                    "grants": [{"workload": {"namespace": "shop", "serviceAccount": "app"}, "scopes": ["read"]}],
                }),
            )
            .await?;
        scene.audience_ready("orders/orders").await?;
        let dir = tempfile::tempdir()?;
        let volume = |namespace: &str| {
            let path = dir.path().join(namespace);
            Volume::new(scene.client.clone(), namespace, "identity/acme", &path)
        };
        let (mut issuer, mut validator) = (volume("shop")?, volume("orders")?);
        issuer.sync().await?;
        validator.sync().await?;
        let app = Sidecar::start(issuer.dir(), "shop/app", &[]).await?;
        let api = Sidecar::start(validator.dir(), "orders/api", &[]).await?;
        Ok(Self {
            scene,
            issuer,
            validator,
            app,
            api,
            _dir: dir,
        })
    }

    async fn sync(&mut self) -> Result<()> {
        self.validator.sync().await?;
        self.issuer.sync().await?;
        Ok(())
    }

    async fn kid(&self) -> Result<String> {
        let header = header(&self.app.token(API).await?)?;
        Ok(header["kid"].as_str().context("no kid")?.to_owned())
    }

    /// Waits until tokens are signed by another key; good tokens are accepted all the while.
    async fn until_signed_by_another(&mut self, old: &str) -> Result<String> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.sync().await?;
            let token = self.app.token(API).await?;
            // The validator has what the issuer has.
            let answer = self.api.validate(&token).await?;
            ensure!(
                answer.status() == 200,
                "a good token was refused: {}",
                answer.text().await?
            );
            let kid = self.kid().await?;
            if kid != old {
                return Ok(kid);
            }
            ensure!(tokio::time::Instant::now() < end, "{old} signs still");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn events(&self, reason: &str) -> Result<Vec<String>> {
        let api: Api<Event> = Api::namespaced(self.scene.client.clone(), "identity");
        let events = api.list(&ListParams::default()).await?.items.into_iter();
        let ours = events.filter(|event| event.reason.as_deref() == Some(reason));
        Ok(ours.filter_map(|event| event.note).collect())
    }
}

async fn call(name: &str) -> Result<Option<(Call, mintage_tests::operator::Operator)>> {
    let Some(scene) = Scene::start(&format!("operator::keyrings::{name}")).await? else {
        return Ok(None);
    };
    let operator = scene.operator(&Options::default()).await?;
    Ok(Some((Call::start(scene).await?, operator)))
}

#[tokio::test]
async fn an_annotation_rotates_all_keys_and_nobody_notices() -> Result<()> {
    let Some((mut call, _operator)) =
        call("an_annotation_rotates_all_keys_and_nobody_notices").await?
    else {
        return Ok(());
    };
    let old = call.kid().await?;
    let held = call.app.token(API).await?;
    call.scene
        .annotate("identity/acme", json!({"mintage.dev/rotate-now": "first"}))
        .await?;
    let new = call.until_signed_by_another(&old).await?;
    ensure!(
        call.api.validate(&held).await?.status() == 200,
        "tokens of the old key stay good"
    );
    let told = within(PATIENCE, "an Event names the new key", async || {
        let events = call.events("KeyPublished").await?;
        ensure!(events.iter().any(|text| text.contains(&new)), "{events:?}");
        Ok(events)
    });
    told.await?;
    // The same request again is none.
    silence(&call.scene, Duration::from_secs(3)).await?;
    call.sync().await?;
    ensure!(call.kid().await? == new);
    Ok(())
}

#[tokio::test]
async fn an_annotation_revokes_a_key_and_its_tokens_are_refused() -> Result<()> {
    let Some((mut call, _operator)) =
        call("an_annotation_revokes_a_key_and_its_tokens_are_refused").await?
    else {
        return Ok(());
    };
    let old = call.kid().await?;
    let held = call.app.token(API).await?;
    ensure!(
        call.api.validate(&held).await?.status() == 200,
        "it is good at first"
    );
    call.scene
        .annotate("identity/acme", json!({"mintage.dev/revoke-key": old}))
        .await?;
    within(PATIENCE, "the revoked key's token is refused", async || {
        call.validator.sync().await?;
        let status = call.api.validate(&held).await?.status();
        ensure!(status == 401, "{status}");
        Ok(())
    })
    .await?;
    within(PATIENCE, "another key signs", async || {
        call.sync().await?;
        let kid = call.kid().await?;
        ensure!(kid != old, "{kid}");
        Ok(())
    })
    .await?;
    within(PATIENCE, "an Event says so", async || {
        let events = call.events("KeyRevoked").await?;
        ensure!(events.iter().any(|text| text.contains(&old)), "{events:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_deleted_keyring_is_restored_and_its_keys_are_replaced_without_a_refused_token()
-> Result<()> {
    let name = "a_deleted_keyring_is_restored_and_its_keys_are_replaced_without_a_refused_token";
    let Some((mut call, _operator)) = call(name).await? else {
        return Ok(());
    };
    let (old, held) = (call.kid().await?, call.app.token(API).await?);
    let secrets: Api<Secret> = Api::namespaced(call.scene.client.clone(), "shop");
    secrets
        .delete("mintage-keys.identity.acme", &DeleteParams::default())
        .await?;
    within(PATIENCE, "the keyring is there again", async || {
        call.issuer.sync().await.map(drop)
    })
    .await?;
    call.until_signed_by_another(&old).await?;
    ensure!(
        call.api.validate(&held).await?.status() == 200,
        "tokens of the lost key stay good"
    );
    within(PATIENCE, "an Event says so", async || {
        let events = call.events("Restored").await?;
        ensure!(
            events
                .iter()
                .any(|text| text.contains("shop/mintage-keys.identity.acme was deleted")),
            "{events:?}"
        );
        Ok(())
    })
    .await?;
    let tenant = call
        .scene
        .plane
        .kubectl(&["get", "tenant", "acme", "-n", "identity", "-o", "json"])
        .await?;
    let tenant: Value = serde_json::from_str(&tenant.out)?;
    let conditions = tenant["status"]["conditions"]
        .as_array()
        .context("no conditions")?;
    ensure!(
        conditions
            .iter()
            .any(|one| one["type"] == "Degraded" && one["status"] == "True"),
        "{conditions:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_keyring_or_bundle_changed_by_hand_is_restored() -> Result<()> {
    let Some((mut call, _operator)) =
        call("a_keyring_or_bundle_changed_by_hand_is_restored").await?
    else {
        return Ok(());
    };
    let before = call.validator.read().await?;
    let secrets: Api<Secret> = Api::namespaced(call.scene.client.clone(), "orders");
    for (secret, key) in [
        ("mintage-bundle-0.identity.acme", "bundle-0"),
        ("mintage-keys.identity.acme", "keyring.json"),
    ] {
        let patch = json!({"stringData": {key: "not what was written"}});
        secrets
            .patch(secret, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        within(PATIENCE, &format!("{secret} is as it was"), async || {
            let now = call.validator.read().await?;
            let same: BTreeSet<_> = now
                .iter()
                .filter(|(name, bytes)| before.get(*name) == Some(bytes))
                .collect();
            ensure!(
                same.iter().any(|(name, _)| name.as_str() == key) || now[key].starts_with(b"{"),
                "{key}"
            );
            Ok(())
        })
        .await?;
    }
    call.sync().await?;
    let token = call.app.token(API).await?;
    ensure!(call.api.validate(&token).await?.status() == 200);
    Ok(())
}

#[tokio::test]
async fn what_is_remembered_is_restored_from_memory_and_its_loss_while_nobody_looks_freezes_the_tenant()
-> Result<()> {
    let name = "what_is_remembered_is_restored_from_memory_and_its_loss_while_nobody_looks_freezes_the_tenant";
    let Some((mut call, mut operator)) = call(name).await? else {
        return Ok(());
    };
    let secrets: Api<Secret> = Api::namespaced(call.scene.client.clone(), "identity");
    let root = "mintage-truth.acme";
    let before = secrets.get(root).await?;
    secrets.delete(root, &DeleteParams::default()).await?;
    within(PATIENCE, "the truth is there again", async || {
        let now = secrets.get(root).await?;
        ensure!(now.data == before.data, "it holds something else");
        Ok(())
    })
    .await?;

    operator.terminate().await?;
    let kid = call.kid().await?;
    secrets.delete(root, &DeleteParams::default()).await?;
    let mut next = call.scene.operator(&Options::default()).await?;
    within(PATIENCE, "the Tenant says what is missing", async || {
        let tenant = call
            .scene
            .plane
            .kubectl(&["get", "tenant", "acme", "-n", "identity", "-o", "json"])
            .await?;
        ensure!(
            tenant
                .out
                .contains("mintage-truth.acme is missing; restore it from a backup"),
            "{}",
            tenant.out
        );
        Ok(())
    })
    .await?;
    // No new key, no change: sidecars go on.
    call.sync().await?;
    ensure!(call.kid().await? == kid, "never a silent new key");

    // With the backup everything goes on.
    next.terminate().await?;
    let mut backup = before;
    backup.metadata.resource_version = None;
    backup.metadata.uid = None;
    backup.metadata.managed_fields = None;
    secrets
        .create(&kube::api::PostParams::default(), &backup)
        .await?;
    let _third = call.scene.operator(&Options::default()).await?;
    call.scene
        .annotate(
            "identity/acme",
            json!({"mintage.dev/rotate-now": "after the restore"}),
        )
        .await?;
    call.until_signed_by_another(&kid).await?;
    Ok(())
}
