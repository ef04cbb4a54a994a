//! What RBAC and the chart's admission policies keep apart: Secrets of other namespaces, Secrets of the operator, statuses.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_core::managed;
use mintage_tests::operator::Options;
use serde_json::json;

use super::{API_OWNER, Cast, HOMES, KEYS, TENANT_ADMIN, forbidden};
use crate::release::{kind, refused, secret};

#[tokio::test]
async fn attack_33_nobody_reads_or_writes_what_is_in_another_namespace() -> Result<()> {
    let test = "borders::attack_33_nobody_reads_or_writes_what_is_in_another_namespace";
    let Some(cast) = Cast::start(test).await? else {
        return Ok(());
    };
    for home in HOMES {
        let client = cast.owner(home).await?;
        for place in ["identity", "mintage-system", "orders", "payments", "shop"] {
            let api: Api<Secret> = Api::namespaced(client.clone(), place);
            let name = match place {
                "identity" => "mintage-truth.acme".to_owned(),
                "mintage-system" => managed::domain_claim(&"acme.test".parse()?),
                _ => KEYS.to_owned(),
            };
            let real = cast.scene.secret(place, &name).await?;
            ensure!(real.is_some(), "{place}/{name} is not there to be read");
            let answer = api.get(&name).await;
            let made = api
                .create(&PostParams::default(), &secret("mine", &[]))
                .await;
            if place == home {
                answer.with_context(|| format!("{home} reads its own"))?;
                made.with_context(|| format!("{home} writes its own"))?;
            } else {
                forbidden(answer, &format!("{home} reads {place}/{name}"))?;
                forbidden(made, &format!("{home} writes to {place}"))?;
                let all = api.list(&ListParams::default()).await;
                forbidden(all, &format!("{home} lists {place}"))?;
            }
        }
        let everywhere: Api<Secret> = Api::all(client);
        let listed = everywhere.list(&ListParams::default()).await;
        forbidden(listed, &format!("{home} lists all Secrets"))?;
    }

    // Nor does a resource lead there: references to Secrets and tenants name no namespace that they would cross into.
    let admin = cast.owner(TENANT_ADMIN).await?;
    let strict = PostParams::default();
    let tenants = kind(&admin, "identity", "Tenant");
    for (reference, fits) in [("own-key", true), ("orders/own-key", false)] {
        let tenant = json!({
            "apiVersion": "mintage.dev/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "keyed"},
            "spec": {"domain": "keyed.test", "signing": {"keySecretRef": {"name": reference}}},
        });
        let outcome = tenants
            .create(&strict, &serde_json::from_value(tenant)?)
            .await;
        ensure!(outcome.is_ok() == fits, "{reference}: {outcome:?}");
    }
    Ok(())
}

#[tokio::test]
async fn attack_34_nobody_but_the_operator_touches_its_secrets() -> Result<()> {
    let test = "borders::attack_34_nobody_but_the_operator_touches_its_secrets";
    let Some(mut cast) = Cast::start(test).await? else {
        return Ok(());
    };
    cast.policies().await?;
    let (post, delete) = (PostParams::default(), DeleteParams::default());
    for home in HOMES {
        let client = cast.owner(home).await?;
        let api: Api<Secret> = Api::namespaced(client.clone(), home);
        let name = if home == TENANT_ADMIN {
            "mintage-truth.acme"
        } else {
            KEYS
        };
        let before = api.get(name).await?;
        let patch = |patch| (PatchParams::default(), Patch::Merge(patch));
        for change in [
            json!({"stringData": {"keyring.json": "mine"}}),
            json!({"metadata": {"labels": {managed::LABEL: null}}}),
        ] {
            let (params, patch) = patch(change);
            let outcome = api.patch(name, &params, &patch).await;
            refused(outcome, "mintage-managed-secrets")?;
        }
        refused(api.delete(name, &delete).await, "mintage-managed-secrets")?;
        for planted in [
            "mintage-keys.identity.next",
            "mintage-bundle-1.identity.acme",
        ] {
            let outcome = api.create(&post, &secret(planted, &[])).await;
            refused(outcome, "mintage-secret-names")?;
        }
        let labels = [
            (managed::LABEL, "truth"),
            (managed::TENANT_NAMESPACE, "identity"),
            (managed::TENANT_NAME, "acme"),
        ];
        let outcome = api.create(&post, &secret("planted", &labels)).await;
        refused(outcome, "mintage-managed-secrets")?;
        let after = api.get(name).await?;
        ensure!(after.resource_version() == before.resource_version());

        // The same with a Secret of one's own.
        api.create(&post, &secret("mine", &[])).await?;
        let (params, change) = patch(json!({"stringData": {"key": "other"}}));
        api.patch("mine", &params, &change).await?;
        api.delete("mine", &delete).await?;
        // And pods are one's own matter.
        let pods: Api<Pod> = Api::namespaced(client, home);
        let pod = json!({
            "metadata": {"name": "app"},
            "spec": {"containers": [{"name": "app", "image": "example.test/app:1"}]},
        });
        pods.create(&post, &serde_json::from_value(pod)?).await?;
    }

    // The policies do not stand in the operator's own way.
    cast.operator.terminate().await?;
    let _next = cast.scene.operator(&Options::default()).await?;
    cast.scene.opted_in("late").await?;
    let grants: &[(&str, &str, &[&str])] = &[("late", "app", &["read"])];
    cast.scene
        .audience("late/late", super::audience("late", grants))
        .await?;
    cast.scene.audience_ready("late/late").await?;
    ensure!(cast.scene.secret("late", KEYS).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn attack_34_nobody_but_the_operator_says_what_came_of_a_resource() -> Result<()> {
    let test = "borders::attack_34_nobody_but_the_operator_says_what_came_of_a_resource";
    let Some(cast) = Cast::start(test).await? else {
        return Ok(());
    };
    cast.policies().await?;
    for (home, word, name) in [
        (TENANT_ADMIN, "Tenant", "acme"),
        (API_OWNER, "ApiAudience", "orders"),
    ] {
        let api: Api<DynamicObject> = kind(&cast.owner(home).await?, home, word);
        let forged = json!({"status": {"observedGeneration": 99}});
        let params = PatchParams::default();
        let outcome = api
            .patch_status(name, &params, &Patch::Merge(&forged))
            .await;
        refused(outcome, "mintage-status")?;
        let own = json!({"metadata": {"annotations": {"example.com/note": "mine"}}});
        api.patch(name, &params, &Patch::Merge(&own)).await?;
    }
    Ok(())
}
