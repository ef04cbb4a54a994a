//! Who has a namespace's key, or writes Secrets that look like the operator's.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use mintage_core::bundle::KeyringFile;
use mintage_core::jose::{PrivateKey, encode_segment};
use mintage_core::{Alg, managed};
use mintage_tests::operator::Options;
use mintage_tests::pod::Sidecar;
use serde_json::{Value, json};

use super::{Cast, KEYS};
use crate::operator::convergence::silence;

const ORDERS: &str = "https://orders.test";
const PAYMENTS: &str = "https://payments.test";

/// The key that a namespace signs with.
fn stolen(file: &[u8]) -> Result<PrivateKey> {
    let file = KeyringFile::parse(file)?;
    let mut keys = file.keys.iter();
    let entry = keys.find(|entry| entry.alg == Alg::ES256);
    Ok(entry.context("no key")?.open()?)
}

/// A token with some claims changed, signed by a key.
fn forge(token: &str, key: &PrivateKey, changes: &Value) -> Result<String> {
    let mut parts = token.split('.');
    let (header, payload) = (parts.next().context("no header")?, parts.next());
    let payload = URL_SAFE_NO_PAD.decode(payload.context("no payload")?)?;
    let mut payload: Value = serde_json::from_slice(&payload)?;
    for (name, value) in changes.as_object().into_iter().flatten() {
        ensure!(payload.get(name).is_some(), "{name} is no claim: {payload}");
        payload[name] = value.clone();
    }
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
    header["kid"] = key.kid().to_string().into();
    Ok(key.sign_compact(&encode_segment(&header), &encode_segment(&payload))?)
}

#[tokio::test]
async fn attack_34_a_stolen_key_speaks_for_its_namespace_and_its_grants_only() -> Result<()> {
    let name = "forgery::attack_34_a_stolen_key_speaks_for_its_namespace_and_its_grants_only";
    let Some(cast) = Cast::start(name).await? else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let shop = cast.volume("shop", dir.path()).await?;
    let orders = cast.volume("orders", dir.path()).await?;
    let payments = cast.volume("payments", dir.path()).await?;
    let app = Sidecar::start(shop.dir(), "shop/app", &[]).await?;
    let batch = Sidecar::start(payments.dir(), "payments/batch", &[]).await?;
    let orders = Sidecar::start(orders.dir(), "orders/api", &[]).await?;
    let key = stolen(&shop.read().await?["keyring.json"])?;
    let good = app.token(ORDERS).await?;
    let theirs = batch.token(PAYMENTS).await?;

    // The claims of the namespace itself are as good as the sidecar's own words.
    let forged = forge(&good, &key, &json!({}))?;
    ensure!(orders.validate(&forged).await?.status() == 200);
    ensure!(batch.validate(&theirs).await?.status() == 200);
    // The client is in `sub` and in `azp`; one of them is what stands in the token of another.
    let payload = URL_SAFE_NO_PAD.decode(theirs.split('.').nth(1).context("no payload")?)?;
    let others: Value = serde_json::from_slice(&payload)?;
    for (sidecar, changes) in [
        (&orders, json!({"sub": others["sub"], "azp": others["azp"]})),
        (&orders, json!({"sub": others["sub"]})),
        (&orders, json!({"azp": others["azp"]})),
        (&orders, json!({"scope": "write"})),
        (&orders, json!({"scope": "read write"})),
        (&orders, json!({"aud": PAYMENTS})),
        (&orders, json!({"iss": "https://other.test/"})),
        (&batch, json!({"aud": PAYMENTS})),
        (
            &batch,
            json!({"aud": PAYMENTS, "sub": others["sub"], "azp": others["azp"]}),
        ),
        (&batch, json!({})),
    ] {
        let forged = forge(&good, &key, &changes)?;
        let answer = sidecar.validate(&forged).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(
            matches!(status.as_u16(), 401 | 403),
            "{changes}: {status} {text}"
        );
    }
    // Another's whole token under this key: the name of a key is no more than a name.
    let forged = forge(&theirs, &key, &json!({}))?;
    ensure!(batch.validate(&forged).await?.status() == 401);
    Ok(())
}

#[tokio::test]
async fn attack_34_secrets_that_look_like_the_operators_are_not_believed() -> Result<()> {
    let name = "forgery::attack_34_secrets_that_look_like_the_operators_are_not_believed";
    let Some(mut cast) = Cast::start(name).await? else {
        return Ok(());
    };
    silence(&cast.scene, std::time::Duration::from_secs(2)).await?;
    let client = &cast.scene.client;
    let truths: Api<Secret> = Api::namespaced(client.clone(), "identity");
    let params = kube::api::ListParams::default().labels(managed::LABEL);
    let real = truths.list(&params).await?.items;
    ensure!(!real.is_empty(), "there is something to copy");
    let keys = cast.scene.secret("shop", KEYS).await?.context("no keys")?;
    let bundle = managed::bundle(&"identity/acme".parse()?, 0);
    let told = cast
        .scene
        .secret("shop", &bundle)
        .await?
        .context("no bundle")?;

    // No policy is there: whoever may write Secrets in a namespace copies what the operator made, with its labels, and
    // changes it; and claims a domain and an API's name by records of the operator's form.
    let claimed = managed::domain_claim(&"wanted.test".parse()?);
    let claim = cast
        .scene
        .secret(
            "mintage-system",
            &managed::domain_claim(&"acme.test".parse()?),
        )
        .await?
        .context("no claim")?;
    let planted: Api<Secret> = Api::namespaced(client.clone(), "payments");
    let post = PostParams::default();
    let mut copies: Vec<(String, Secret)> = vec![(claimed, claim)];
    for truth in real {
        let name = truth.metadata.name.clone().context("no name")?;
        copies.push((name, truth));
    }
    copies.push(("mintage-keys.identity.acme.copy".to_owned(), keys.clone()));
    for (name, original) in copies {
        let mut data = original.data.unwrap_or_default();
        for bytes in data.values_mut() {
            let text = String::from_utf8_lossy(&bytes.0);
            bytes.0 = text.replace("shop", "payments").into_bytes();
        }
        let copy = Secret {
            metadata: ObjectMeta {
                name: Some(name),
                labels: original.metadata.labels,
                annotations: original.metadata.annotations,
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..Secret::default()
        };
        planted.create(&post, &copy).await?;
    }
    cast.operator.terminate().await?;
    let _next = cast.scene.operator(&Options::default()).await?;
    cast.scene
        .tenant("identity/wanted", json!({"domain": "wanted.test"}))
        .await?;
    cast.scene.tenant_ready("identity/wanted").await?;
    cast.scene.tenant_ready("identity/acme").await?;
    silence(&cast.scene, std::time::Duration::from_secs(2)).await?;
    let now = cast.scene.secret("shop", KEYS).await?.context("no keys")?;
    ensure!(now.data == keys.data, "the keys are others now");
    let now = cast
        .scene
        .secret("shop", &bundle)
        .await?
        .context("no bundle")?;
    ensure!(
        now.data == told.data,
        "the namespace was told something else"
    );
    Ok(())
}
