//! Attack 38: what is secret stands in Secrets, and nowhere else that people or programs read.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use mintage_core::managed;
use mintage_tests::cluster::eventually;
use serde_json::{Value, json};

use super::{Cast, KEYS};
use crate::operator::convergence::silence;

/// The private keys and the names of all keys of a cluster.
async fn keys(cast: &Cast) -> Result<(Vec<String>, Vec<String>)> {
    let api: Api<Secret> = Api::all(cast.scene.client.clone());
    let params = ListParams::default().labels(managed::LABEL);
    let (mut private, mut names) = (Vec::new(), Vec::new());
    for secret in api.list(&params).await?.items {
        let data = secret.data.unwrap_or_default();
        let Some(file) = data.get("keyring.json") else {
            continue;
        };
        let file: Value = serde_json::from_slice(&file.0)?;
        for key in file["keys"].as_array().into_iter().flatten() {
            private.extend(key["pkcs8"].as_str().map(str::to_owned));
            names.extend(key["kid"].as_str().map(str::to_owned));
        }
    }
    Ok((private, names))
}

#[tokio::test]
async fn attack_38_no_private_key_is_told_in_logs_metrics_events_or_statuses() -> Result<()> {
    let test = "secrecy::attack_38_no_private_key_is_told_in_logs_metrics_events_or_statuses";
    let Some(mut cast) = Cast::start(test).await? else {
        return Ok(());
    };
    // As much as there is to say, and at the level at which most is said.
    cast.operator.terminate().await?;
    let options = mintage_tests::operator::Options::with(&["--log-level", "debug"]);
    let operator = cast.scene.operator(&options).await?;
    let (old, _) = keys(&cast).await?;
    cast.scene
        .annotate("identity/acme", json!({"mintage.dev/rotate-now": "1"}))
        .await?;
    let secrets: Api<Secret> = Api::namespaced(cast.scene.client.clone(), "shop");
    eventually("another key is there", async || {
        let (now, _) = keys(&cast).await?;
        ensure!(now.iter().any(|key| !old.contains(key)), "the same keys");
        Ok(())
    })
    .await?;
    secrets.delete(KEYS, &DeleteParams::default()).await?;
    silence(&cast.scene, std::time::Duration::from_secs(3)).await?;
    let (mut private, names) = keys(&cast).await?;
    private.extend(old);
    ensure!(private.len() >= 3, "{names:?}");

    let kinds = "events,tenants,apiaudiences,applications,customdomains,leases,configmaps";
    let arguments = ["get", kinds, "-A", "-o", "json"];
    let said = cast.scene.plane.kubectl(&arguments).await?;
    let audit = cast.scene.plane.audit()?;
    let places = [
        ("log", operator.log()?),
        ("metrics", operator.metrics().await?),
        ("resources", said.succeeded()?.to_owned()),
        ("requests", format!("{audit:?}")),
    ];
    for (place, text) in &places {
        for key in &private {
            // A part of it would be one too many.
            let (head, tail) = (
                &key[..40.min(key.len())],
                &key[key.len().saturating_sub(40)..],
            );
            ensure!(!text.contains(tail), "the {place} tell a private key");
            // The beginning is the same in all keys of an algorithm, and tells that one follows.
            ensure!(!text.contains(head), "the {place} tell a private key");
        }
    }
    // What may be told is: the search finds names of keys.
    let resources = &places[2].1;
    ensure!(
        names.iter().any(|name| resources.contains(name)),
        "{names:?}"
    );
    Ok(())
}
