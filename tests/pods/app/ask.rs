//! As a client: tokens from the sidecar, and calls with them.

use std::env;
use std::time::Duration;

use jsonwebtoken::decode_header;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::{Fault, ended, say};

/// The pause between two calls.
const PAUSE: Duration = Duration::from_millis(20);

/// An HTTP client that waits for nobody for long.
pub fn http() -> Result<Client, Fault> {
    // Nothing here is TLS, and the image has no authorities.
    let client = Client::builder().no_proxy().tls_certs_only([]);
    Ok(client.timeout(Duration::from_secs(5)).build()?)
}

/// What the sidecar answers who asks for a token: status and body.
pub async fn token(audience: &str, scope: Option<&str>) -> Result<Value, Fault> {
    let mut form = vec![("grant_type", "client_credentials"), ("audience", audience)];
    form.extend(scope.map(|scope| ("scope", scope)));
    let url = env::var("MINTAGE_TOKEN_ENDPOINT")?;
    let answer = http()?.post(url).form(&form).send().await?;
    let status = answer.status().as_u16();
    Ok(json!({ "status": status, "body": answer.json::<Value>().await? }))
}

/// What an API answers to a call with a fresh token, or the sidecar that gives none.
pub async fn call(
    url: &str,
    audience: &str,
    scope: &str,
    headers: &[&str],
) -> Result<Value, Fault> {
    let given = token(audience, Some(scope)).await?;
    let Some(token) = given["body"]["access_token"].as_str() else {
        return Ok(json!({ "refused": given }));
    };
    let mut request = http()?.get(url).bearer_auth(token);
    for header in headers {
        let (name, value) = header.split_once(": ").ok_or("no `name: value`")?;
        request = request.header(name, value);
    }
    let mut answer = told(request.send().await?).await?;
    answer["kid"] = decode_header(token)?.kid.into();
    Ok(answer)
}

/// What is answered to who shows no token.
pub async fn get(url: &str) -> Result<Value, Fault> {
    told(http()?.get(url).send().await?).await
}

/// An answer as JSON: status, challenge and body.
pub async fn told(answer: Response) -> Result<Value, Fault> {
    let status = answer.status().as_u16();
    let challenge = answer.headers().get("WWW-Authenticate");
    let challenge = challenge
        .map(|value| value.to_str())
        .transpose()?
        .map(str::to_owned);
    let body = answer.text().await?;
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    Ok(json!({ "status": status, "challenge": challenge, "body": body }))
}

/// A fault, and what is behind it.
fn chain(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Calls until it is ended. Each second it says how many calls succeeded in it, and of each that did not at once, what came
/// of it.
pub async fn calls(url: &str, audience: &str, scope: &str) -> Result<(), Fault> {
    let calls = async {
        let mut good = 0_u64;
        let mut second = tokio::time::Instant::now();
        loop {
            match call(url, audience, scope, &[]).await {
                Ok(answer) if answer["status"] == 200 => good += 1,
                Ok(answer) => say(&json!({ "event": "refused", "answer": answer }))?,
                Err(fault) => say(&json!({ "event": "failed", "why": chain(&*fault) }))?,
            }
            if second.elapsed() >= Duration::from_secs(1) {
                second = tokio::time::Instant::now();
                say(&json!({ "event": "counted", "good": good }))?;
                good = 0;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        outcome = calls => outcome,
        ended = ended() => Ok(ended?),
    }
}
