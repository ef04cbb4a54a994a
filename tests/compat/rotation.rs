//! Libraries as resource servers: good tokens and bad ones, before, during and after a rotation.

use anyhow::{Context as _, Result, ensure};
use mintage_tests::client::Client;
use mintage_tests::dev::{Dev, eventually};
use serde_json::Value;

use crate::words::{self, Words};
use crate::{APIS, Api, Keys, dev, forge, settings, start};

const OTHER_ISSUER: &str = "https://globex.localhost:7743/";
const OTHER_AUDIENCE: &str = "https://elsewhere.example.com";

async fn refused(client: &mut Client, token: &str, words: &[&str]) -> Result<()> {
    let (error, message) = client.refuses(token).await?;
    let fits = words
        .iter()
        .any(|word| error == *word || message.contains(word));
    ensure!(
        fits,
        "refused with {error} ({message}), not with one of {words:?}"
    );
    Ok(())
}

/// Tokens that nobody can make who has not got the key, but that should not be believed all the same.
fn misused(
    dev: &Dev,
    good: &str,
    api: &Api,
    words: &Words,
) -> Result<Vec<(String, &'static [&'static str])>> {
    let change = |name: &str, value: Value| {
        forge::signed_again(good, &dev.state, |header, claims| match name {
            "typ" => header[name] = value,
            _ => claims[name] = value,
        })
    };
    // Long ago: some libraries forgive a minute.
    let expired = forge::signed_again(good, &dev.state, |_, claims| {
        claims["iat"] = 1_700_000_000.into();
        claims["exp"] = 1_700_000_600.into();
    })?;
    let mut bad = vec![
        (change("iss", OTHER_ISSUER.into())?, words.issuer),
        (change("aud", OTHER_AUDIENCE.into())?, words.audience),
        (expired, words.expired),
    ];
    if api.typ == "at+jwt" {
        bad.push((change("typ", "JWT".into())?, words.typ));
    }
    Ok(bad)
}

/// One library at one API, through a rotation.
async fn through_a_rotation(
    dev: &Dev,
    client: &mut Client,
    api: &Api,
    words: &Words,
    request: &str,
) -> Result<()> {
    client.configure(settings(dev, api)).await?;
    let before = dev.token(0, api.audience).await?;
    let claims = client.accepts(&before).await?;
    ensure!(
        claims["aud"] == api.audience && claims["sub"] == "shop/checkout@clients",
        "{claims}"
    );

    let mut bad = vec![
        (forge::with_other_signature(&before)?, words.signature),
        (
            forge::with_claim(&before, "scope", "everything")?,
            words.signature,
        ),
        (forge::with_header(&before, "alg", "none")?, words.none),
        (forge::hmac_confusion(&before)?, words.hmac),
        (
            forge::with_header(&before, "kid", "nobody")?,
            words.unknown_key,
        ),
    ];
    // As it is, it is good again: what is refused below is refused for its one change.
    let unchanged = forge::signed_again(&before, &dev.state, |_, _| ())?;
    client.accepts(&unchanged).await?;
    bad.extend(misused(dev, &before, api, words)?);
    for (bad, words) in bad {
        refused(client, &bad, words).await?;
    }
    // A token for another API of the same algorithm and key: only the expectation differs.
    let mut elsewhere = settings(dev, api);
    elsewhere["audience"] = OTHER_AUDIENCE.into();
    client.configure(elsewhere).await?;
    refused(client, &before, words.audience).await?;
    client.configure(settings(dev, api)).await?;
    client.accepts(&before).await.context("set up again")?;

    let keys_before = keys_of(dev, api).await?;
    rotate(dev, request)?;
    let kid = forge::kid(&before)?;
    // During: the next key is published and does not sign yet.
    eventually("the next key is published", async || {
        Ok((keys_of(dev, api).await? > keys_before).then_some(()))
    })
    .await?;
    let during = dev.token(0, api.audience).await?;
    for token in [&before, &during] {
        client.accepts(token).await.context("during")?;
    }
    // After: another key signs, and what the old one signed is still good.
    let after = eventually("another key signs", async || {
        let token = dev.token(0, api.audience).await?;
        Ok((forge::kid(&token)? != kid).then_some(token))
    })
    .await?;
    for token in [&after, &before, &during] {
        client.accepts(token).await.context("after")?;
    }
    refused(
        client,
        &forge::with_other_signature(&after)?,
        words.signature,
    )
    .await
}

