//! As an API: what three judges in the pod think of a token. The first two are the sidecar; the third is a library that
//! knows no more than where the keys are.

use std::env;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::Fault;
use super::ask::{http, told};

/// What all of them say; `scope` is what the request needs, if it needs one.
pub async fn all(token: &str, audience: &str, scope: &str) -> Result<Value, Fault> {
    let introspected = introspect(token).await?;
    Ok(json!({
        "validate": validate(token, audience, scope).await?,
        "active": introspected["active"],
        "client": introspected["client_id"],
        "scope": introspected["scope"],
        "library": match library(token, audience).await {
            Ok(()) => "good".to_owned(),
            Err(fault) => fault.to_string(),
        },
    }))
}

async fn validate(token: &str, audience: &str, scope: &str) -> Result<Value, Fault> {
    let url = format!("{}/validate", env::var("MINTAGE_URL")?);
    let mut query = vec![("audience", audience)];
    if !scope.is_empty() {
        query.push(("scope", scope));
    }
    told(
        http()?
            .get(url)
            .query(&query)
            .bearer_auth(token)
            .send()
            .await?,
    )
    .await
}

async fn introspect(token: &str) -> Result<Value, Fault> {
    let url = env::var("MINTAGE_INTROSPECTION_ENDPOINT")?;
    let answer = http()?.post(url).form(&[("token", token)]).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

/// jsonwebtoken with the keys that the pod is offered.
async fn library(token: &str, audience: &str) -> Result<(), Fault> {
    let kid = decode_header(token)?.kid.ok_or("no kid")?;
    let url = env::var("MINTAGE_JWKS_URI")?;
    let keys: JwkSet = http()?
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let key = keys.find(&kid).ok_or("unknown key")?;
    let algorithm = key.common.key_algorithm.ok_or("a key without alg")?;
    let algorithm: Algorithm = algorithm.to_string().parse()?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[env::var("MINTAGE_ISSUER")?]);
    validation.set_audience(&[audience]);
    // Only the claims that are present are checked, unless named here.
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    decode::<Value>(token, &DecodingKey::from_jwk(key)?, &validation)?;
    Ok(())
}
