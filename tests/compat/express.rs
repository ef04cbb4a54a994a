//! What a caller of an Express application behind express-oauth2-jwt-bearer gets.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{APIS, ORDERS, PAYMENTS, dev, forge, settings, start};

#[tokio::test]
async fn answers_a_caller() -> Result<()> {
    let Some(mut client) = start("express::answers_a_caller", "express")? else {
        return Ok(());
    };
    let dev = dev().await?;
    let [orders, payments, _] = &APIS;
    let token = dev.token(0, ORDERS).await?;
    let of_payments = dev.token(0, PAYMENTS).await?;
    let bad = forge::with_other_signature(&token)?;
    let payments = settings(&dev, payments);
    let orders = settings(&dev, orders);
    let mut strict = orders.clone();
    strict["typ"] = "at+jwt".into();
    let read = "read:orders";
    for (settings, token, scope, expected) in [
        (&orders, Some(&token), read, None),
        (&orders, None, read, Some((401, "UnauthorizedError"))),
        (&orders, Some(&bad), read, Some((401, "invalid_token"))),
        (
            &orders,
            Some(&token),
            "no",
            Some((403, "insufficient_scope")),
        ),
        (&payments, Some(&of_payments), "charge", None),
        // A token as Auth0 writes them is not one of RFC 9068.
        (&strict, Some(&token), read, Some((401, "invalid_token"))),
    ] {
        client.configure(settings.clone()).await?;
        let answer = client
            .ask(&json!({ "op": "verify", "token": token, "scope": scope }))
            .await?;
        let Some((status, error)) = expected else {
            ensure!(answer["ok"] == true, "{scope}: {answer}");
            continue;
        };
        ensure!(
            answer["status"] == status && answer["error"] == error,
            "{status} {error}: {answer}"
        );
        let challenge = answer["challenge"].as_str().unwrap_or_default();
        ensure!(challenge.starts_with("Bearer realm=\"api\""), "{answer}");
    }
    Ok(())
}