/// How many keys of the API's algorithm are published.
async fn keys_of(dev: &Dev, api: &Api) -> Result<usize> {
    let workload = match api.keys {
        Keys::Pod(workload) => workload,
        Keys::Discovery => 0,
    };
    let keys = dev.json(workload, "/.well-known/jwks.json").await?;
    Ok(keys["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|key| key["alg"] == api.alg)
        .count())
}

/// Asks for a rotation of the tenant's keys and of its namespaces'.
fn rotate(dev: &Dev, request: &str) -> Result<()> {
    dev.edit("tenants.yaml", |text| {
        let line = format!("    mintage.dev/rotate-now: \"{request}\"\n");
        match text.find("    mintage.dev/rotate-now:") {
            None => text.replacen(
                "  name: acme\n",
                &format!("  name: acme\n  annotations:\n{line}"),
                1,
            ),
            Some(start) => {
                let end = text[start..]
                    .find('\n')
                    .map_or(text.len(), |end| start + end + 1);
                format!("{}{line}{}", &text[..start], &text[end..])
            }
        }
    })
}

async fn library(test: &str, name: &str, words: &Words) -> Result<()> {
    let Some(mut client) = start(test, name)? else {
        return Ok(());
    };
    let dev = dev().await?;
    for (index, api) in APIS.iter().enumerate() {
        let request = format!("rotation {index}");
        let outcome = through_a_rotation(&dev, &mut client, api, words, &request).await;
        // What is wrong may be the server's doing.
        outcome.with_context(|| {
            let log = dev.log().unwrap_or_default();
            format!("{name}, {}; dev said:\n{log}", api.audience)
        })?;
    }
    Ok(())
}

#[tokio::test]
async fn pyjwt_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::pyjwt_verifies_through_a_rotation",
        "pyjwt",
        &words::PYJWT,
    )
    .await
}

#[tokio::test]
async fn authlib_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::authlib_verifies_through_a_rotation",
        "authlib",
        &words::AUTHLIB,
    )
    .await
}

#[tokio::test]
async fn jose_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::jose_verifies_through_a_rotation",
        "jose",
        &words::JOSE,
    )
    .await
}

#[tokio::test]
async fn express_oauth2_jwt_bearer_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::express_oauth2_jwt_bearer_verifies_through_a_rotation",
        "express",
        &words::EXPRESS,
    )
    .await
}

#[tokio::test]
async fn go_oidc_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::go_oidc_verifies_through_a_rotation",
        "go-oidc",
        &words::GO_OIDC,
    )
    .await
}

#[tokio::test]
async fn go_jwt_middleware_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::go_jwt_middleware_verifies_through_a_rotation",
        "go-jwt-middleware",
        &words::GO_JWT_MIDDLEWARE,
    )
    .await
}

#[tokio::test]
async fn nimbus_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::nimbus_verifies_through_a_rotation",
        "nimbus",
        &words::NIMBUS,
    )
    .await
}

#[tokio::test]
async fn spring_security_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::spring_security_verifies_through_a_rotation",
        "spring",
        &words::SPRING,
    )
    .await
}

#[tokio::test]
async fn jsonwebtoken_verifies_through_a_rotation() -> Result<()> {
    library(
        "rotation::jsonwebtoken_verifies_through_a_rotation",
        "jsonwebtoken",
        &words::JSONWEBTOKEN,
    )
    .await
}
