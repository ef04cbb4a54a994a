//! The life of Tenants, and of namespaces under them.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use mintage_crds::{ApiAudience, Tenant};
use mintage_tests::cluster::within;
use mintage_tests::operator::Options;
use serde_json::json;

use super::scene::{PATIENCE, Scene};

async fn scene(name: &str) -> Result<Option<Scene>> {
    let Some(scene) = Scene::start(&format!("operator::tenants::{name}")).await? else {
        return Ok(None);
    };
    scene.namespace("identity", &json!({})).await?;
    scene
        .tenant(
            "identity/acme",
            json!({"domain": "acme.test", "allowedNamespaces": {"from": "All"}, "signing": {"propagationDelay": "1s"}}),
        )
        .await?;
    Ok(Some(scene))
}

fn orders() -> serde_json::Value {
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": "https://orders.test",
        "signingAlgorithm": "ES256",
        "scopes": [{"name": "read"}],
        "grants": [{"workload": {"namespace": "shop", "serviceAccount": "app"}, "scopes": ["read"]}],
    })
}

#[tokio::test]
async fn a_tenant_goes_when_nothing_refers_to_it_and_takes_everything_along() -> Result<()> {
    let Some(scene) =
        scene("a_tenant_goes_when_nothing_refers_to_it_and_takes_everything_along").await?
    else {
        return Ok(());
    };
    scene.opted_in("shop").await?;
    scene.opted_in("orders").await?;
    scene.audience("orders/orders", orders()).await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene.audience_ready("orders/orders").await?;

    let tenants: Api<Tenant> = Api::namespaced(scene.client.clone(), "identity");
    tenants.delete("acme", &DeleteParams::default()).await?;
    within(PATIENCE, "the Tenant says what holds it", async || {
        let said = scene
            .plane
            .kubectl(&["get", "events", "-n", "identity", "-o", "json"])
            .await?;
        ensure!(
            said.out.contains("DeletionBlocked") && said.out.contains("ApiAudience orders/orders"),
            "{}",
            said.out
        );
        Ok(())
    })
    .await?;
    ensure!(tenants.get_opt("acme").await?.is_some());

    let audiences: Api<ApiAudience> = Api::namespaced(scene.client.clone(), "orders");
    audiences.delete("orders", &DeleteParams::default()).await?;
    within(PATIENCE, "the Tenant is gone", async || {
        ensure!(tenants.get_opt("acme").await?.is_none());
        Ok(())
    })
    .await?;
    within(
        PATIENCE,
        "only the claim on its domain is left",
        async || {
            let left = scene.managed().await?;
            ensure!(
                left.iter()
                    .all(|(place, _)| place.starts_with("mintage-system/mintage-domain.")),
                "{left:?}"
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_namespace_has_keys_while_it_is_opted_in_and_allowed() -> Result<()> {
    let Some(scene) = scene("a_namespace_has_keys_while_it_is_opted_in_and_allowed").await? else {
        return Ok(());
    };
    scene.opted_in("orders").await?;
    scene.namespace("shop", &json!({})).await?;
    scene.audience("orders/orders", orders()).await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene.audience_ready("orders/orders").await?;
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "shop");
    let keys = "mintage-keys.identity.acme";
    ensure!(
        secrets.get_opt(keys).await?.is_none(),
        "nobody asked for keys there"
    );

    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let label = |value: serde_json::Value| json!({"metadata": {"labels": {"mintage.dev/injection": value}}});
    let params = PatchParams::default();
    namespaces
        .patch("shop", &params, &Patch::Merge(&label(json!("enabled"))))
        .await?;
    within(PATIENCE, "it has keys", async || {
        ensure!(secrets.get_opt(keys).await?.is_some());
        Ok(())
    })
    .await?;
    // Opted out, its keys end after the delay, and with them the Secret.
    namespaces
        .patch("shop", &params, &Patch::Merge(&label(json!(null))))
        .await?;
    within(PATIENCE, "it has no keys any more", async || {
        ensure!(secrets.get_opt(keys).await?.is_none());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pod_opts_its_namespace_in() -> Result<()> {
    let Some(scene) = scene("a_pod_opts_its_namespace_in").await? else {
        return Ok(());
    };
    scene.namespace("shop", &json!({})).await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene.tenant_ready("identity/acme").await?;
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "shop");
    let keys = "mintage-keys.identity.acme";
    ensure!(secrets.get_opt(keys).await?.is_none());
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(scene.client.clone(), "shop");
    let pod = json!({
        "metadata": {"name": "app", "labels": {"mintage.dev/inject": "true"}},
        "spec": {"containers": [{"name": "app", "image": "example.test/app:1"}]},
    });
    pods.create(
        &kube::api::PostParams::default(),
        &serde_json::from_value(pod)?,
    )
    .await?;
    within(
        PATIENCE,
        "it has a keyring, if only an empty one",
        async || {
            ensure!(secrets.get_opt(keys).await?.is_some());
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn narrowing_the_allowed_namespaces_takes_keys_and_apis_back() -> Result<()> {
    let Some(scene) = scene("narrowing_the_allowed_namespaces_takes_keys_and_apis_back").await?
    else {
        return Ok(());
    };
    scene.opted_in("shop").await?;
    scene.opted_in("orders").await?;
    scene.audience("orders/orders", orders()).await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene.audience_ready("orders/orders").await?;
    scene
        .tenant("identity/acme", json!({"domain": "acme.test", "allowedNamespaces": {"from": "Same"}, "signing": {"propagationDelay": "1s"}}))
        .await?;
    let message = scene
        .audience_refused("orders/orders", "NamespaceNotAllowed")
        .await?;
    ensure!(
        message.contains("spec.allowedNamespaces"),
        "it says how to mend it: {message}"
    );
    let secrets: Api<Secret> = Api::namespaced(scene.client.clone(), "shop");
    within(
        PATIENCE,
        "the namespace has no private keys any more",
        async || {
            ensure!(
                secrets
                    .get_opt("mintage-keys.identity.acme")
                    .await?
                    .is_none()
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn an_annotation_that_cannot_be_read_is_said_and_the_tenant_is_served() -> Result<()> {
    let name = "an_annotation_that_cannot_be_read_is_said_and_the_tenant_is_served";
    let Some(scene) = scene(name).await? else {
        return Ok(());
    };
    scene.opted_in("shop").await?;
    scene.opted_in("orders").await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene.tenant_ready("identity/acme").await?;
    scene
        .annotate(
            "identity/acme",
            json!({"mintage.dev/revoke-key": "the key of shop"}),
        )
        .await?;
    scene.audience("orders/orders", orders()).await?;
    scene.audience_ready("orders/orders").await?;
    within(PATIENCE, "its status says what is wrong", async || {
        let message = scene
            .tenant_says("identity/acme", "Ready", "True", "Served")
            .await?;
        for text in ["mintage.dev/revoke-key", "the key of shop", "kid"] {
            ensure!(message.contains(text), "{message}");
        }
        Ok(())
    })
    .await?;
    scene.event("identity", "SettingIgnored").await?;

    // Mended, it says so no more.
    scene
        .annotate(
            "identity/acme",
            json!({"mintage.dev/revoke-key": "none-of-ours"}),
        )
        .await?;
    within(PATIENCE, "its status says nothing of it", async || {
        let message = scene
            .tenant_says("identity/acme", "Ready", "True", "Served")
            .await?;
        ensure!(message == "Served", "{message}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_api_says_which_namespaces_have_no_keys() -> Result<()> {
    let Some(scene) = scene("an_api_says_which_namespaces_have_no_keys").await? else {
        return Ok(());
    };
    scene.opted_in("orders").await?;
    scene.namespace("shop", &json!({})).await?;
    let _operator = scene.operator(&Options::default()).await?;
    scene.audience("orders/orders", orders()).await?;
    let audiences: Api<ApiAudience> = Api::namespaced(scene.client.clone(), "orders");
    let says = async |expected: &dyn Fn(&str) -> bool| {
        within(PATIENCE, "Ready says what it is to say", async || {
            let status = audiences
                .get("orders")
                .await?
                .status
                .context("it has no status")?;
            let ready = mintage_crds::status::ready(&status.conditions).context("no Ready")?;
            ensure!(
                ready.status == "True" && expected(&ready.message),
                "{ready:?}"
            );
            Ok(())
        })
        .await
    };
    says(&|message| message.contains("namespace shop get no tokens")).await?;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let label = json!({"metadata": {"labels": {"mintage.dev/injection": "enabled"}}});
    namespaces
        .patch("shop", &PatchParams::default(), &Patch::Merge(&label))
        .await?;
    says(&|message| message == "Served").await
}
