//! What one namespace's resources give another, and what they do not (attacks 33, 34 and 39).

use anyhow::{Result, ensure};
use kube::api::PostParams;
use mintage_tests::pod::Sidecar;
use serde_json::json;

use super::{API_OWNER, Cast, KEYS, TENANT_ADMIN, WORKLOAD_OWNER, audience, forbidden, no_token};
use crate::release::kind;

#[tokio::test]
async fn attack_33_an_api_of_a_namespace_that_the_tenant_does_not_allow_is_none() -> Result<()> {
    let test = "grants::attack_33_an_api_of_a_namespace_that_the_tenant_does_not_allow_is_none";
    let Some(cast) = Cast::start(test).await? else {
        return Ok(());
    };
    let private = json!({"domain": "private.test", "signing": {"propagationDelay": "1s"}});
    cast.scene.tenant("identity/private", private).await?;
    let owner = kind(&cast.owner(API_OWNER).await?, "orders", "ApiAudience");
    for tenant in ["private", "acme"] {
        let mut spec = audience(&format!("by-{tenant}"), &[("shop", "app", &["read"])]);
        spec["tenantRef"]["name"] = tenant.into();
        let object = json!({
            "apiVersion": "mintage.dev/v1alpha1", "kind": "ApiAudience",
            "metadata": {"name": format!("by-{tenant}")}, "spec": spec,
        });
        owner
            .create(&PostParams::default(), &serde_json::from_value(object)?)
            .await?;
    }
    cast.scene.audience_ready("orders/by-acme").await?;
    let message = cast
        .scene
        .audience_refused("orders/by-private", "NamespaceNotAllowed")
        .await?;
    ensure!(message.contains("spec.allowedNamespaces"), "{message}");
    // And the tenant's keys do not come to a namespace by that.
    for namespace in ["orders", "shop"] {
        let keys = "mintage-keys.identity.private";
        ensure!(cast.scene.secret(namespace, keys).await?.is_none());
        ensure!(cast.scene.secret(namespace, KEYS).await?.is_some());
    }
    Ok(())
}

#[tokio::test]
async fn attack_34_a_grant_gives_what_it_says_to_whom_it_says_and_nothing_beyond() -> Result<()> {
    let test = "grants::attack_34_a_grant_gives_what_it_says_to_whom_it_says_and_nothing_beyond";
    let Some(cast) = Cast::start(test).await? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let shop = cast.volume("shop", dir.path()).await?;
    let app = Sidecar::start(shop.dir(), "shop/app", &[]).await?;
    let other = Sidecar::start(shop.dir(), "shop/other", &[]).await?;
    app.token("https://orders.test").await?;
    no_token(&app, "https://payments.test", "audience-unknown").await?;
    no_token(&other, "https://orders.test", "").await?;

    // Of an API that grants it nothing a namespace is not even told.
    let told = shop.read().await?;
    let told: String = told
        .iter()
        .filter(|(name, _)| name.starts_with("bundle"))
        .map(|(_, bytes)| String::from_utf8_lossy(bytes))
        .collect();
    ensure!(told.contains("https://orders.test"), "{told}");
    ensure!(!told.contains("https://payments.test"), "{told}");

    // Who has the pods does not grant, and who has an API grants its own only.
    let grants: &[(&str, &str, &[&str])] = &[("shop", "app", &["read", "write"])];
    let object = |name: &str, spec| {
        serde_json::from_value(json!({
            "apiVersion": "mintage.dev/v1alpha1", "kind": "ApiAudience",
            "metadata": {"name": name}, "spec": spec,
        }))
    };
    let post = PostParams::default();
    let workloads = cast.owner(WORKLOAD_OWNER).await?;
    for place in ["orders", "payments"] {
        let api = kind(&workloads, place, "ApiAudience");
        let made = api
            .create(&post, &object("more", audience("more", grants))?)
            .await;
        forbidden(made, "an API in another namespace")?;
    }
    let own = kind(&workloads, "shop", "ApiAudience");
    own.create(&post, &object("payments", audience("payments", grants))?)
        .await?;
    let message = cast
        .scene
        .audience_refused("shop/payments", "Conflict")
        .await?;
    ensure!(
        message.contains("ApiAudience payments/payments"),
        "{message}"
    );
    own.create(&post, &object("shop", audience("shop", grants))?)
        .await?;
    cast.scene.audience_ready("shop/shop").await?;
    let mut shop = shop;
    mintage_tests::cluster::eventually("its own API is there", async || {
        shop.sync().await?;
        app.token("https://shop.test").await.map(drop)
    })
    .await?;
    no_token(&app, "https://payments.test", "audience-unknown").await
}

#[tokio::test]
async fn attack_39_names_that_run_together_or_have_dots_are_not_one() -> Result<()> {
    let test = "grants::attack_39_names_that_run_together_or_have_dots_are_not_one";
    let Some(cast) = Cast::start(test).await? else {
        return Ok(());
    };
    // a-b/c and a/b-c; and names with a dot, which would part elsewhere.
    let mut keys = Vec::new();
    for (namespace, name) in [("a-b", "c"), ("a", "b-c")] {
        cast.scene.namespace(namespace, &json!({})).await?;
        let at = format!("{namespace}/{name}");
        let spec = json!({"domain": format!("{name}.{namespace}.test"), "allowedNamespaces": {"from": "All"}});
        cast.scene.tenant(&at, spec).await?;
        let mut spec = audience(
            &format!("{name}-{namespace}"),
            &[("shop", "app.v1", &["read"])],
        );
        spec["tenantRef"] = json!({"name": name, "namespace": namespace});
        let at = format!("orders/{name}-of-{namespace}");
        cast.scene.audience(&at, spec).await?;
        cast.scene.audience_ready(&at).await?;
        let secret = format!("mintage-keys.{namespace}.{name}");
        let found = cast.scene.secret("shop", &secret).await?;
        keys.push(found.and_then(|secret| secret.data));
    }
    ensure!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1]);
    let admin = kind(&cast.owner(TENANT_ADMIN).await?, "identity", "Tenant");
    for (name, fits) in [("b.c", false), ("b-c", true)] {
        let object = json!({
            "apiVersion": "mintage.dev/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name}, "spec": {"domain": format!("{name}.dots.test")},
        });
        let made = admin
            .create(&PostParams::default(), &serde_json::from_value(object)?)
            .await;
        ensure!(made.is_ok() == fits, "{name}: {made:?}");
    }

    // A dot in the name of a ServiceAccount stands for itself (CVE-2026-39350).
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("c");
    let client = cast.scene.client.clone();
    let mut volume = mintage_tests::volume::Volume::new(client, "shop", "a-b/c", &path)?;
    volume.sync().await?;
    let api = "https://c-a-b.test";
    for other in ["shop/appxv1", "shop/app-v1", "shop/app", "shop/v1"] {
        let sidecar = Sidecar::start(&path, other, &[]).await?;
        no_token(&sidecar, api, "").await?;
    }
    let sidecar = Sidecar::start(&path, "shop/app.v1", &[]).await?;
    sidecar.token(api).await.map(drop)
}
